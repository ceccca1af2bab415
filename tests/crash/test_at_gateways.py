"""Where nobody can know whether a carrier took a text: the hub died over it, or the link was cut.

The gateways are other people's. Their own ledger says what was taken: nobody is told twice, and
whatever stayed in doubt says so, in words that operators understand.
"""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.core.lifecycle import Status
from tests.crash.at_gateway import AtGateway, GatewayBooks, people
from tests.crash.rehearsal import Director, die_and_recover, settle
from tests.peers.gateway import Gateway
from tests.peers.node_smpp import NodeGateway
from tests.peers.sms_core import CmppGateway

POINTS = ("after_intent_commit", "mid_batch_call", "after_call", "before_outcome_commit")
"""Where a dispatcher dies with attempts in hand; see `hub.failpoints`."""

PROTOCOLS = ("smpp", "cmpp2", "cmpp3")

SHORT, TIMES = 3, 20
"""How often a link is cut here, and in the long form; so often a hub dies there."""

CUT, CUT_UNTAKEN = 8, 21
"""Kinds of the gateways: the link is cut over a message that was taken, or was not."""

CHUNK = 20


class Peer(NamedTuple):
    """A gateway that somebody else wrote, and how the hub reaches it."""

    gateway: Gateway
    protocol: str
    port: int


@pytest.fixture(scope="module")
def cmpp() -> Iterator[CmppGateway]:
    gateway = CmppGateway()
    yield gateway
    gateway.kill()


@pytest.fixture(params=PROTOCOLS)
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Peer]:
    ledger = tmp_path / "gateway.jsonl"
    if request.param == "smpp":
        node = NodeGateway(ledger, receiptIds="decimal")
        node.start()
        yield Peer(node, request.param, node.port)
        node.kill()
    else:
        sms_core: CmppGateway = request.getfixturevalue("cmpp")
        sms_core.begin(ledger)
        yield Peer(sms_core, request.param, sms_core.ports[request.param])


@pytest.fixture
def director(tmp_path: Path) -> Director:
    return Director(tmp_path / "clock")


@pytest.fixture
def hub(peer: Peer, director: Director, tmp_path: Path) -> Iterator[AtGateway]:
    hub = AtGateway(tmp_path, tmp_path / "clock", *peer)
    yield hub
    hub.close()


def cut_over_and_over(hub: AtGateway, peer: Peer, director: Director, times: int) -> GatewayBooks:
    """The books, settled, after the link was cut so often over one message among many."""
    hub.start()
    books = GatewayBooks(hub.store, hub.ledger, [], hub.store.head())
    for load in range(times):
        kind = (CUT, CUT_UNTAKEN)[load % 2]
        crowd, one = people(0, load), people(kind, load)
        chunk = [*crowd.report(CHUNK, director.now_ms()), *one.report(1, director.now_ms())]
        assert hub.bring(chunk)
        books.accepted += chunk
        settle(books, director)
    return books


def told(stream: bytes, folder: Path) -> str:
    """What `hub explain` says of it."""
    command = [sys.executable, "-m", "hub", "explain", stream.hex(), "--language", "en"]
    ran = subprocess.run(
        command, env={"HUB_DATA_DIR": str(folder)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.peers
@pytest.mark.parametrize(
    ("peer", "point"),
    [
        ("smpp", "mid_batch_call"), ("smpp", "before_outcome_commit"),
        ("cmpp2", "before_outcome_commit"), ("cmpp3", "mid_batch_call"),
    ],
    indirect=["peer"],
)  # fmt: skip
def test_who_died_over_calls_repeats_none_of_them(
    point: str, hub: AtGateway, director: Director
) -> None:
    assert die_and_recover(hub, f"{point}:2", people(0), director, CHUNK, GatewayBooks) == []


@pytest.mark.peers
@pytest.mark.parametrize("peer", ["smpp", "cmpp3"], indirect=True)
def test_what_was_on_a_link_that_was_cut_is_not_repeated(
    hub: AtGateway, peer: Peer, director: Director, tmp_path: Path
) -> None:
    books = cut_over_and_over(hub, peer, director, SHORT)
    assert books.faults() == []
    doubts = books.doubts()
    assert len(doubts) >= SHORT
    hub.close()
    stream = next(s for s, (state, _) in doubts.items() if state.status is Status.UNCONFIRMED)
    said = told(stream, tmp_path)
    assert "the link was lost after the message had been written" in said
    assert "So that nobody gets it twice, it is not sent again" in said


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(TIMES))
def test_any_death_over_calls_repeats_none_of_them(
    seed: int, hub: AtGateway, peer: Peer, director: Director
) -> None:
    chance = random.Random(f"{peer.protocol} {seed}")
    failpoint = f"{POINTS[seed % len(POINTS)]}:{chance.randint(1, 6)}"
    size = chance.choice((5, 20, 100))
    assert die_and_recover(hub, failpoint, people(0), director, size, GatewayBooks) == []


@pytest.mark.soak
def test_twenty_cut_links_repeat_nothing(hub: AtGateway, peer: Peer, director: Director) -> None:
    books = cut_over_and_over(hub, peer, director, TIMES)
    assert books.faults() == []
    assert len(books.doubts()) >= TIMES
