"""The gateway of the benchmark counts by itself what it took and what was acknowledged."""

import socket
from collections.abc import Iterator
from functools import partial

import pytest
import uvloop

from bench.channels import LONG, TEXT, sent, smpp
from bench.cluster.gateway import ENVIRONMENT, Gateway
from bench.smpp_peer import Counts
from channels import smpp_codec as codec
from channels.lanes_file import load_lanes
from channels.smpp_account import Smpp
from hub.lanes_file import PROTOCOLS
from tests.cluster.processes import until

MESSAGES = 300
SOON_S = 5


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as opened:
        yield opened


@pytest.mark.parametrize(("text", "parts"), [(TEXT, 1), (LONG, 2)])
def test_every_part_is_counted_and_every_receipt(gateway: Gateway, text: str, parts: int) -> None:
    uvloop.run(sent(partial(smpp, gateway.port, 32, 0), text, MESSAGES))
    assert gateway.counts() == Counts(taken=parts * MESSAGES, acknowledged=parts * MESSAGES)


def test_a_receipt_there_was_no_room_for_comes_again(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), SOON_S) as link:
        head = codec.submit_head("12123")
        body = codec.submit_body(head, "8613800000000", 0, b"text", b"", udh=False)
        link.sendall(codec.frame(codec.SUBMIT_SM, 1, body))
        answer, receipt = next_pdu(link), next_pdu(link)
        assert codec.read_head(answer).command == codec.SUBMIT_SM + codec.RESPONSE
        number = codec.read_head(receipt).sequence
        link.sendall(codec.acknowledgement(number, codec.TRY_LATER))
        assert next_pdu(link) == receipt
        assert gateway.counts() == Counts(taken=1, acknowledged=0)
        link.sendall(codec.acknowledgement(number))
        assert until(lambda: gateway.counts() == Counts(taken=1, acknowledged=1), SOON_S)


def next_pdu(link: socket.socket) -> bytes:
    length = link.recv(4, socket.MSG_WAITALL)
    return length + link.recv(int.from_bytes(length) - 4, socket.MSG_WAITALL)


def test_its_lanes_are_such_that_a_hub_starts_with_them(gateway: Gateway) -> None:
    lanes = load_lanes(gateway.lane("cmcc") + gateway.lane("cucc"), PROTOCOLS)
    assert {lane.name: lane.provider for lane in lanes} == {"sms-cmcc": "smpp", "sms-cucc": "smpp"}
    for lane in lanes:
        account = lane.account
        assert isinstance(account, Smpp)
        assert account.port == gateway.port
        assert account.password_env in ENVIRONMENT
