"""One bind to a carrier: frames in, frames out, and a window of submits that await their answer.

Nothing here knows a protocol: a :class:`Dialect` brings the frames of SMPP, or of CMPP. A frame
begins with its whole length in four octets, big-endian, as both have it. Nothing is awaited for a
single message: what came in one read is heard, then all that may be written is written at once.
"""

import asyncio
import logging
import socket
from collections.abc import Iterable
from struct import Struct
from typing import Any, Protocol, cast

import msgspec

from channels.base import Clock, Outcome, Receipt, Reply, Unknown
from channels.binding import Refused
from channels.carrier_batch import Batch

SEQUENCE_MAX = 0x7FFF_FFFF
"""The highest sequence number; 1 follows it (SMPP 3.4, section 3.2)."""

MALFORMED_MAX = 20
"""Malformed frames on one bind before it is given up: its peer speaks something else."""

FRAMES_PENDING_MAX = 256 * 1024
"""Octets that wait to be written before no more submits are handed to the socket."""

ANSWER, BROUGHT, BOUND, ASKED, ENDING, NOTHING = range(6)
"""What a frame is: the answer to a submit, a receipt or a reply, the answer to the bind, a question
to be answered at once, the peer's goodbye, or nothing to act on."""

log = logging.getLogger("fenghuo.carriers")

_length = Struct(">I").unpack_from


class Brought(msgspec.Struct, frozen=True, gc=False):
    """What the carrier brought, or None when there is nothing to keep, and the frame that tells it
    that we have it for good."""

    what: Receipt | Reply | None
    acknowledgement: bytes


class Dialect(Protocol):
    """What a protocol brings. Pure: frames to values and back."""

    header: int
    """Octets of the shortest frame."""
    frame_max: int
    """Octets of the longest; a greater length is garbage."""

    def bind(self, sequence: int, now_ms: int) -> bytes: ...

    def submit(self, sequence: int, body: bytes) -> bytes: ...

    def probe(self, sequence: int) -> bytes:
        """Asks whether the other side is there."""

    def goodbye(self, sequence: int) -> bytes: ...

    def hear(self, frame: bytes, now_ms: int) -> tuple[int, int, Any]:
        """What a frame is, its sequence number, and what goes with it: the :data:`Outcome` of an
        ``ANSWER``, a :class:`Brought`, for ``BOUND`` a :class:`Refused` or None, for ``ASKED`` and
        ``ENDING`` the frame that answers. Raises ValueError for a frame that does not hold what
        it says it holds."""

    def not_now(self, frame: bytes) -> bytes:
        """Answers what was brought and cannot be kept now: it is to be brought again."""

    def not_understood(self, frame: bytes) -> bytes:
        """Answers a malformed frame; empty where no answer is due."""


class Owner(Protocol):
    """The line a session belongs to."""

    def bring(self, session: "Session", brought: Brought) -> bool:
        """Keep what came; False when there is no room."""

    def again(self, batch: Batch, index: int, parts: Iterable[int]) -> None:
        """Parts to be written once more, a little later."""

    def turn(self) -> None:
        """All of one read has been heard."""

    def lost(self, session: "Session", why: str) -> None:
        """It is over; what was written is answered for."""


