"""The demonstration's own journal replayed: nothing differs, and a changed number changes its rows.

Which rows those are is worked out here from their facts alone, without asking ``decide``.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from hub.demo import play
from hub.settings import load
from preferences.rules import at_local, local_day
from streams.core import codec
from streams.core.policy import DEFAULT, MINUTE_MS, Policy
from streams.core.routing_facts import Facts
from streams.explanations import explain_stream
from streams.journal.sqlite import SqliteStore
from streams.replaying import Decision, Difference, Replay, decided_ms, recorded

EVENTS, DAYS = 1_200, 2


class Decided(NamedTuple):
    """A decision as its row has it."""

    stream: str
    version: int
    minute: int
    facts: Facts
    answer: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteStore, list[Decided]]]:
    folder = tmp_path_factory.mktemp("demo")
    settings = load({"HUB_DATA_DIR": str(folder)}, None)
    asyncio.run(play(settings, EVENTS, DAYS, 1, lambda progress: None))
    store = SqliteStore(folder / "hub.db")
    yield store, list(decisions(store))
    store.close()


def decisions(store: SqliteStore) -> Iterator[Decided]:
    for row in store.since(0, store.head()):
        event = codec.decode(row.type, row.data)
        if isinstance(event, Decision):
            at_ms = decided_ms(event, row)
            day_ms = at_local(local_day(at_ms, event.facts.zone), 0, event.facts.zone)
            minute = (at_ms - day_ms) // MINUTE_MS
            yield Decided(
                row.stream.hex(), row.version, minute, event.facts, recorded(event).reason
            )


def replayed(store: SqliteStore, draft: Policy) -> list[Difference]:
    return [d for page in Replay(store, draft).pages() for d in page]


def rows(differences: list[Difference]) -> set[tuple[str, int]]:
    return {(d.stream, d.version) for d in differences}


def with_rules(*classes: str, **changed: Any) -> Policy:
    rules = {
        cls: replace(rule, **changed) if cls in classes else rule
        for cls, rule in DEFAULT.classes.items()
    }
    return replace(DEFAULT, version=2, classes=rules)


Demo = tuple[SqliteStore, list[Decided]]

REACHED = {"first_reachable", "no_lane"}
"""What is answered after everything that could hold a message back by the clock or a count."""

REACHED_COUNT = {*REACHED, "frequency_cap", "frequency_cap_past_expiry"}
REACHED_CLOCK = {*REACHED_COUNT, "quiet_hours", "quiet_hours_past_expiry"}


def test_under_the_policy_in_force_nothing_differs(demo: Demo) -> None:
    store, made = demo
    assert len(made) > EVENTS
    assert replayed(store, DEFAULT) == []


def test_a_cap_of_two_instead_of_three_holds_the_third_reminder(demo: Demo) -> None:
    store, made = demo
    crossing = {
        (d.stream, d.version)
        for d in made
        if d.facts.cls == "reminder"
        and d.facts.cap < 0
        and d.facts.sent_today == 2
        and d.answer in REACHED
    }
    differences = replayed(store, with_rules("reminder", cap=2))
    assert rows(differences) == crossing != set()
    assert {d.after.reason.removesuffix("_past_expiry") for d in differences} == {"frequency_cap"}


def test_quiet_hours_an_hour_earlier_hold_what_was_sent_in_that_hour(demo: Demo) -> None:
    store, made = demo
    classes = ("notice", "status", "reminder", "bulletin")
    crossing = {
        (d.stream, d.version)
        for d in made
        if d.facts.cls in classes
        and d.facts.respects_quiet
        and d.facts.quiet_from < 0
        and 20 * 60 <= d.minute < 21 * 60
        and d.answer in REACHED_COUNT
    }
    differences = replayed(store, with_rules(*classes, quiet_from=20 * 60))
    assert rows(differences) == crossing != set()
    assert {d.after.reason.removesuffix("_past_expiry") for d in differences} == {"quiet_hours"}


def test_an_hour_longer_in_the_morning_holds_longer(demo: Demo) -> None:
    store, made = demo
    held_or_early = {
        (d.stream, d.version)
        for d in made
        if d.facts.cls == "notice"
        and d.facts.respects_quiet
        and d.facts.quiet_from < 0
        and (d.minute >= 21 * 60 or d.minute < 9 * 60)
        and d.answer in REACHED_CLOCK
    }
    differences = replayed(store, with_rules("notice", quiet_to=9 * 60))
    unmoved = {  # could not wait until eight: nor until nine
        (d.stream, d.version) for d in made
        if d.facts.cls == "notice" and d.answer == "quiet_hours_past_expiry"
    }  # fmt: skip
    assert rows(differences) == held_or_early - unmoved != set()


def test_every_leg_is_explained_without_a_doubt(demo: Demo) -> None:
    store, made = demo
    for stream in list(dict.fromkeys(d.stream for d in made))[:300]:
        story = explain_stream(store, bytes.fromhex(stream), {1: DEFAULT}, "en")
        assert story is not None
        assert [one.note for one in story.told] == [""] * len(story.told)
