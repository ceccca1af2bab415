"""What a declared provider calls back, at the hub's own door: believed when signed, each thing
once."""

import hmac
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from channels.base import Reply
from channels.http_request import token_of
from streams.topics import INBOUND
from tests.web.declared_world import LISTENER, NUMBER_OF, SECRETS, Declared, declared
from tests.web.world import question_answered, registered


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Declared]:
    async with declared(tmp_path) as hub:
        yield hub


async def called(
    hub: Declared, *reports: dict[str, str], path: str = "/callbacks/http/sms-example",
    key: str = SECRETS["callback"], age_ms: int = 0, body: bytes | None = None,
) -> httpx.Response:  # fmt: skip
    """Call the door as the provider would, or nearly so."""
    body = json.dumps({"reports": reports}).encode() if body is None else body
    at = str(hub.world.hub.clock.now_ms() - age_ms)
    proof = hmac.new(key.encode(), at.encode() + b"\n" + body, sha256).hexdigest()
    headers = {"x-timestamp": at, "x-signature": proof}
    return await hub.world.client.post(path, content=body, headers=headers)


def address(stream: str, version: int, lane: str = "sms-example") -> str:
    token = token_of(SECRETS["callback"], lane, f"{stream}:{version}")
    return f"/callbacks/http/{lane}/{stream}/{version}/{token}"


def intent(hub: Declared, ref: str) -> tuple[str, str]:
    """Stream and name of the one attempt for somebody, as the provider knows it."""
    (attempt,) = hub.taken()
    stream, _, version = attempt.partition(":")
    return stream, f"{stream}-{version}"


async def test_a_text_message_from_the_event_to_its_delivery(hub: Declared) -> None:
    await hub.tell("a", LISTENER)
    await hub.ends("a", "delivered")
    assert len(hub.taken()) == 1
    assert hub.kinds("a")[:2] == ["Routed", "AttemptIntended"]
    assert sorted(hub.kinds("a")[2:]) == ["Accepted", "Delivered"]
    assert hub.provider.lost == []
    await hub.books_agree()


async def test_what_is_forged_stale_replayed_or_late_changes_nothing(hub: Declared) -> None:
    await hub.tell("a", LISTENER)
    await hub.ends("a", "delivered")
    before = hub.kinds("a")
    stream, name = intent(hub, "a")
    bad: Any = {"out_id": name, "id": "x", "status": "UNDELIV"}
    assert (await called(hub, bad, key="guessed")).status_code == 403
    assert (await called(hub, bad, age_ms=400_000)).status_code == 403
    unsigned = await hub.world.client.post("/callbacks/http/sms-example", json={"reports": [bad]})
    assert unsigned.status_code == 403
    stolen = address(stream, 2)[:-1] + "x"
    assert (await called(hub, {"id": "x", "status": "UNDELIV"}, path=stolen)).status_code == 403
    good: Any = {"out_id": name, "status": "DELIVRD"}
    for report in (good, good, {**good, "status": "ACCEPTD"}):
        assert (await called(hub, report)).status_code == 204
    assert hub.kinds("a") == before
    assert (await called(hub, bad, bad)).status_code == 204
    assert (await called(hub, bad)).status_code == 204
    assert hub.timeline("a").leg.status == "delivered"
    assert hub.kinds("a") == [*before, "Undelivered"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"<p>", 400), (b'{"reports": [{}]}', 400), (b"x" * 1_000_001, 413)]
)
async def test_what_is_not_as_declared_is_said(hub: Declared, body: bytes, status: int) -> None:
    assert (await called(hub, body=body)).status_code == status


async def test_a_report_on_nothing_we_sent_is_taken_and_changes_nothing(hub: Declared) -> None:
    stranger = {"out_id": f"{'0' * 32}-2", "id": "x", "status": "DELIVRD"}
    assert (await called(hub, stranger)).status_code == 204
    assert (await called(hub, {"id": "x", "status": "DELIVRD"})).status_code == 204


async def test_a_lane_without_such_a_provider_has_no_such_door(hub: Declared) -> None:
    assert (await called(hub, path="/callbacks/http/inbox")).status_code == 404
    assert (await called(hub, path="/callbacks/http/nowhere")).status_code == 404


