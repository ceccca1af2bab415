"""The sandbox carrier as a process of its own, and the channel that speaks to it.

The process has no clock: every frame carries the hub's time. With one clock there is one order of
events, time may run scaled or stand still, and while the hub is dead its receipts simply wait.

A frame is four bytes of length and a msgpack value; a request has one reply, in order. The reply
to a batch tells at once what will come of each message *and when*: the channel keeps what it has
been told to itself until then, so that a carrier's delays cost no timers in its process.

The ledger (``JSONL``, one :class:`~channels.sandbox_model.Entry` a line) is written before
anything is answered: what it does not hold was never taken. It survives the death of either
process; it is flushed, not synced, so it does not survive the machine's.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from channels.base import (
    CLOSE_AT_PERCENT,
    TOO_LATE,
    Clock,
    Collected,
    LateAnswer,
    Message,
    NotSent,
    Outcome,
    Unknown,
)
from channels.sandbox_model import Answer, Entry, Faults, Sandbox

FRAME_MAX = 64 * 1024 * 1024
"""Bytes in one frame: a thousand long mails, several times over. A greater length is garbage."""

READ_AHEAD = 1024 * 1024
"""Bytes read from a connection before somebody asks for them: a few batches of messages."""

CONNECTIONS_MAX = 64
"""Connections the process serves at once; a hub needs one for each of its processes."""

REPLY_S = 10
"""How long a reply may take before the connection is given up: hundreds of times the usual."""

RECONNECT_MS = 1_000
"""When to ask again after the carrier could not be reached."""

LINE_MAX = 256 * 1024
"""Bytes of the longest line in the ledger's files: one acknowledgement of a full collect."""

LATE_MAX = 100_000
"""Late answers kept for the next collect. A late answer beyond them is a lost one, which a hub
must bear anyway."""


class Submit(msgspec.Struct, frozen=True, tag="submit", array_like=True, gc=False):
    """A batch for one lane. Replied to with one :class:`Answer` for each message."""

    now_ms: int
    lane: str
    messages: Sequence[Message]


class Collect(msgspec.Struct, frozen=True, tag="collect", array_like=True, gc=False):
    """Replied to with a :class:`Collected` without late answers."""

    now_ms: int


class Acknowledge(msgspec.Struct, frozen=True, tag="acknowledge", array_like=True, gc=False):
    """What was collected under ``token`` is durable. Replied to with nil."""

    now_ms: int
    token: int


class Tally(msgspec.Struct, frozen=True, tag="tally", array_like=True, gc=False):
    """Replied to with how often each fault has struck."""

    now_ms: int


Request = Submit | Collect | Acknowledge | Tally

_Reply = TypeVar("_Reply")

_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(Request)
_answers = msgspec.msgpack.Decoder(list[Answer])
_collected = msgspec.msgpack.Decoder(Collected)
_nothing = msgspec.msgpack.Decoder(None)
_tally = msgspec.msgpack.Decoder(dict[str, int])


# --- the channel ---------------------------------------------------------------------------------


class LineDown(Exception):  # noqa: N818 a state of the line, not a mistake
    """The carrier could not be reached; nothing was written."""


class LineLost(Exception):  # noqa: N818
    """The line broke with a request on it: it may have been taken."""


