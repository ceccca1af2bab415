"""What people write back: each reply is on record once, with what it led to."""

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels.base import Reply
from preferences import store as preference_store
from preferences.changes import GiveConsent, SwitchCategory
from preferences.recipient import Preferences
from streams.commands import Received
from streams.core import codec
from streams.core import events as e
from streams.core.policy import HOUR_MS, MINUTE_MS
from streams.journal.base import Group, Store
from streams.pipeline.receive import receive_replies
from streams.pipeline.replies import ANSWERS_AN_HOUR, REPEAT_MS, serve_replies
from streams.pipeline.route import route
from streams.topics import INBOUND, Record
from streams.views import Leg, Written
from tests.streams.pipeline.reports import LANE, Kept
from tests.streams.pipeline.test_races import ChoosesMeanwhile
from tests.streams.small_hub import SmallHub, small_hub

PHONE = "+8613800001234"
TIP = "fire-safety-tip"
ANSWER = "reply-answered"


@pytest.fixture
async def small(tmp_path: Path, hub_store: Store) -> AsyncIterator[SmallHub]:
    async with small_hub(tmp_path, store=hub_store) as hub:
        yield hub


def tip(number: int) -> dict[str, Any]:
    return {"tip_no": f"XF-{number}", "headline": "冬季用电", "tip": "人离开时关闭电源"}


async def told_a_tip(small: SmallHub, ref: str = "P1", **more: Any) -> None:
    """Somebody who asked for tips has got one."""
    await small.register(ref, **more)
    await small.pass_time(1_000)
    consent = GiveConsent("fire-safety", "form 17")
    await small.commands.change_preferences(ref, consent, "citizen")
    await small.tell("gov.fire.tip.published.v1", ref, tip(1))
    await small.pass_time(MINUTE_MS)
    assert legs(small, ref, TIP)[0].status == "delivered"


async def writes(small: SmallHub, text: str, source: str = PHONE, **more: Any) -> Reply:
    """They answer, and the hub has served it."""
    reply = Reply(LANE, source, "12123", text, small.hub.clock.now_ms(), **more)
    await receive_replies(small.hub.river, [reply])
    await small.pass_time(MINUTE_MS)
    return reply


def legs(small: SmallHub, ref: str, notice: str) -> list[Leg]:
    return [leg for leg in small.reading.history(ref) if leg.notice == notice][::-1]


def answers(small: SmallHub, ref: str = "P1") -> list[str]:
    """What they were answered, in order."""
    said = []
    for leg in legs(small, ref, ANSWER):
        timeline = small.reading.timeline(leg.stream, unseal=True)
        assert timeline is not None
        said += [m.content.text for m in timeline.moments if m.content]
    return said


def written(small: SmallHub, ref: str = "P1") -> list[Written]:
    """In the order they were written."""
    return small.reading.replies(ref)[::-1]


def rows(small: SmallHub, name: str) -> list[e.JournalEvent]:
    found = small.hub.store.since(0, 10_000)
    return [codec.decode(r.type, r.data) for r in found if r.type.startswith(f"{name}.")]


def off(small: SmallHub, ref: str = "P1") -> tuple[str, ...]:
    return _preferences(small, ref).off


def _preferences(small: SmallHub, ref: str) -> Preferences:
    with small.hub.store.readers.connect() as connection:
        return preference_store.load_many(connection, small.hub.vault, [ref])[ref].preferences


# A word ------------------------------------------------------------------------------------------


async def test_a_word_stops_the_category_of_the_message_it_answers(small: SmallHub) -> None:
    await told_a_tip(small)
    reply = await writes(small, "ＴＤ")
    assert off(small) == ("fire-safety/*",)
    [event] = rows(small, "ReplyReceived")
    assert isinstance(event, e.ReplyReceived)
    assert (event.asked, event.done, event.categories) == ("stop", "stopped", ("fire-safety",))
    assert (event.written_ms, event.correlation) == (reply.at_ms, "tip_no=XF-1")
    assert event.answers.hex() == legs(small, "P1", TIP)[0].stream
    assert "ＴＤ".encode() not in event.sealed
    changed = [x for x in rows(small, "PreferenceChanged") if isinstance(x, e.PreferenceChanged)]
    assert changed[-1].by == "reply"
    [said] = answers(small)
    assert said.startswith("【消防服务】已为您停发“消防安全提示”")


async def test_in_english_it_is_answered_in_english(small: SmallHub) -> None:
    await told_a_tip(small, language="en")
    await writes(small, "stop")
    [said] = answers(small)
    assert 'Messages like "Fire safety tip" are stopped' in said


async def refused_for_good(small: SmallHub, address: str) -> None:
    effect = small.hub.river.people.suppress("phone", address, "absent")
    await small.hub.river.journal.append(Group(effects=(effect,)))