async def test_a_report_may_come_by_the_address_alone(hub: Declared) -> None:
    await hub.tell("a", NUMBER_OF["receipt_lost"])
    await hub.comes_to("a", "Accepted")
    stream, name = intent(hub, "a")
    path = address(stream, int(name.partition("-")[2]))
    assert (await called(hub, {"id": "x", "status": "DELIVRD"}, path=path)).status_code == 204
    await hub.ends("a", "delivered")


async def test_a_lost_answer_is_made_good_by_a_report(hub: Declared) -> None:
    await hub.tell("a", NUMBER_OF["answer_lost"])
    await hub.ends("a", "delivered")
    assert len(hub.taken()) == 1
    assert hub.kinds("a").count("AttemptIntended") == 1


async def test_all_lost_is_unconfirmed_and_never_sent_again(hub: Declared) -> None:
    await hub.tell("a", NUMBER_OF["dropped"])
    await hub.ends("a", "unconfirmed")
    assert hub.taken() == []
    assert hub.kinds("a") == ["Routed", "AttemptIntended", "Unknown", "Unconfirmed"]


async def test_a_number_nobody_has_is_not_used_again(hub: Declared) -> None:
    await hub.tell("a", NUMBER_OF["bad_recipient"])
    await hub.ends("a", "delivered")  # in the inbox
    assert "Refused" in hub.kinds("a")
    assert hub.taken() == []


async def test_what_somebody_wrote_back_is_kept_sealed(hub: Declared) -> None:
    account = hub.world.hub.river.documents.lanes["sms-example"].account
    pointers = {"reply": "/text", "reply_from": "/from", "reply_to": "/to"}
    replying = msgspec.structs.replace(
        account, callback=msgspec.structs.replace(account.callback, **pointers)
    )
    documents = hub.world.hub.river.documents
    known = [
        msgspec.structs.replace(lane, account=replying) if lane.name == "sms-example" else lane
        for lane in documents.lanes
    ]
    hub.world.hub.river.documents = documents._replace(lanes=type(documents.lanes)(known))
    wrote = {"text": "TD 退订", "from": "13800138000", "to": "12123"}
    assert (await called(hub, wrote)).status_code == 204
    (record,) = await hub.world.hub.topics.poll(INBOUND, 10)
    assert "退订".encode() not in record.value
    plain = hub.world.hub.river.hub_key.open(record.value, INBOUND.encode())
    reply = msgspec.msgpack.decode(plain, type=Reply)
    assert (reply.source, reply.to, reply.text) == ("+8613800138000", "12123", "TD 退订")


async def test_a_push_message_goes_to_the_token_that_upstream_knows(hub: Declared) -> None:
    await hub.world.bring(registered("a", phones=[], emails=[], push=["token-1"]))
    await hub.registered("a")
    await hub.world.bring(question_answered("a", 1))
    await hub.ends("a", "delivered")
    (leg,) = hub.world.hub.reading.history("a")
    assert (leg.channel, leg.lane) == ("push", "push-example")
    assert len(hub.taken()) == 1


class TestCalls:
    async def test_1_acknowledges(self, hub: Declared) -> None:
        await hub.call("a", LISTENER)
        await hub.ends("a", "read")
        assert len(hub.taken()) == 1

    async def test_0_wants_no_more_calls(self, hub: Declared) -> None:
        await hub.call("a", NUMBER_OF["no_more"])
        await hub.ends("a", "delivered")
        await hub.world.until(lambda: ("switch_category", "voice:0") in hub.choices("a"))

    async def test_listening_is_delivered(self, hub: Declared) -> None:
        await hub.call("a", NUMBER_OF["hangs_up"])
        await hub.ends("a", "delivered")

    @pytest.mark.parametrize("behaviour", ["BUSY", "NO_ANSWER", "MACHINE"])
    async def test_in_vain_is_tried_again_by_the_plan(self, hub: Declared, behaviour: str) -> None:
        await hub.call("a", NUMBER_OF[behaviour])
        await hub.world.until(lambda: len(hub.taken()) == 3)  # and the plan has two more
        assert hub.kinds("a").count("Undelivered") >= 2
