"""Yesterday's messages in tomorrow's words: made again from the archive, and never sent."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from streams.journal.base import Store
from streams.rewording import Reworded, Rewording, Summary, Text
from tests.streams.small_hub import SmallHub, small_hub

NOTICE = "violation-recorded"


@pytest.fixture
async def small(tmp_path: Path, hub_store: Store) -> AsyncIterator[SmallHub]:
    """A hub that told two people of a violation each, by text message."""
    async with small_hub(tmp_path, store=hub_store) as small:
        for number, ref in enumerate(("r-1", "r-2")):
            await small.register(ref)
            await small.violation(ref, f"350100000000000{number}")
        await small.pass_time(60_000)
        yield small


def words(small: SmallHub, **files: str) -> dict[str, str]:
    """The notice's files with some changed; ``zh_sms`` stands for ``zh.sms.j2``."""
    changed = {f"{name.replace('_', '.')}.j2": text for name, text in files.items()}
    return {**small.hub.river.documents.catalog.files[NOTICE], **changed}


async def reworded(
    small: SmallHub, files: Mapping[str, str], since_ms: int = 0
) -> tuple[list[Reworded], Summary]:
    walk = Rewording(small.hub.river, small.hub.store, NOTICE, files, since_ms)
    return [one async for page in walk.pages() for one in page], walk.summary()


async def test_the_words_in_force_read_the_same(small: SmallHub) -> None:
    messages, summary = await reworded(small, words(small))
    assert messages == []
    assert (summary.messages, summary.same, summary.changed, summary.gone) == (2, 2, 0, 0)
    assert (summary.findings, summary.refused) == ([], {})
    assert summary.segments_before == summary.segments_after > 0


async def test_a_draft_is_shown_beside_what_was_sent(small: SmallHub) -> None:
    draft = "{{ plate | mask }}有一条违法记录，罚款{{ fine | money }}元。"
    messages, summary = await reworded(small, words(small, zh_sms=draft))
    assert (summary.changed, summary.same) == (2, 0)
    one = messages[0]
    assert (one.channel, one.language, one.refused) == ("sms", "zh", "")
    assert one.before.text.startswith("【交管12123】")
    assert "五四路" in one.before.text
    assert one.after == Text("【交管12123】闽A***45有一条违法记录，罚款200.00元。", segments=1)
    assert summary.segments_after == 2 < summary.segments_before


async def test_what_the_lint_finds_is_told_with_it(small: SmallHub) -> None:
    _, summary = await reworded(small, words(small, zh_sms="{{ occurred_at }}罚款，请处理。"))
    assert "zh.sms.j2" in {finding.file for finding in summary.findings}
    assert summary.changed == 2


async def test_a_draft_that_cannot_be_read_is_answered_by_its_findings(small: SmallHub) -> None:
    for broken in ("{{ 'a' * 999999999 }}", "{{ nobody_declared_this }}", "{% if %}"):
        messages, summary = await reworded(small, words(small, zh_sms=broken))
        assert (messages, summary.messages) == ([], 0)
        assert summary.findings[0].file == "zh.sms.j2"


async def test_an_event_that_lacks_what_the_draft_asks_for_is_refused_by_name(
    small: SmallHub,
) -> None:
    files = words(small)
    declared = 'points = { type = "integer", doc = "penalty points" }\n'
    assert declared in files["notice.toml"]
    more = declared + 'officer_no = { type = "digits", max = 8, doc = "who recorded it" }\n'
    files["notice.toml"] = files["notice.toml"].replace(declared, more)
    files["zh.sms.j2"] = "民警{{ officer_no }}记录了一条违法。"
    messages, summary = await reworded(small, files)
    assert [one.after for one in messages] == [None, None]
    assert list(summary.refused) == [messages[0].refused]
    assert messages[0].refused.startswith("data.officer_no: ")


async def test_refusals_never_repeat_a_value(small: SmallHub) -> None:
    files = words(small)
    files["notice.toml"] = files["notice.toml"].replace("max = 40", "max = 3")
    _, summary = await reworded(small, files)
    assert summary.refused
    assert "五四路" not in str(summary)


async def test_begins_at_a_time(small: SmallHub) -> None:
    now_ms = small.hub.clock.now_ms()
    _, summary = await reworded(small, words(small), since_ms=now_ms + 1)
    assert summary.messages == 0


async def test_nothing_is_sent_and_nothing_is_written(small: SmallHub) -> None:
    head = small.hub.store.head()
    await reworded(small, words(small, zh_sms="请处理。"))
    await small.pass_time(60_000)
    assert small.hub.store.head() == head


async def test_who_is_no_longer_registered_is_counted_as_gone(small: SmallHub) -> None:
    await small.tell("hub.recipient.removed.v1", "r-2", {"ref": "r-2"})
    await small.pass_time(60_000)
    _, summary = await reworded(small, words(small))
    assert (summary.messages, summary.same, summary.gone) == (2, 1, 1)