class Session(asyncio.Protocol):
    """One connection, from its making to its loss."""

    def __init__(self, name: str, dialect: Dialect, clock: Clock, owner: Owner) -> None:
        self.name = name
        self.bound = False
        self.gone = asyncio.Event()
        self.full = False
        """Whether the socket takes no more for now."""
        self.heard_ms = clock.now_ms()
        self.answered_ms = 0
        """When a submit was answered last."""
        self.asked_ms = 0
        """When it was asked, in this silence, whether it is there; 0: it was not."""
        self.outstanding: dict[int, tuple[Batch, int, int, int]] = {}
        """By sequence number: whose answer is awaited (batch, message, part), written when."""
        self._dialect = dialect
        self._clock = clock
        self._owner = owner
        self._sequence = 0
        self._rest = b""
        self._malformed = 0
        self._turned_away = 0
        self._why = "link lost"
        self._answered: asyncio.Future[Refused | None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    # What the line does with it

    async def bind(self) -> Refused | None:
        """Introduce ourselves; None when the carrier let us in."""
        assert self._transport is not None
        self._transport.write(self._dialect.bind(self.next_sequence(), self._clock.now_ms()))
        refused = await self._answered
        self.bound = refused is None and not self.gone.is_set()
        return refused

    def write(self, frames: Iterable[bytes]) -> None:
        """Hand frames to the socket, all in one go; for nothing when the link is lost."""
        if self._transport is not None and not self.gone.is_set():
            self._transport.write(b"".join(frames))

    def next_sequence(self) -> int:
        self._sequence = self._sequence % SEQUENCE_MAX + 1
        return self._sequence

    def probe(self, now_ms: int) -> None:
        """Ask whether the other side is there, once in each silence."""
        if not self.asked_ms:
            self.asked_ms = now_ms
            self.write([self._dialect.probe(self.next_sequence())])

    def say_goodbye(self) -> None:
        self.bound = False
        self.write([self._dialect.goodbye(self.next_sequence())])

    def give_up(self, why: str) -> None:
        """Cut the link: what is on it has an unknown outcome."""
        self._why = why
        self.bound = False
        if self._transport is not None:
            self._transport.abort()

    def time_out(self, before_ms: int) -> int:
        """Answer Unknown for what was written before then; how many that were."""
        count = 0
        while self.outstanding:
            sequence = next(iter(self.outstanding))  # in the order they were written
            batch, index, part, written_ms = self.outstanding[sequence]
            if written_ms >= before_ms:
                break
            del self.outstanding[sequence]
            batch.answer(index, part, Unknown("no answer in time"))
            batch.look()
            count += 1
        return count

    # What the loop does with it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is of no kind
        transport.set_write_buffer_limits(FRAMES_PENDING_MAX)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self.heard_ms = now_ms = self._clock.now_ms()
        self.asked_ms = 0
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        shortest, longest = self._dialect.header, self._dialect.frame_max
        while size - at >= 4:
            length = _length(data, at)[0]
            if not shortest <= length <= longest:
                log.error("%s: a frame of %d octets is garbage; the link is cut", self.name, length)
                self.give_up("the carrier sent garbage")
                return
            if size - at < length:
                break
            self._hear(data[at : at + length], now_ms)
            at += length
        self._rest = data[at:]
        self._owner.turn()

    def pause_writing(self) -> None:
        """Who does not read what we answer is not listened to."""
        self.full = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.full = False
        if self._transport is not None:
            self._transport.resume_reading()
        self._owner.turn()

    def connection_lost(self, exc: Exception | None) -> None:
        self.bound = False
        self.gone.set()
        why = f"{self._why}: {exc}" if exc else self._why
        if not self._answered.done():
            self._answered.set_result(Refused(why, lasting=False))
        outstanding, self.outstanding = self.outstanding, {}
        for batch, index, part, _ in outstanding.values():
            batch.answer(index, part, Unknown(f"{why} with the message written"))
            batch.look()
        self._owner.lost(self, why)

    def _hear(self, frame: bytes, now_ms: int) -> None:
        try:
            kind, sequence, value = self._dialect.hear(frame, now_ms)
        except ValueError as error:
            self._complain(frame, error)
            return
        if kind == ANSWER:
            self._settle(sequence, value)
        elif kind == BROUGHT:
            if not self._owner.bring(self, value):
                self._turn_away(frame)
        elif kind == ASKED:
            self.write([value])
        elif kind == ENDING:
            self.write([value])
            self._why = "the carrier said goodbye"
            self.bound = False
            if self._transport is not None:
                self._transport.close()
        elif kind == BOUND and not self._answered.done():
            self._answered.set_result(value)

    def _settle(self, sequence: int, outcome: Outcome) -> None:
        slot = self.outstanding.pop(sequence, None)
        if slot is None:  # answered twice, or after its time; or it was the bind that was refused
            if not self._answered.done():
                self._answered.set_result(Refused("the bind was not understood", lasting=False))
            return
        self.answered_ms = self.heard_ms
        batch, index, part, _ = slot
        again = batch.answer(index, part, outcome)
        if again:
            self._owner.again(batch, index, again)

    def _turn_away(self, frame: bytes) -> None:
        """There is no room: bounded memory, and the carrier keeps what it has not handed over."""
        if not self._turned_away % 10_000:
            log.warning("%s: more reports than can be kept; the carrier is told to wait", self.name)
        self._turned_away += 1
        self.write([self._dialect.not_now(frame)])

    def _complain(self, frame: bytes, error: ValueError) -> None:
        self._malformed += 1
        log.error("%s: a malformed frame of %d octets: %s", self.name, len(frame), error)
        answer = self._dialect.not_understood(frame)
        if answer:
            self.write([answer])
        if self._malformed >= MALFORMED_MAX:
            self.give_up("the carrier sent too many malformed frames")
