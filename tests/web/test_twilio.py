"""What Twilio calls back, at the hub's own door: believed when signed, and each thing once."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from twilio.request_validator import RequestValidator

from channels.twilio_callbacks import FORM
from tests.web.twilio_world import (
    LISTENER,
    NUMBER_OF,
    SID,
    TOKEN,
    Abroad,
    abroad,
)
from tests.web.world import world


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Abroad]:
    async with abroad(tmp_path) as hub:
        yield hub


class Caller:
    """Calls the door as Twilio would, or nearly so."""

    def __init__(self, hub: Abroad) -> None:
        self.hub = hub
        self.entry = hub.twilio.entries[-1]

    async def call(
        self, status: str, token: str = TOKEN, path: str = "", **more: str
    ) -> httpx.Response:
        fields = {
            "AccountSid": SID, "MessageSid": self.entry.sid, "MessageStatus": status, **more,
        }  # fmt: skip
        url = self.entry.callback
        signature = RequestValidator(token).compute_signature(url, fields)
        headers = {"content-type": FORM, "x-twilio-signature": signature}
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(
                path or url, content=urlencode(fields).encode(), headers=headers
            )


async def test_a_text_message_abroad_from_the_event_to_its_delivery(hub: Abroad) -> None:
    await hub.tell("a", LISTENER)
    await hub.ends("a", "delivered")
    assert len(hub.twilio.entries) == 1
    assert hub.kinds("a")[:2] == ["Routed", "AttemptIntended"]
    assert sorted(hub.kinds("a")[2:]) == ["Accepted", "Delivered"]
    assert hub.twilio.lost == []


async def test_what_is_forged_stale_replayed_or_late_changes_nothing(hub: Abroad) -> None:
    await hub.tell("a", LISTENER)
    await hub.ends("a", "delivered")
    await hub.twilio.settled()
    before = hub.kinds("a")
    caller = Caller(hub)
    assert (await caller.call("undelivered", token="guessed")).status_code == 403
    elsewhere = caller.entry.callback.replace("/sms-abroad/", "/sms-other/")
    assert (await caller.call("undelivered", path=elsewhere)).status_code == 403
    async with httpx.AsyncClient(trust_env=False) as client:
        unsigned = await client.post(caller.entry.callback, data={"MessageStatus": "failed"})
    assert unsigned.status_code == 403
    for status in ("delivered", "sent", "queued", "delivered"):
        assert (await caller.call(status)).status_code == 204
    assert hub.kinds("a") == before
    assert (await caller.call("undelivered", ErrorCode="30003")).status_code == 204
    assert hub.timeline("a").leg.status == "delivered"
    assert hub.kinds("a") == [*before, "Undelivered"]
    assert (await caller.call("undelivered", ErrorCode="30003")).status_code == 204
    assert hub.kinds("a") == [*before, "Undelivered"]


async def test_another_account_is_not_ours(hub: Abroad) -> None:
    await hub.tell("a", LISTENER)
    await hub.ends("a", "delivered")
    assert (await Caller(hub).call("sent", AccountSid="AC" + "9" * 32)).status_code == 403


async def test_a_name_that_is_none(hub: Abroad) -> None:
    await hub.tell("a", LISTENER)
    await hub.ends("a", "delivered")
    caller = Caller(hub)
    base = caller.entry.callback.rsplit("/", 2)[0]
    caller.entry.callback = f"{base}/nonsense/2"
    assert (await caller.call("delivered")).status_code == 404
    caller.entry.callback = f"{base}/{'0' * 32}/2"
    assert (await caller.call("delivered")).status_code == 204


async def test_callbacks_in_any_order_end_the_same(hub: Abroad) -> None:
    for ref, behaviour in enumerate(("unordered", "receipt_early", "receipt_repeated")):
        await hub.tell(f"r{ref}", NUMBER_OF[behaviour], ref)
    for ref in range(3):
        await hub.ends(f"r{ref}", "delivered")
    await hub.twilio.settled()
    for ref in range(3):
        assert sorted(hub.kinds(f"r{ref}")) == [
            "Accepted", "AttemptIntended", "Delivered", "Routed",
        ]  # fmt: skip


async def test_a_number_nobody_has_is_not_used_again(hub: Abroad) -> None:
    await hub.tell("a", NUMBER_OF["bad_recipient"])
    await hub.ends("a", "delivered")  # in the inbox
    assert "Refused" in hub.kinds("a")
    assert hub.twilio.entries == []


class TestUnknown:
    """An answer was lost: one create, and what came of it is found out."""

    async def test_by_its_callback(self, hub: Abroad) -> None:
        await hub.tell("a", NUMBER_OF["unknown"])
        await hub.ends("a", "delivered")
        await hub.twilio.settled()
        assert len(hub.twilio.entries) == 1
        kinds = hub.kinds("a")
        assert "Unconfirmed" not in kinds
        assert kinds.count("AttemptIntended") == 1
        assert {"Accepted", "Delivered"} <= set(kinds)

    async def test_by_the_list(self, hub: Abroad) -> None:
        await hub.tell("a", NUMBER_OF["silent"])
        await hub.ends("a", "accepted")
        assert len(hub.twilio.entries) == 1
        assert hub.kinds("a") == ["Routed", "AttemptIntended", "Unknown", "Accepted"]

    async def test_by_the_list_when_the_callback_was_lost_with_it(self, hub: Abroad) -> None:
        hub.twilio.deaf = True  # nobody is called back
        await hub.tell("a", NUMBER_OF["answer_lost"])
        await hub.ends("a", "delivered")
        assert len(hub.twilio.entries) == 1
        assert hub.kinds("a") == [
            "Routed", "AttemptIntended", "Unknown", "Accepted", "Delivered",
        ]  # fmt: skip

    async def test_all_lost_is_unconfirmed_and_never_sent_again(self, hub: Abroad) -> None:
        await hub.tell("a", NUMBER_OF["dropped"])
        await hub.ends("a", "unconfirmed")
        assert hub.twilio.entries == []
        assert hub.kinds("a") == ["Routed", "AttemptIntended", "Unknown", "Unconfirmed"]

    async def test_what_another_attempt_has_is_not_taken_for_it(self, hub: Abroad) -> None:
        """The same words to the same number: one was taken, and one was not."""
        number = NUMBER_OF["silent"]
        hub.twilio.model.scripts[number] = ["", "dropped"]
        await hub.tell("a", number, 1)
        await hub.ends("a", "delivered")
        await hub.tell("b", number, 2)
        await hub.ends("b", "unconfirmed")
        assert len(hub.twilio.entries) == 1


class TestMainland:
    async def test_a_lane_takes_no_number_abroad_before_it_is_allowed(self, hub: Abroad) -> None:
        await hub.tell("a", "13800138000")
        await hub.ends("a", "delivered")  # in the inbox
        assert "Refused" in hub.kinds("a")
        assert hub.twilio.entries == []
        commands = hub.world.hub.commands
        assert await commands.decide_transfer("sms-abroad", True, "Order 7", "shell:li") is None
        await hub.tell("b", "13900139000", 2)
        await hub.ends("b", "delivered")
        assert [entry.to for entry in hub.twilio.entries] == ["+8613900139000"]
        assert await commands.decide_transfer("sms-abroad", False, "Ended", "shell:li") is None
        await hub.tell("c", "13700137000", 3)
        await hub.ends("c", "delivered")
        assert len(hub.twilio.entries) == 1

    async def test_a_decision_without_a_lane_or_a_reason(self, hub: Abroad) -> None:
        commands = hub.world.hub.commands
        nowhere = await commands.decide_transfer("sms-nowhere", True, "why", "shell:li")
        silent = await commands.decide_transfer("sms-abroad", True, "", "shell:li")
        assert nowhere is not None
        assert silent is not None
        assert (nowhere.field, silent.field) == ("lane", "reason")


class TestKeys:
    """A key was pressed in a call: what is said next."""

    async def pressed(
        self, hub: Abroad, key: str, turn: int = 1, attempt: str = "", token: str = TOKEN
    ) -> httpx.Response:
        entry = hub.twilio.entries[-1]
        url = f"{entry.callback}/keys/{turn}"
        if attempt:
            url = f"{entry.callback.rsplit('/', 2)[0]}/{attempt}/keys/{turn}"
        fields = {"AccountSid": SID, "CallSid": entry.sid, "Digits": key}
        signature = RequestValidator(token).compute_signature(url, fields)
        headers = {"content-type": FORM, "x-twilio-signature": signature}
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(url, content=urlencode(fields).encode(), headers=headers)

    async def test_any_other_key_says_it_again_but_not_for_ever(self, hub: Abroad) -> None:
        await hub.call("a", NUMBER_OF["hangs_up"])
        await hub.ends("a", "delivered")
        again = await self.pressed(hub, "7")
        assert again.headers["content-type"].startswith("application/xml")
        assert "闽 A 一 二 三" in again.text
        assert "/keys/2" in again.text
        assert (await self.pressed(hub, "9", turn=6)).text.count("<Gather") == 0
        assert hub.timeline("a").leg.status == "delivered"

    async def test_1_after_the_call_is_told_over_still_counts_more(self, hub: Abroad) -> None:
        await hub.call("a", NUMBER_OF["machine"])
        await hub.comes_to("a", "Undelivered")
        assert (await self.pressed(hub, "1")).status_code == 200
        await hub.ends("a", "read")
        before = hub.kinds("a")
        assert (await self.pressed(hub, "1")).status_code == 200
        assert hub.kinds("a") == before

    async def test_what_is_forged_or_unknown_does_nothing(self, hub: Abroad) -> None:
        await hub.call("a", NUMBER_OF["hangs_up"])
        await hub.ends("a", "delivered")
        before = hub.kinds("a"), hub.choices("a")
        assert (await self.pressed(hub, "0", token="guessed")).status_code == 403
        nobody = await self.pressed(hub, "0", attempt=f"{'0' * 32}/2")
        assert "<Hangup" in nobody.text
        assert (hub.kinds("a"), hub.choices("a")) == before

    async def test_a_hub_without_an_account_has_no_such_door(self, tmp_path: Path) -> None:
        async with world(tmp_path) as plain:
            answer = await plain.client.post(f"/callbacks/twilio/sms/a/{'0' * 32}/2")
        assert answer.status_code == 404


# What people write back --------------------------------------------------------------------------


async def writes(
    hub: Abroad, text: str, sid: str = "SM1", token: str = TOKEN, lane: str = "sms-abroad"
) -> httpx.Response:
    """Twilio brings what somebody wrote to our number."""
    account = hub.world.app.state.site.twilio
    url = f"{account.callback_url}/callbacks/twilio/reply/{lane}"
    fields = {
        "AccountSid": SID, "MessageSid": sid, "From": LISTENER, "To": account.sender, "Body": text,
    }  # fmt: skip
    signature = RequestValidator(token).compute_signature(url, fields)
    headers = {"content-type": FORM, "x-twilio-signature": signature}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(url, content=urlencode(fields).encode(), headers=headers)


async def test_a_reply_is_taken_once_and_twilio_is_told_to_say_nothing(hub: Abroad) -> None:
    await hub.tell("a", LISTENER)
    await hub.ends("a", "delivered")
    for _ in range(3):
        answer = await writes(hub, "stop")
        assert answer.status_code == 200
        assert answer.text.endswith("<Response/>")
    reading = hub.world.hub.reading
    await hub.world.until(lambda: reading.replies("a"))
    await writes(hub, "为什么罚我？", "SM2")
    await hub.world.until(lambda: len(reading.replies("a")) > 1)
    last, first = reading.replies("a")
    assert (first.text, first.done) == ("stop", "kept"), "a fine is told by law"
    assert (last.text, last.done) == ("为什么罚我？", "passed_on")
    await hub.world.until(lambda: len(hub.twilio.entries) == 2)


async def test_a_reply_that_is_forged_or_on_no_lane_is_refused(hub: Abroad) -> None:
    await hub.tell("a", LISTENER)
    await hub.ends("a", "delivered")
    assert (await writes(hub, "stop", token="wrong")).status_code == 403
    assert (await writes(hub, "stop", lane="nowhere")).status_code == 404
    assert hub.world.hub.reading.replies("a") == []
