"""The sandbox as a real process, with its ledger, and the channel that speaks to it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from channels import sandbox as module
from channels.base import Accepted, Message, NotSent, Unknown
from channels.sandbox import (
    Ledger,
    SandboxChannel,
    duplicates,
    read_ledger,
)
from channels.sandbox_model import SPECIAL, Entry, Sandbox
from tests.contracts.channel_contract import Bench, ChannelContract, kinds
from tests.contracts.clocks import JumpingClock

SPECIAL_OF = {fault: suffix for suffix, fault in SPECIAL.items()}
LANE = "sms-cmcc"
ROOT = Path(__file__).parents[2]

PROCESS = """
import asyncio, sys
from pathlib import Path
from channels.sandbox import serve
listening = lambda port: print(port, flush=True)
asyncio.run(serve("127.0.0.1", int(sys.argv[1]), Path(sys.argv[2]), 1, listening=listening))
"""


class Carrier:
    """The process, which can be killed and started again on the same port and ledger."""

    def __init__(self, ledger: Path) -> None:
        self.ledger = ledger
        self.port = 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", PROCESS, str(self.port), str(self.ledger)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[Carrier]:
    carrier = Carrier(tmp_path / "ledger.jsonl")
    yield carrier
    carrier.kill()


def message(n: int, fault: str = "", call_before_ms: int = 2 * 10**12) -> Message:
    to = f"+86138{SPECIAL_OF[fault]}" if fault else f"+86138{n:08d}"
    return Message(f"{n:032x}:1", to, "【交管12123】限速", call_before_ms)


class SandboxBench(Bench):
    lane = LANE
    takes_twice = True
    can = frozenset({*SPECIAL.values(), "receipt", "unknown", "stop"})

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self.clock = JumpingClock()
        self.channel = SandboxChannel(self.clock, "127.0.0.1", carrier.port)

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        fault = "reset" if behaviour == "unknown" else behaviour
        return message(n, fault, call_before_ms or 2 * 10**12)

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_ms(ms)

    def taken(self) -> Sequence[str]:
        return [e.attempt for e in read_ledger(self.carrier.ledger) if e.outcome == "taken"]

    def hold(self) -> None:
        self.clock.hold()

    def release(self) -> None:
        self.clock.release()

    async def stop_provider(self) -> None:
        self.carrier.kill()

    async def reconnect(self) -> None:
        await self.channel.close()
        await asyncio.sleep(0.05)  # the process hears of it when it reads next
        self.channel = SandboxChannel(self.clock, "127.0.0.1", self.carrier.port)


class TestSandboxChannel(ChannelContract):
    bench_type = SandboxBench

    @pytest.fixture
    async def bench(self, carrier: Carrier) -> AsyncIterator[Bench]:
        bench = SandboxBench(carrier)
        yield bench
        await bench.channel.close()


async def test_it_reconnects_to_a_carrier_that_was_away(carrier: Carrier) -> None:
    channel = SandboxChannel(JumpingClock(), "127.0.0.1", carrier.port)
    assert kinds(await channel.send(LANE, [message(1)], 1_000)) == [Accepted]
    carrier.kill()
    assert kinds(await channel.send(LANE, [message(2)], 1_000)) in ([NotSent], [Unknown])
    assert kinds(await channel.send(LANE, [message(3)], 1_000)) == [NotSent]
    carrier.start()
    assert kinds(await channel.send(LANE, [message(4)], 1_000)) == [Accepted]
    assert [entry.seq for entry in read_ledger(carrier.ledger)] == [1, 2]
    await channel.close()


async def test_a_carrier_killed_and_started_again_owes_what_was_not_acknowledged(
    carrier: Carrier,
) -> None:
    clock = JumpingClock()
    channel = SandboxChannel(clock, "127.0.0.1", carrier.port)
    await channel.send(LANE, [message(n) for n in range(3)], 1_000)
    await clock.sleep_ms(5_000)
    first = await channel.collect()
    await channel.acknowledge(first.token)
    await channel.send(LANE, [message(n) for n in range(3, 5)], 1_000)
    carrier.kill()
    carrier.start()
    await clock.sleep_ms(5_000)
    found = [await channel.collect() for _ in range(3)]  # one may find the connection broken
    attempts = [receipt.attempt for collected in found for receipt in collected.receipts]
    assert len(first.receipts) == 3
    assert attempts == [message(3).attempt, message(4).attempt]
    await channel.close()


async def test_a_token_of_an_earlier_connection_acknowledges_nothing(carrier: Carrier) -> None:
    clock = JumpingClock()
    one = SandboxChannel(clock, "127.0.0.1", carrier.port)
    await one.send(LANE, [message(1)], 1_000)
    await clock.sleep_ms(5_000)
    token = (await one.collect()).token
    other = SandboxChannel(clock, "127.0.0.1", carrier.port)
    await other.acknowledge(token)
    await one.close()
    await asyncio.sleep(0.05)
    assert len((await other.collect()).receipts) == 1
    await other.close()


async def test_the_process_tells_which_faults_have_struck(carrier: Carrier) -> None:
    channel = SandboxChannel(JumpingClock(), "127.0.0.1", carrier.port)
    await channel.send(LANE, [message(1, "undelivered"), message(2, "transient")], 1_000)
    assert await channel.tally() == {"undelivered": 1, "transient": 1}
    await channel.close()


async def test_lanes_may_send_at_once_over_one_channel(carrier: Carrier) -> None:
    channel = SandboxChannel(JumpingClock(), "127.0.0.1", carrier.port)
    batches = [[message(100 * lane + n) for n in range(50)] for lane in range(8)]
    answers = await asyncio.gather(*(channel.send(LANE, batch, 1_000) for batch in batches))
    refs = {outcome.ref for batch in answers for outcome in batch if isinstance(outcome, Accepted)}
    assert len(refs) == 400
    await channel.close()


async def test_garbage_is_not_answered(carrier: Carrier) -> None:
    for garbage in (b"\xff" * 8, b"\x00\x00\x00\x03abc", b"GET / HTTP/1.1\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", carrier.port)
        writer.write(garbage)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    channel = SandboxChannel(JumpingClock(), "127.0.0.1", carrier.port)
    assert kinds(await channel.send(LANE, [message(1)], 1_000)) == [Accepted]
    await channel.close()


@asynccontextmanager
async def server_that(behaves: str) -> AsyncIterator[int]:
    """A carrier gone wrong: hangs up after reading a request, answers nonsense, or not at all."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
        if behaves == "nonsense":
            writer.write(b"\x00\x00\x00\x01\xc1")
        elif behaves == "too few":
            writer.write(b"\x00\x00\x00\x01\x90")
        elif behaves == "silent":
            await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("behaves", ["hangs up", "nonsense", "too few", "silent"])