class SandboxChannel:
    """A :class:`~channels.base.Channel` to the sandbox that listens at ``host`` and ``port``."""

    def __init__(self, clock: Clock, host: str, port: int, name: str = "sandbox") -> None:
        self.name = name
        self._clock = clock
        self._line = _Line(host, port)
        self._one_at_a_time = asyncio.Lock()  # replies come in order
        self._late: list[tuple[int, int, LateAnswer]] = []
        self._order = count()  # late answers due together come as they were sent
        self._news = asyncio.Event()

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        latest_ms = self._clock.now_ms() + close_ms
        answers = await self._submit(lane, messages)
        self._news.set()
        close_at_ms = _closing_time(answers, latest_ms)
        await self._clock.sleep_ms(close_at_ms - self._clock.now_ms())
        now_ms = max(self._clock.now_ms(), close_at_ms)  # some loops wake a little early
        outcomes: list[Outcome | None] = []
        for message, (outcome, due_ms) in zip(messages, answers, strict=True):
            if outcome is not None and due_ms > now_ms:
                self._keep(due_ms, LateAnswer(lane, message.attempt, outcome))
                outcome = None
            outcomes.append(outcome)
        return outcomes

    async def collect(self) -> Collected:
        self._news.clear()
        now_ms = self._clock.now_ms()
        try:
            async with self._one_at_a_time:
                await self._line.open()
                told = await self._line.collect(Collect(now_ms))
        except (LineDown, LineLost):
            told = Collected((), (), 0, now_ms + RECONNECT_MS)
        late = []
        while self._late and self._late[0][0] <= now_ms:
            late.append(heappop(self._late)[2])
        next_ms = told.next_ms
        if self._late:
            next_ms = min(next_ms or self._late[0][0], self._late[0][0])
        return Collected(told.receipts, tuple(late), told.token, next_ms)

    async def acknowledge(self, token: int) -> None:
        if not token:
            return
        with suppress(LineDown, LineLost):  # then they come again
            async with self._one_at_a_time:
                await self._line.acknowledge(Acknowledge(self._clock.now_ms(), token))

    async def arrived(self) -> None:
        await self._news.wait()

    async def close(self) -> None:
        self._line.close()
        await self._clock.sleep_ms(0)  # the loop's next turn closes the socket

    async def tally(self) -> dict[str, int]:
        """How often each fault has struck. Raises :class:`LineDown` and :class:`LineLost`."""
        async with self._one_at_a_time:
            await self._line.open()
            return await self._line.tally(Tally(self._clock.now_ms()))

    async def _submit(self, lane: str, messages: Sequence[Message]) -> list[Answer]:
        """What will come of each message; at once for those that do not reach the carrier."""
        async with self._one_at_a_time:
            try:
                await self._line.open()
            except LineDown as error:
                return [Answer(NotSent(str(error)), 0)] * len(messages)
            now_ms = self._clock.now_ms()  # only now: connecting and waiting took their time
            timely = [message for message in messages if message.call_before_ms >= now_ms]
            try:
                answers = iter(
                    await self._line.submit(Submit(now_ms, lane, timely)) if timely else ()
                )
            except LineLost as error:
                answers = iter([Answer(Unknown(str(error)), 0)] * len(timely))
        return [
            next(answers) if message.call_before_ms >= now_ms else _TOO_LATE for message in messages
        ]

    def _keep(self, due_ms: int, late: LateAnswer) -> None:
        if len(self._late) < LATE_MAX:
            heappush(self._late, (due_ms, next(self._order), late))
            self._news.set()


_TOO_LATE = Answer(TOO_LATE, 0)