def reached_by(small: SmallHub, ref: str = "P1") -> list[str]:
    """Their numbers that are in use."""
    with small.hub.store.readers.connect() as connection:
        known = preference_store.load_many(connection, small.hub.vault, [ref])[ref]
    assert known.recipient is not None
    return [c.address for c in known.recipient.profile.contacts
            if c.kind == "phone" and not c.suppressed]  # fmt: skip


@pytest.mark.parametrize("text", ["TD", "何时办好？"])
async def test_whoever_writes_from_a_number_is_reached_by_it_again(
    small: SmallHub, text: str
) -> None:
    await told_a_tip(small)
    await small.register("P2")  # the same phone
    await refused_for_good(small, PHONE)
    assert reached_by(small) == []
    await writes(small, text)
    assert (reached_by(small), reached_by(small, "P2")) == ([PHONE], [PHONE])
    changed = [x for x in rows(small, "PreferenceChanged") if isinstance(x, e.PreferenceChanged)]
    assert [x.by for x in changed if x.kind == "unsuppress_address"] == ["reply"]
    [reply] = written(small)
    assert reply.text == text


async def test_a_number_that_is_in_use_is_not_said_to_be_so(small: SmallHub) -> None:
    await told_a_tip(small)
    await writes(small, "何时办好？")
    changed = [x for x in rows(small, "PreferenceChanged") if isinstance(x, e.PreferenceChanged)]
    assert "unsuppress_address" not in [x.kind for x in changed]


SECOND = "+8613900139000"


@pytest.mark.parametrize(
    ("phones", "to"),
    [
        (["13800001234", "13900139000"], SECOND),
        (["13800001234"], PHONE),  # they have changed it since
    ],
)
async def test_the_answer_goes_to_the_number_that_wrote(
    small: SmallHub, phones: list[str], to: str
) -> None:
    await told_a_tip(small, phones=["13900139000", "13800001234"])
    await small.register("P1", phones=phones)
    await writes(small, "TD", SECOND)
    [leg] = legs(small, "P1", ANSWER)
    timeline = small.reading.timeline(leg.stream, unseal=True)
    assert timeline is not None
    assert [m.content.to for m in timeline.moments if m.content] == [to]


async def test_the_words_and_the_choice_stand_in_one_commit(small: SmallHub) -> None:
    await told_a_tip(small)
    await writes(small, "TD")
    found = small.hub.store.since(0, 10_000)
    at = {r.type.partition(".")[0]: r for r in found}
    reply, choice = at["ReplyReceived"], at["PreferenceChanged"]
    assert (choice.stream, choice.version) == (reply.stream, reply.version + 1)
    assert (choice.pos, choice.at_ms) == (reply.pos + 1, reply.at_ms)


async def test_what_is_sent_by_law_is_not_stopped_and_the_answer_says_so(small: SmallHub) -> None:
    await small.register("P1")
    await small.violation("P1")
    await small.pass_time(MINUTE_MS)
    await writes(small, "退订")
    assert off(small) == ()
    assert [one.done for one in written(small)] == ["kept"]
    [said] = answers(small)
    assert "依法送达，不能退订" in said


async def test_what_waits_on_its_lane_is_not_sent_after_the_word(small: SmallHub) -> None:
    await told_a_tip(small)
    await small.pass_time(24 * HOUR_MS)
    river, kept = copy.copy(small.hub.river), Kept()
    river.topics = kept  # type: ignore[assignment]  # it only publishes
    await route(river, [Record(b"P1", small.event("gov.fire.tip.published.v1", "P1", tip(2)))])
    [(lane, queued)] = kept.records.items()
    assert legs(small, "P1", TIP)[1].status == "ready"
    reply = Reply(LANE, PHONE, "12123", "TD", small.hub.clock.now_ms())
    sealed = river.hub_key.seal(msgspec.msgpack.encode(reply), INBOUND.encode())
    await serve_replies(river, [Record(b"k", sealed)])
    await small.hub.river.topics.publish({lane: queued})
    await small.pass_time(MINUTE_MS)
    leg = legs(small, "P1", TIP)[1]
    assert (leg.status, leg.reason) == ("suppressed", "opted_out")
    timeline = small.reading.timeline(leg.stream)
    assert timeline is not None
    assert timeline.attempts == 0


async def test_a_choice_made_while_a_word_is_served_stands_beside_it(small: SmallHub) -> None:
    await told_a_tip(small)
    await served_while_they_choose(small, "TD", SwitchCategory("survey", "*", on=False))
    assert off(small) == ("fire-safety/*", "survey/*")
    assert [one.done for one in written(small)] == ["stopped"]


