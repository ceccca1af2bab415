"""Somebody abroad is told: by text when an answer is lost, and by a call that rings in vain first.

The hub is whole; Twilio is our sandbox of it, which calls the hub's own door.
"""

from pathlib import Path

from msgspec.structs import replace

from channels.voice_twiml import MENU
from preferences.rules import opted_out
from streams.core.policy import DEFAULT
from tests.web.twilio_world import LISTENER, QUICK, abroad

CALLED = "+15551230077"


async def test_ring_machine_again_answer_9_and_1(tmp_path: Path) -> None:
    scripts = {CALLED: ["no_answer", "machine", "hears_again"]}
    async with abroad(tmp_path, scripts) as hub:
        await hub.call("a", CALLED)
        await hub.ends("a", "read")
        first, second, third = hub.twilio.entries
        assert [e.status for e in (first, second)] == ["no-answer", "completed"]
        assert first.heard == second.heard == []
        await hub.twilio.settled()
        texts = [said for said in third.heard if "闽" in said]
        assert len(texts) == 2, "heard twice"
        assert texts[0] == texts[1]
        assert "闽 A 一 二 三 四 五" in texts[0]
        assert third.heard.count(MENU["zh"]) == 2
        kinds = hub.kinds("a")
        assert kinds.count("AttemptIntended") == kinds.count("Accepted") == 3
        assert kinds.count("Undelivered") == kinds.count("Released") == 2
        assert kinds.index("Read") > kinds.index("Undelivered")
        assert hub.timeline("a").leg.channel == "voice"
        await hub.books_agree()


async def test_0_means_no_more_calls_and_is_in_the_history(tmp_path: Path) -> None:
    async with abroad(tmp_path, {CALLED: ["no_more"]}) as hub:
        await hub.call("a", CALLED)
        await hub.ends("a", "delivered")
        chosen = (await hub.registered("a")).preferences
        assert opted_out(chosen, "traffic-violation", "voice") == "*/voice"
        assert hub.choices("a")[-1] == ("switch_category", "voice:0")
        await hub.tell("a", CALLED, 2)
        await hub.world.until(lambda: len(hub.twilio.entries) == 2)
        assert [entry.kind for entry in hub.twilio.entries] == ["voice", "sms"]


async def test_when_the_plan_is_over_another_channel_is_taken(tmp_path: Path) -> None:
    async with abroad(tmp_path, {CALLED: ["busy", "no_answer", "machine"]}) as hub:
        await hub.call("a", CALLED)
        await hub.ends("a", "delivered")
        assert [entry.kind for entry in hub.twilio.entries] == ["voice", "voice", "voice", "sms"]
        kinds = hub.kinds("a")
        assert kinds.count("Undelivered") == 3
        assert "Escalated" in kinds
        await hub.books_agree()


async def test_a_number_that_does_not_exist_is_not_called_again(tmp_path: Path) -> None:
    async with abroad(tmp_path, {CALLED: ["wrong_number"]}) as hub:
        await hub.call("a", CALLED)
        await hub.ends("a", "delivered")
        assert [entry.kind for entry in hub.twilio.entries] == ["voice"]
        contacts = (await hub.registered("a")).profile.contacts
        assert {c.suppressed for c in contacts if c.address == CALLED} == {"failed 404"}


async def test_nobody_is_called_again_inside_quiet_hours(tmp_path: Path) -> None:
    """It rang in vain; when it is time to try again, the recipient's quiet hours have begun."""
    rule = replace(QUICK.classes["notice"], quiet_from=10 * 60, quiet_to=10 * 60 + 1)
    classes = {**QUICK.classes, "notice": rule}
    night = replace(QUICK, classes=classes, version=3)
    async with abroad(tmp_path, {CALLED: ["no_answer", ""]}) as hub:
        hub.world.hub.river.documents = hub.world.hub.river.documents._replace(
            policy=replace(QUICK, ring_again_ms=(1_500,))
        )
        await hub.call("a", CALLED)
        await hub.comes_to("a", "Undelivered")
        hub.world.hub.river.documents = hub.world.hub.river.documents._replace(policy=night)
        await hub.comes_to("a", "Held")
        assert len(hub.twilio.entries) == 1


async def test_a_lost_call_is_found_and_never_made_twice(tmp_path: Path) -> None:
    async with abroad(tmp_path, {CALLED: ["silent"]}) as hub:
        await hub.call("a", CALLED)
        await hub.ends("a", "accepted")
        assert len(hub.twilio.entries) == 1
        assert hub.kinds("a") == ["Routed", "AttemptIntended", "Unknown", "Accepted"]


async def test_a_text_goes_abroad_and_its_answer_is_lost(tmp_path: Path) -> None:
    async with abroad(tmp_path, {LISTENER: ["unknown"]}) as hub:
        await hub.tell("a", LISTENER)
        await hub.ends("a", "delivered")
        assert len(hub.twilio.entries) == 1


def test_the_plan_of_the_default_policy_waits_longer_each_time() -> None:
    assert DEFAULT.ring_again_ms == (600_000, 3_600_000)