async def test_after_a_request_was_written_its_batch_is_unknown(
    behaves: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPLY_S", 0.2)
    async with server_that(behaves) as port:
        channel = SandboxChannel(JumpingClock(), "127.0.0.1", port)
        outcomes = await channel.send(LANE, [message(n) for n in range(3)], 1_000)
        assert kinds(outcomes) == [Unknown] * 3
        await channel.close()


async def test_a_cancelled_send_does_not_leave_its_reply_to_the_next(carrier: Carrier) -> None:
    channel = SandboxChannel(JumpingClock(), "127.0.0.1", carrier.port)
    await channel.collect()
    sending = asyncio.create_task(channel.send(LANE, [message(1)], 1_000))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert (await channel.collect()).receipts == ()
    await channel.close()


async def test_late_answers_are_bounded(carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATE_MAX", 3)
    clock = JumpingClock()
    channel = SandboxChannel(clock, "127.0.0.1", carrier.port)
    late = [message(n, "answer_late") for n in range(9)]
    assert await channel.send(LANE, late, 1_000) == [None] * 9
    await clock.sleep_ms(60_000)
    assert len((await channel.collect()).late) == 3
    await channel.close()


async def test_a_batch_closes_when_nearly_all_is_answered(carrier: Carrier) -> None:
    clock = JumpingClock()
    channel = SandboxChannel(clock, "127.0.0.1", carrier.port)
    lost = [message(n, "answer_lost") for n in range(3)]

    async def takes_ms(messages: list[Message]) -> int:
        began_ms = clock.now_ms()
        await channel.send(LANE, messages, 1_000)
        return clock.now_ms() - began_ms

    assert await takes_ms(lost[:1] + [message(n) for n in range(10, 29)]) == 20
    assert await takes_ms(lost[1:] + [message(n) for n in range(30, 48)]) == 1_000
    await channel.close()


def entry(n: int, stream: int, lane: str = LANE, outcome: str = "taken") -> Entry:
    attempt = f"{stream:032x}:{n}"
    return Entry(n, 0, lane, attempt, "", "", 1, outcome)  # type: ignore[arg-type]


def test_duplicates_are_of_one_stream_and_channel_both_taken() -> None:
    ledger = [
        entry(1, 1),
        entry(2, 1, outcome="refused"),
        entry(3, 2),
        entry(4, 2, "voice-a"),
        entry(5, 3),
        entry(6, 3, "sms-any"),
    ]
    assert duplicates(ledger) == {(f"{3:032x}", "sms"): 2}


def test_a_ledger_torn_by_a_crash_is_cut_at_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.write([entry(1, 1), entry(2, 2)])
    ledger.acknowledged([(1, 0)])
    ledger.close()
    with path.open("ab") as file:
        file.write(b'{"seq":3,"at')
    assert [e.seq for e in read_ledger(path)] == [1, 2]

    ledger = Ledger(path)
    sandbox = Sandbox(1)
    ledger.restore(sandbox)
    ledger.write([entry(3, 3)])
    ledger.close()
    assert [e.seq for e in read_ledger(path)] == [1, 2, 3]
    assert [r.attempt for r in sandbox.collect(10_000).receipts] == [entry(2, 2).attempt]


def test_no_ledger_is_an_empty_one(tmp_path: Path) -> None:
    assert read_ledger(tmp_path / "none.jsonl") == []


def test_a_ledger_names_no_destination(tmp_path: Path) -> None:
    sandbox = Sandbox(1)
    sandbox.submit(LANE, [message(1)], 1_700_000_000_000)
    assert b"138" not in msgspec.json.encode(sandbox.drain())