def _closing_time(answers: Sequence[Answer], latest_ms: int) -> int:
    """When enough of the answers are there; never after ``latest_ms``."""
    if not answers:
        return 0
    due_ms = sorted(answer.due_ms for answer in answers if answer.outcome is not None)
    enough = -(-len(answers) * CLOSE_AT_PERCENT // 100)
    return min(latest_ms, due_ms[enough - 1]) if len(due_ms) >= enough else latest_ms


class _Line:
    """The connection: made when it is needed, and again after it has broken."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tokens: set[int] = set()  # of this connection; another one's mean nothing to it
        self._closed = False

    async def open(self) -> None:
        """Be connected, or raise :class:`LineDown`. The others raise :class:`LineLost`."""
        self._check_open()
        if self._reader is not None and not self._reader.at_eof():
            return
        self._hang_up()
        try:
            async with asyncio.timeout(REPLY_S):
                self._reader, self._writer = await asyncio.open_connection(
                    self._host, self._port, limit=READ_AHEAD
                )
        except OSError as error:
            raise LineDown(error.strerror or type(error).__name__) from error
        self._check_open()  # it may have been closed while it connected
        _send_at_once(self._writer)

    async def submit(self, request: Submit) -> list[Answer]:
        answers = await self._ask(request, _answers)
        if len(answers) != len(request.messages):
            self._hang_up()
            raise LineLost("answers to another batch")
        return answers

    async def collect(self, request: Collect) -> Collected:
        collected = await self._ask(request, _collected)
        if collected.token:
            self._tokens.add(collected.token)
        return collected

    async def acknowledge(self, request: Acknowledge) -> None:
        if request.token in self._tokens:
            await self._ask(request, _nothing)
            self._tokens.discard(request.token)

    async def tally(self, request: Tally) -> dict[str, int]:
        return await self._ask(request, _tally)

    def close(self) -> None:
        """Hang up for good; whoever waits for a reply has lost it."""
        self._closed = True
        self._hang_up()

    async def _ask(self, request: Request, reply: "msgspec.msgpack.Decoder[_Reply]") -> _Reply:
        if self._reader is None or self._writer is None:
            raise LineLost("hung up")
        try:
            async with asyncio.timeout(REPLY_S):
                await _write_frame(self._writer, _encode(request))
                return reply.decode(await _read_frame(self._reader))
        except (OSError, EOFError, TimeoutError, msgspec.MsgspecError) as error:
            self._hang_up()
            raise LineLost(f"{type(error).__name__} with a request outstanding") from error
        except asyncio.CancelledError:
            self._hang_up()  # the reply to come would be taken for the next request's
            raise

    def _check_open(self) -> None:
        if self._closed:
            self._hang_up()
            raise LineDown("closed")

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
        self._tokens.clear()


# --- the wire ------------------------------------------------------------------------------------


async def _write_frame(writer: asyncio.StreamWriter, body: bytes) -> None:
    if len(body) > FRAME_MAX:
        raise OSError("a frame too long")
    writer.writelines((len(body).to_bytes(4, "big"), body))
    await writer.drain()


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    """Raises EOFError at the end of the stream, also in the midst of a frame."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > FRAME_MAX:
        raise OSError("a frame too long")
    return await reader.readexactly(length)


def _send_at_once(writer: asyncio.StreamWriter) -> None:
    """No waiting for a fuller packet: with delayed acknowledgements that costs 40 ms a frame."""
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


# --- the process ---------------------------------------------------------------------------------


class Ledger:
    """The append-only file of what came, and beside it (``.acks``) what was acknowledged."""

    def __init__(self, path: Path) -> None:
        self._acks_path = path.with_name(path.name + ".acks")
        for file in (path, self._acks_path):
            _cut_torn_line(file)
        self._entries = path.open("ab")
        self._acks = self._acks_path.open("ab")
        self._path = path

    def write(self, entries: Sequence[Entry]) -> None:
        """Append, and give it to the system before anybody is answered."""
        if entries:
            self._entries.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
            self._entries.flush()

    def acknowledged(self, reports: Sequence[tuple[int, int]]) -> None:
        """Append the (seq, report) of receipts that need not come again."""
        if reports:
            self._acks.write(msgspec.json.encode(reports) + b"\n")
            self._acks.flush()

    def restore(self, sandbox: Sandbox) -> None:
        """Give a new sandbox what it owed when its predecessor ended."""
        decode = msgspec.json.Decoder(list[tuple[int, int]]).decode
        with self._acks_path.open("rb") as file:
            acknowledged = {report for line in file for report in decode(line)}
        for entry in _entries(self._path):
            sandbox.restore(entry, lambda seq, report: (seq, report) in acknowledged)

    def close(self) -> None:
        self._entries.close()
        self._acks.close()


class _Process:
    """Serves connections: one request at a time each, all on one sandbox."""

    def __init__(self, sandbox: Sandbox, ledger: Ledger) -> None:
        self._sandbox = sandbox
        self._ledger = ledger
        self._connections = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side hangs up."""
        tokens: set[int] = set()
        self._connections += 1
        try:
            _send_at_once(writer)
            while self._connections <= CONNECTIONS_MAX:
                request = _request.decode(await _read_frame(reader))
                await _write_frame(writer, _encode(self._answer(request, tokens)))
        except (OSError, EOFError, msgspec.MsgspecError):
            pass  # gone, or speaking another language: either way there is nobody to answer
        finally:
            self._connections -= 1
            self._sandbox.disconnect(tokens)
            writer.close()

    def _answer(self, request: Request, tokens: set[int]) -> Any:
        match request:
            case Submit(now_ms, lane, messages):
                answers = self._sandbox.submit(lane, messages, now_ms)
                self._ledger.write(self._sandbox.drain())
                return answers
            case Collect(now_ms):
                collected = self._sandbox.collect(now_ms)
                tokens.add(collected.token)
                return collected
            case Acknowledge(_, token):
                tokens.discard(token)
                self._ledger.acknowledged(self._sandbox.acknowledge(token))
                return None
            case Tally():
                return dict(self._sandbox.hits)


async def serve(
    host: str,
    port: int,
    ledger_path: Path,
    seed: int,
    faults: Faults = Faults(),  # noqa: B008 a frozen value
    listening: Callable[[int], None] = lambda port: None,
) -> None:
    """Be the carrier until cancelled. ``listening`` is told the port (0 takes a free one).

    Goes on where the ledger ends, so the process may be killed at any moment and started again.
    """
    ledger, sandbox = Ledger(ledger_path), Sandbox(seed, faults)
    ledger.restore(sandbox)
    process = _Process(sandbox, ledger)
    server = await asyncio.start_server(process.talk, host, port, limit=READ_AHEAD)
    listening(server.sockets[0].getsockname()[1])
    try:
        async with server:
            await server.serve_forever()
    finally:
        ledger.close()


# --- the ledger, as tests and the demonstration read it ------------------------------------------


def read_ledger(path: Path) -> list[Entry]:
    """All entries in order, while the process writes or after it has died; [] without a file."""
    return list(_entries(path)) if path.exists() else []


def duplicates(ledger: Iterable[Entry]) -> dict[tuple[str, str], int]:
    """How often a (stream, channel) was taken, where more than once.

    A stream is the part of an attempt before the colon, a channel that of a lane before the dash.
    """
    taken = Counter(
        (entry.attempt.partition(":")[0], entry.lane.partition("-")[0])
        for entry in ledger
        if entry.outcome == "taken"
    )
    return {key: times for key, times in taken.items() if times > 1}


def _entries(path: Path) -> Iterator[Entry]:
    decode = msgspec.json.Decoder(Entry).decode
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):  # else the process died while it wrote, unanswered
                yield decode(line)


def _cut_torn_line(path: Path) -> None:
    """End a file at its last whole line, so that the next one does not continue a torn one."""
    with path.open("a+b") as file:
        start = max(0, file.seek(0, 2) - LINE_MAX)
        file.seek(start)
        file.truncate(start + file.read().rfind(b"\n") + 1)