async def test_a_word_is_judged_anew_after_the_choice_that_overtook_it(small: SmallHub) -> None:
    """Judged by what was known before, it had nothing to stop."""
    await told_a_tip(small)
    switched = SwitchCategory("fire-safety", "*", on=False)
    await small.commands.change_preferences("P1", switched, "citizen")
    await served_while_they_choose(small, "TD", SwitchCategory("fire-safety", "*", on=True))
    assert off(small) == ("fire-safety/*",)


async def served_while_they_choose(small: SmallHub, text: str, choice: SwitchCategory) -> None:
    """Somebody writes, and chooses on a page the moment after their choices were looked up."""
    river = copy.copy(small.hub.river)
    river.people = ChoosesMeanwhile(  # type: ignore[assignment]  # it stands for the others
        river.people, lambda: small.commands.change_preferences("P1", choice, "citizen")
    )
    reply = Reply(LANE, PHONE, "12123", text, small.hub.clock.now_ms())
    sealed = river.hub_key.seal(msgspec.msgpack.encode(reply), INBOUND.encode())
    await serve_replies(river, [Record(b"k", sealed)])


async def test_start_gives_back_what_words_had_stopped_and_nothing_else(small: SmallHub) -> None:
    await told_a_tip(small)
    other = SwitchCategory("survey", "*", on=False)
    await small.commands.change_preferences("P1", other, "citizen")
    await writes(small, "TD")
    assert off(small) == ("fire-safety/*", "survey/*")
    await writes(small, "START")
    assert off(small) == ("survey/*",)
    assert [one.done for one in written(small)] == ["stopped", "started"]
    assert "已为您恢复“消防安全提示”" in answers(small)[-1]
    await small.pass_time(HOUR_MS)
    await writes(small, "START")
    assert written(small)[-1].done == "nothing", "nothing is stopped by a word any more"


async def test_who_asks_for_help_is_told_how(small: SmallHub) -> None:
    await told_a_tip(small)
    await writes(small, "帮助")
    assert [one.done for one in written(small)] == ["helped"]
    assert "回复TD" in answers(small)[0]
    assert off(small) == ()


async def test_an_answer_of_ours_is_not_what_is_stopped(small: SmallHub) -> None:
    await told_a_tip(small)
    await writes(small, "help")
    await writes(small, "TD")
    assert off(small) == ("fire-safety/*",)


