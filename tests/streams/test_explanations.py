"""``hub explain``: one leg told from its rows alone, whatever their age."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from preferences.rules import DAY_MS, HOUR_MS, MINUTE_MS
from streams.core import events as e
from streams.core.names import Language
from streams.core.policy import DEFAULT, dump
from streams.explanations import explain_stream, text
from streams.journal.sqlite import SqliteStore
from streams.policies import published
from tests import golden
from tests.streams.core.legs import (
    HEAD,
    accepted,
    cancelled,
    delivered,
    escalated,
    held,
    intended,
    no_receipt,
    released,
    routed,
    way,
)
from tests.streams.core.samples import EMAIL, SMS, facts, when
from tests.streams.journals import INDEX, journal, write

LANGUAGES: tuple[Language, ...] = get_args(Language)
NIGHT, MORNING = when("22:30"), when("08:07") + DAY_MS
LEG = (1).to_bytes(16, "big")

NIGHTS = facts(at_ms=NIGHT, spread=7 * MINUTE_MS, channels=(SMS, EMAIL))
LIFE: tuple[e.JournalEvent, ...] = (
    replace(held(opens=True), facts=NIGHTS, until_ms=MORNING),
    replace(released(), facts=replace(NIGHTS, at_ms=MORNING), reason="first_reachable"),
    replace(intended(), call_before_ms=MORNING + 10_000),
    accepted(3),
    no_receipt(3),
    replace(
        escalated("email", after=3),
        facts=replace(
            NIGHTS, at_ms=MORNING + 25 * HOUR_MS, channels=(replace(SMS, tried=True), EMAIL)
        ),
    ),
    replace(intended(), lane="email", call_before_ms=MORNING + 25 * HOUR_MS + 10_000),
    accepted(7),
    cancelled(),
    replace(delivered(7), at_ms=MORNING + 25 * HOUR_MS + 59_000),
)
"""Held over the night, silent by text message, escalated to mail, stopped too late, delivered."""

NEXT_DAY = MORNING + 25 * HOUR_MS
TIMES = (
    NIGHT, MORNING, MORNING + 1_000, MORNING + 1_200, NEXT_DAY - 1, NEXT_DAY, NEXT_DAY + 1_000,
    NEXT_DAY + 1_300, NEXT_DAY + 40_000, NEXT_DAY + 60_000,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with journal(tmp_path) as store:
        yield store


def story(store: SqliteStore, language: Language = "en", stream: bytes = LEG) -> str:
    told = explain_stream(store, stream, published(store, INDEX), language)
    assert told is not None
    return text(told, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whole_life_reads_as_it_was_approved(store: SqliteStore, language: Language) -> None:
    for event, at_ms in zip(LIFE, TIMES, strict=True):
        write(store, LEG, event, at_ms=at_ms)
    golden.check(f"explanations/life.{language}.txt", story(store, language))


def test_times_are_by_the_recipients_clock_or_by_the_readers(store: SqliteStore) -> None:
    west = replace(NIGHTS, zone="Asia/Urumqi")
    write(store, LEG, replace(held(opens=True), facts=west, until_ms=MORNING), at_ms=NIGHT)
    for zone, at, until in (("", "20:30:00", "06:07"), ("Asia/Shanghai", "22:30:00", "08:07")):
        told = explain_stream(store, LEG, {1: DEFAULT}, "en", zone)
        assert told is not None
        [first] = told.told
        assert first.at.endswith(at)
        assert until in first.sentence
        assert first.explained is not None
        assert "Asia/Urumqi time" in first.explained.heading


def test_every_decision_is_explained_and_nothing_else(store: SqliteStore) -> None:
    write(store, LEG, *LIFE, at_ms=MORNING)
    told = explain_stream(store, LEG, published(store, INDEX), "en")
    assert told is not None
    explained = [one.type for one in told.told if one.explained]
    assert explained == ["Held", "Released", "Escalated"]
    assert [one.note for one in told.told] == [""] * len(LIFE)
    assert (told.status, told.notice, told.recipient) == ("delivered", HEAD.notice, "r-1")


def test_decisions_are_explained_by_the_policy_they_were_made_under(store: SqliteStore) -> None:
    late = replace(DEFAULT, version=2, classes={
        **DEFAULT.classes, "reminder": replace(DEFAULT.classes["reminder"], quiet_from=22 * 60),
    })  # fmt: skip
    event = e.PolicyPublished(policy=2, by="staff:wang", text=dump(late).decode())
    write(store, (2).to_bytes(16, "big"), event, at_ms=NIGHT, kind="policy")
    write(store, LEG, replace(LIFE[0], policy=2), at_ms=NIGHT)
    told = story(store)
    assert "of policy version 2." in told
    assert "between 22:00 and 08:00" in told


def test_a_policy_that_is_not_on_record_is_said_to_be_missing(store: SqliteStore) -> None:
    write(store, LEG, replace(LIFE[0], policy=9), at_ms=NIGHT)
    assert "Policy version 9 is not on record" in story(store)


def test_rows_that_do_not_say_when_they_were_decided_are_taken_at_their_own_time(
    store: SqliteStore,
) -> None:
    write(store, LEG, replace(LIFE[0], facts=replace(NIGHTS, at_ms=0)), at_ms=NIGHT)
    assert "Decided at 2026-11-24 22:30" in story(store)


def test_what_could_not_be_put_into_words_is_told(store: SqliteStore) -> None:
    event = e.Suppressed(
        reason="content_refused", facts=facts(at_ms=when("12:00")), policy=1, head=HEAD
    )
    write(store, LEG, event, at_ms=when("12:00"))
    assert "its words could not be made" in story(store)


def test_a_decision_that_its_facts_do_not_bear_out_is_marked(store: SqliteStore) -> None:
    route = replace(way("email"), lane="email")
    event = replace(routed(), facts=replace(NIGHTS, at_ms=when("12:00")), route=route)
    write(store, LEG, event, at_ms=when("12:00"))
    assert "the answer differs from the one on record" in story(store)


def test_times_are_by_the_recipients_clock(store: SqliteStore) -> None:
    there = facts(cls="emergency", zone="America/New_York", at_ms=when("12:00"))
    write(store, LEG, replace(routed(), facts=there), at_ms=when("12:00"))
    assert "2026-11-23 23:00:00  Decided to send it" in story(store)


def test_what_is_no_notification_has_no_story(store: SqliteStore) -> None:
    stop = e.StopRecorded(type="paid", event=b"e", event_ms=1, correlation="c")
    write(store, LEG, stop, at_ms=NIGHT)
    assert explain_stream(store, LEG, {}, "en") is None
    assert explain_stream(store, (9).to_bytes(16, "big"), {}, "en") is None
