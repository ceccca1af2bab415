"""What people may do, and what the journal says of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from preferences import store as preference_store
from preferences.changes import SetLanguage, SetQuietHours, SwitchCategory
from preferences.fault import Fault
from preferences.recipient import Preferences
from streams.commands import Received
from streams.core import codec
from streams.core import events as e
from streams.core.policy import HOUR_MS
from streams.journal.base import Store
from templates.render import Wording
from tests.streams.small_hub import SmallHub, small_hub

EXAMINED = "gov.approval.case.examined.v1"
CASE = {"case_no": "FJ2026-1", "matter": "户口迁移", "by": "鼓楼分局"}


@pytest.fixture
async def small(tmp_path: Path, hub_store: Store) -> AsyncIterator[SmallHub]:
    async with small_hub(tmp_path, store=hub_store) as hub:
        yield hub


def kinds(small: SmallHub, name: str) -> list[e.JournalEvent]:
    rows = small.hub.store.since(0, 10_000)
    return [codec.decode(r.type, r.data) for r in rows if r.type.startswith(f"{name}.")]


async def stored(small: SmallHub, ref: str) -> Preferences:
    with small.hub.store.readers.connect() as connection:
        return preference_store.load_many(connection, small.hub.vault, [ref])[ref].preferences


# Preferences -------------------------------------------------------------------------------------


async def test_a_choice_is_kept_and_journalled_sealed(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    choice = SwitchCategory("approval", "sms", on=False)
    after = await small.commands.change_preferences("P1", choice, "citizen")
    assert after == await stored(small, "P1")
    [changed] = kinds(small, "PreferenceChanged")
    assert isinstance(changed, e.PreferenceChanged)
    assert (changed.recipient, changed.kind, changed.by) == ("P1", "switch_category", "citizen")
    assert b"approval" not in changed.sealed
    again = await small.commands.change_preferences("P1", choice, "citizen")
    assert again == after
    assert len(kinds(small, "PreferenceChanged")) == 1, "nothing changed, nothing is said"


async def test_what_is_sent_by_law_cannot_be_switched_off(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    choice = SwitchCategory("traffic-violation", "sms", on=False)
    fault = await small.commands.change_preferences("P1", choice, "citizen")
    assert isinstance(fault, Fault)
    assert fault.field == "category"
    assert "by law" in fault.expected
    assert "traffic-violation" in small.commands.offer().kept
    assert not kinds(small, "PreferenceChanged")


async def test_strangers_have_no_preferences(small: SmallHub) -> None:
    fault = await small.commands.change_preferences("nobody", SetLanguage("en"), "citizen")
    assert fault == Fault("ref", "a registered recipient")


async def test_two_who_choose_at_once_both_are_heard(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    choices = [
        SetLanguage("en"),
        SetQuietHours(60, 120),
        SwitchCategory("approval", "sms", on=False),
    ]
    await asyncio.gather(*(small.commands.change_preferences("P1", c, "citizen") for c in choices))
    after = await stored(small, "P1")
    assert (after.language, after.quiet_from, after.off) == ("en", 60, ("approval/sms",))
    assert after.version == len(kinds(small, "PreferenceChanged")) == 3


async def test_what_is_held_is_decided_again(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time(13 * HOUR_MS)  # eleven at night: quiet hours
    await small.tell(EXAMINED, "P1", CASE)
    await small.pass_time(1_000)
    [leg] = small.reading.history("P1")
    assert (leg.category, leg.reason) == ("held", "quiet_hours")
    await small.commands.change_preferences("P1", SetQuietHours(180, 180), "citizen")
    await small.pass_time(HOUR_MS)
    [leg] = small.reading.history("P1")
    assert leg.category == "delivered"


async def test_consent_is_recorded_and_ends(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    categories = small.commands.offer().categories
    category = "fire-safety" if "fire-safety" in categories else next(iter(categories))
    given = await small.commands.record_consent("P1", category, True, "form 7", "staff:li")
    assert isinstance(given, Preferences)
    assert given.consents[0].proof == "form 7"
    ended = await small.commands.record_consent("P1", category, False, "", "citizen")
    assert isinstance(ended, Preferences)
    assert not ended.consents[0].given


async def test_a_message_is_read_once_and_by_its_recipient(small: SmallHub) -> None:
    await small.register("P1", phones=[], emails=[])
    await small.violation("P1")
    await small.pass_time()
    stream = small.stream_of("P1")
    assert small.reading.history("P1")[0].channel == "inbox"
    assert not await small.commands.mark_read("P2", stream)
    assert await small.commands.mark_read("P1", stream)
    assert not await small.commands.mark_read("P1", stream)
    assert len(kinds(small, "Read")) == 1
    assert small.reading.history("P1")[0].status == "read"


# Documents ---------------------------------------------------------------------------------------


async def test_published_wording_is_in_force_here_and_after_a_restart(
    tmp_path: Path, open_store: Callable[[], Store]
) -> None:
    async with small_hub(tmp_path, store=open_store()) as small:
        files = dict(small.hub.river.documents.catalog.files["violation-recorded"])
        changed = {**files, "zh.sms.j2": files["zh.sms.j2"].replace("，", "；", 1)}
        wording = await small.commands.publish_wording("violation-recorded", changed, "staff:li")
        assert isinstance(wording, Wording), wording
        assert wording.name == "violation-recorded@2"
        same = await small.commands.publish_wording("violation-recorded", changed, "staff:li")
        assert same == wording
        assert len(kinds(small, "WordingPublished")) == 1
        await small.register("P1")
        await small.violation("P1")
        await small.pass_time()
        timeline = small.reading.timeline(small.stream_of("P1"), unseal=True)
        assert timeline is not None
        [made] = [m for m in timeline.moments if m.content]
        assert made.content is not None
        assert made.wording == "violation-recorded@2"
        assert "；" in made.content.text
        now_ms = small.hub.clock.now_ms()
    async with small_hub(tmp_path, now_ms, store=open_store()) as small:
        assert small.hub.river.documents.wordings["violation-recorded"].version == 2


async def test_wording_that_does_not_hold_is_refused(small: SmallHub) -> None:
    files = dict(small.hub.river.documents.catalog.files["violation-recorded"])
    found = await small.commands.publish_wording(
        "violation-recorded", {**files, "zh.sms.j2": "{{ nonsense }}\n"}, "staff:li"
    )
    assert isinstance(found, list)
    assert found[0].file == "zh.sms.j2"
    assert not kinds(small, "WordingPublished")


async def test_a_declaration_that_contradicts_another_notice_is_refused(small: SmallHub) -> None:
    catalog = small.hub.river.documents.catalog
    files = dict(catalog.files["violation-recorded"])
    toml = files["notice.toml"].replace("what was paid, in fen", "what was paid, in yuan")
    assert toml != files["notice.toml"]
    found = await small.commands.publish_wording(
        "violation-recorded", {**files, "notice.toml": toml}, "staff:li"
    )
    assert isinstance(found, list)
    assert "violation.paid" in found[0].en


async def test_the_next_policy_is_in_force_and_no_other(
    tmp_path: Path, open_store: Callable[[], Store]
) -> None:
    async with small_hub(tmp_path, store=open_store()) as small:
        text = policy_text(version=2)
        policy = await small.commands.publish_policy(text, "staff:li")
        assert small.hub.river.documents.policy is policy
        again = await small.commands.publish_policy(text, "staff:li")
        assert isinstance(again, Fault)
        assert again.field == "version"
        fault = await small.commands.publish_policy("version = 3", "staff:li")
        assert isinstance(fault, Fault)
        now_ms = small.hub.clock.now_ms()
    async with small_hub(tmp_path, now_ms, store=open_store()) as small:
        assert small.hub.river.documents.policy.version == 2


async def test_a_policy_speaks_of_every_class(small: SmallHub) -> None:
    text = policy_text(version=2).replace("[classes.bulletin]\n", "")
    fault = await small.commands.publish_policy(text, "staff:li")
    assert fault == Fault("classes.bulletin", "to be present")


def policy_text(version: int) -> str:
    names = ("emergency", "code", "notice", "status", "reminder", "bulletin")
    return f"version = {version}\n" + "".join(f"[classes.{name}]\n" for name in names)


# Quarantine --------------------------------------------------------------------------------------


async def test_a_mended_item_comes_in_and_its_original_stays(small: SmallHub) -> None:
    await small.register("P1")
    bad = small.event(EXAMINED, "P1", {**CASE, "colour": "red"})
    await small.commands.accept([bad])
    await small.pass_time()
    [item] = small.reading.quarantined()
    refused = await small.commands.replay_quarantined(item.id, None, "staff:li")
    assert isinstance(refused, Received)
    assert refused.field == "data.colour"
    assert small.reading.quarantined() == [item], "it stays open"
    mended = bad.replace(b', "colour": "red"', b"")
    answer = await small.commands.replay_quarantined(item.id, mended, "staff:li")
    assert isinstance(answer, Received)
    assert answer.status == "accepted"
    await small.pass_time()
    assert small.reading.quarantined() == []
    [closed] = small.reading.quarantined("replayed")
    assert (closed.by, small.reading.quarantined_raw(item.id)) == ("staff:li", bad)
    assert len(small.reading.history("P1")) == 1
    fault = await small.commands.replay_quarantined(item.id, mended, "staff:li")
    assert isinstance(fault, Fault)


async def test_what_route_would_refuse_is_refused_before(small: SmallHub) -> None:
    changed = {"ref": "P9", "phones": ["13800001234"]}
    raw = small.event("hub.recipient.contact-changed.v1", "P9", changed)
    await small.commands.accept([raw])
    await small.pass_time()
    [item] = small.reading.quarantined()
    assert item.where == "events"
    answer = await small.commands.replay_quarantined(item.id, None, "staff:li")
    assert isinstance(answer, Received)
    assert (answer.status, answer.field) == ("refused", "data.ref")
    await small.register("P9")
    await small.pass_time()
    answer = await small.commands.replay_quarantined(item.id, None, "staff:li")
    assert isinstance(answer, Received)
    assert answer.status == "accepted"


async def test_an_item_is_dropped_with_a_reason(small: SmallHub) -> None:
    await small.commands.accept([b"{"])
    await small.pass_time()
    [item] = small.reading.quarantined()
    fault = await small.commands.drop_quarantined(item.id, "staff:li", "")
    assert fault is not None
    assert fault.field == "reason"
    assert await small.commands.drop_quarantined(item.id, "staff:li", "a test") is None
    assert await small.commands.drop_quarantined(item.id, "staff:li", "again") is not None
    await small.pass_time()
    found = small.reading.quarantined_item(item.id)
    assert found is not None
    assert (found.state, found.reason) == ("dropped", "a test")
    assert await small.commands.drop_quarantined("00" * 16, "staff:li", "x") is not None
