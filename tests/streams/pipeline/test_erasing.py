"""Who is erased is told nothing more, nothing about them can be read, and the journal verifies."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from preferences import store as preference_store
from preferences.changes import SetLanguage
from preferences.fault import Fault
from preferences.links import REFERENCE_CHARS, Link, find_link, save_links
from streams.core import codec
from streams.core import events as e
from streams.core.policy import HOUR_MS
from streams.journal.base import Store
from tests.streams.small_hub import SmallHub, small_hub

NIGHT_MS = 13 * HOUR_MS
"""From ten in the morning to eleven at night: what comes then is held."""

LETTER = "asked for by letter 12"


@pytest.fixture
async def small(tmp_path: Path, hub_store: Store) -> AsyncIterator[SmallHub]:
    async with small_hub(tmp_path, store=hub_store) as hub:
        yield hub


def erasures(small: SmallHub) -> list[e.JournalEvent]:
    rows = small.hub.store.since(0, 10_000)
    return [codec.decode(r.type, r.data) for r in rows if r.type.startswith("RecipientErased.")]


async def erase(small: SmallHub, ref: str) -> e.RecipientErased | Fault:
    return await small.commands.erase_recipient(ref, "shell:li", LETTER)


async def test_what_was_sent_cannot_be_read_any_more_and_the_journal_verifies(
    small: SmallHub,
) -> None:
    await small.register("P1")
    await small.violation("P1")
    await small.pass_time()
    stream = small.stream_of("P1")
    before = small.reading.timeline(stream, unseal=True)
    assert before is not None
    assert "闽A12345" in str(before)
    said = await erase(small, "P1")
    assert (
        erasures(small)
        == [said]
        == [e.RecipientErased(recipient="P1", by="shell:li", reason=LETTER)]
    )
    after = small.reading.timeline(stream, unseal=True)
    assert after is not None
    assert "闽A12345" not in str(after)
    assert "王丽" not in str(after)
    assert not list(small.hub.store.verify())
    with small.hub.store.readers.connect() as connection:
        assert preference_store.load_many(connection, small.hub.vault, ["P1"])["P1"].key is None


async def test_what_is_open_ends_and_is_not_sent_in_the_morning(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time(NIGHT_MS)
    await small.violation("P1")
    await small.pass_time(1_000)
    [leg] = small.reading.history("P1")
    assert leg.category == "held"
    await erase(small, "P1")
    [leg] = small.reading.history("P1")
    assert (leg.category, leg.reason) == ("cancelled", "erased")
    await small.pass_time(NIGHT_MS)
    [leg] = small.reading.history("P1")
    assert (leg.category, leg.channel) == ("cancelled", "")


async def test_an_alias_will_do_and_others_are_left_alone(small: SmallHub) -> None:
    await small.register("P1", aliases=["old-1"])
    await small.register("P2", phones=["13900001234"])
    await small.pass_time(NIGHT_MS)
    for ref, number in (("P1", "35011"), ("P2", "35012")):
        await small.violation(ref, number)
    await small.pass_time(1_000)
    said = await erase(small, "old-1")
    assert isinstance(said, e.RecipientErased)
    assert said.recipient == "P1"
    await small.pass_time(NIGHT_MS)
    [leg] = small.reading.history("P2")
    assert leg.category == "delivered"


async def test_whoever_looks_them_up_is_told_when_by_whom_and_why(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    assert small.reading.erased("P1", "en") is None
    await erase(small, "P1")
    told = small.reading.erased("P1", "en")
    assert told is not None
    at_ms, sentence = told
    assert at_ms <= small.hub.clock.now_ms()
    assert "shell:li" in sentence
    assert LETTER in sentence


async def test_their_links_lead_nowhere(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    reference, far_ms = "a" * REFERENCE_CHARS, small.hub.clock.now_ms() + NIGHT_MS
    with small.hub.store.transaction() as connection:
        save_links(connection, [(reference, Link("inbox", "P1", "", far_ms))])
    await erase(small, "P1")
    with small.hub.store.readers.connect() as connection:
        assert find_link(connection, reference, "inbox", 0) is None


async def test_who_is_unknown_or_was_erased_before_is_said(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    assert isinstance(await erase(small, "nobody"), Fault)
    assert isinstance(await erase(small, "P1"), e.RecipientErased)
    fault = await erase(small, "P1")
    assert isinstance(fault, Fault)
    assert fault.field == "ref"
    assert len(erasures(small)) == 1


async def test_a_reason_is_asked_for(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    fault = await small.commands.erase_recipient("P1", "shell:li", "  ")
    assert isinstance(fault, Fault)
    assert fault.field == "reason"
    assert not erasures(small)


async def test_who_chooses_at_the_same_moment_is_erased_all_the_same(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    await asyncio.gather(
        small.commands.change_preferences("P1", SetLanguage("en"), "citizen"),
        erase(small, "P1"),
        small.commands.change_preferences("P1", SetLanguage("zh"), "citizen"),
    )
    assert len(erasures(small)) == 1
    with small.hub.store.readers.connect() as connection:
        assert preference_store.load_many(connection, small.hub.vault, ["P1"])["P1"].key is None


async def test_what_upstream_still_says_about_them_lies_in_quarantine(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    await erase(small, "P1")
    await small.violation("P1")
    await small.register("P1")
    await small.pass_time()
    assert not small.reading.history("P1")
    rows = small.hub.store.since(0, 10_000)
    kept = [codec.decode(r.type, r.data) for r in rows if r.type.startswith("Quarantined.")]
    expected = "a recipient that was not erased"
    assert [x.expected for x in kept if isinstance(x, e.Quarantined)] == [expected] * 2


async def test_what_was_decided_while_they_were_erased_is_not_sent(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    await small.violation("P1")
    await erase(small, "P1")
    await small.pass_time(NIGHT_MS)
    assert not [r for r in small.hub.store.since(0, 10_000) if r.type.startswith("AttemptIntended")]