async def test_a_word_with_no_message_before_it_changes_nothing(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time(1_000)
    await writes(small, "TD")
    assert off(small) == ()
    assert [one.done for one in written(small)] == ["nothing"]
    assert "没有找到可以停发或恢复的通知" in answers(small)[0]


# Which message -----------------------------------------------------------------------------------


async def test_the_named_message_counts_and_not_the_last(small: SmallHub) -> None:
    await told_a_tip(small)
    named = legs(small, "P1", TIP)[0].stream + ":2"
    await small.violation("P1")
    await small.pass_time(MINUTE_MS)
    await writes(small, "TD", attempt=named)
    assert off(small) == ("fire-safety/*",)


async def test_a_message_to_somebody_else_cannot_be_named(small: SmallHub) -> None:
    await told_a_tip(small)
    await told_a_tip(small, "P2", phones=["13800005678"])
    named = legs(small, "P1", TIP)[0].stream + ":2"
    await writes(small, "TD", source="+8613800005678", attempt=named)
    assert off(small, "P1") == ()
    assert off(small, "P2") == ("fire-safety/*",)


async def test_who_is_meant_of_two_with_one_number_was_written_to_last(small: SmallHub) -> None:
    await told_a_tip(small, "P2")
    await told_a_tip(small, "P1")
    await writes(small, "TD")
    assert (off(small, "P1"), off(small, "P2")) == (("fire-safety/*",), ())


# Once --------------------------------------------------------------------------------------------


async def test_a_record_that_comes_again_changes_nothing(small: SmallHub) -> None:
    await told_a_tip(small)
    reply = await writes(small, "TD")
    await small.commands.change_preferences(
        "P1", SwitchCategory("fire-safety", "*", on=True), "citizen"
    )
    before = small.hub.store.head()
    await receive_replies(small.hub.river, [reply, reply])
    await small.pass_time(MINUTE_MS)
    assert off(small) == (), "what was chosen after it stays"
    assert small.hub.store.head() == before
    assert len(answers(small)) == 1


async def test_a_crash_before_the_answer_was_asked_for_costs_no_answer(small: SmallHub) -> None:
    await told_a_tip(small)
    river = small.hub.river

    class Dies:
        async def publish(self, batches: object) -> None:
            raise ConnectionError("died")

    reply = Reply(LANE, PHONE, "12123", "TD", small.hub.clock.now_ms())
    sealed = river.hub_key.seal(msgspec.msgpack.encode(reply), INBOUND.encode())
    topics, river.topics = river.topics, Dies()  # type: ignore[assignment]
    with pytest.raises(ConnectionError):
        await serve_replies(river, [Record(b"k", sealed)])
    river.topics = topics
    assert off(small) == ("fire-safety/*",)
    await serve_replies(river, [Record(b"k", sealed)])
    await small.pass_time(MINUTE_MS)
    assert len(answers(small)) == len(written(small)) == 1


async def test_the_same_words_within_minutes_are_one_reply_unless_they_have_ids(
    small: SmallHub,
) -> None:
    await told_a_tip(small)
    await writes(small, "谢谢")
    await writes(small, "谢谢")
    assert len(written(small)) == 1
    await small.pass_time(REPEAT_MS)
    await writes(small, "谢谢")
    assert len(written(small)) == 2
    await writes(small, "谢谢", ref="SM1")
    await writes(small, "谢谢", ref="SM2")
    await writes(small, "谢谢", ref="SM2")
    assert len(written(small)) == 4


async def test_a_stop_after_a_start_is_a_stop_however_soon(small: SmallHub) -> None:
    await told_a_tip(small)
    for text in ("TD", "START", "TD"):
        await writes(small, text)
    assert [one.done for one in written(small)] == ["stopped", "started", "stopped"]
    assert off(small) == ("fire-safety/*",)


async def test_two_machines_that_answer_each_other_fall_silent(small: SmallHub) -> None:
    await told_a_tip(small)
    for n in range(10):
        await writes(small, "TD", ref=f"SM{n}")
    assert len(written(small)) == 10, "each is on record"
    assert len(answers(small)) == ANSWERS_AN_HOUR
    await small.pass_time(HOUR_MS)
    await writes(small, "TD", ref="SM10")
    assert len(answers(small)) == ANSWERS_AN_HOUR + 1


# The rest ----------------------------------------------------------------------------------------


async def test_any_other_text_goes_to_its_case_and_is_not_answered(small: SmallHub) -> None:
    await small.register("P1")
    await small.violation("P1")
    await small.pass_time(MINUTE_MS)
    await writes(small, "那天不是我开的车，怎么申请复核？")
    [reply] = written(small)
    assert (reply.done, reply.answered) == ("passed_on", False)
    case = small.reading.case("violation_no=3501000000000001", unseal=True)
    assert case is not None
    shown = [x for x in case.entries if isinstance(x, Written)]
    assert [x.text for x in shown] == ["那天不是我开的车，怎么申请复核？"]
    assert case.entries[-1] is shown[0], "in the order of times"
    masked = small.reading.case("violation_no=3501000000000001")
    assert masked is not None
    assert [x.text for x in masked.entries if isinstance(x, Written)] == [""]
    assert answers(small) == []


async def test_a_reply_is_found_by_its_name(small: SmallHub) -> None:
    await told_a_tip(small)
    await writes(small, "什么时候检查？")
    [reply] = written(small)
    assert small.reading.reply(reply.reply) == reply
    assert small.reading.reply("0" * 32) is None


async def test_who_nobody_knows_is_set_aside_once_sealed_and_can_be_brought_in_later(
    small: SmallHub,
) -> None:
    reply = await writes(small, "你好", source="+8613900009999")
    await receive_replies(small.hub.river, [reply])
    await small.pass_time()
    [item] = small.reading.quarantined()
    assert (item.where, item.field, item.state) == ("inbound", "source", "open")
    [kept] = rows(small, "Quarantined")
    assert isinstance(kept, e.Quarantined)
    assert b"139" not in kept.sealed
    refused = await small.commands.replay_quarantined(item.id, None, "staff:zhang")
    assert isinstance(refused, Received)
    assert (refused.status, refused.field) == ("refused", "source")
    await small.register("P9", phones=["13900009999"])
    await small.pass_time(1_000)
    answer = await small.commands.replay_quarantined(item.id, None, "staff:zhang")
    assert isinstance(answer, Received)
    assert answer.status == "accepted"
    await small.pass_time()
    assert [one.text for one in written(small, "P9")] == ["你好"]
    assert small.reading.quarantined("open") == []


async def test_what_cannot_be_read_is_set_aside_and_the_rest_is_served(small: SmallHub) -> None:
    await told_a_tip(small)
    junk = Record(b"k", b"\x01no seal of ours")
    await small.hub.river.topics.publish({INBOUND: [junk]})
    await writes(small, "TD")
    assert off(small) == ("fire-safety/*",)
    [item] = small.reading.quarantined()
    assert (item.where, item.field) == ("inbound", "reply")
