"""One bind, fed by hand: whatever comes, in whatever pieces."""

import asyncio
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from channels import cmpp_codec
from channels import smpp_codec as codec
from channels.base import Accepted, LateAnswer, Message, NotSent, Outcome, Receipt, Unknown
from channels.carrier_batch import Batch
from channels.carrier_session import MALFORMED_MAX, Brought, Dialect, Session
from channels.cmpp_account import Cmpp
from channels.cmpp_dialect import CmppDialect
from channels.smpp_account import Smpp
from channels.smpp_dialect import SmppDialect

SMPP = Smpp(host="-", port=1, system_id="fenghuo", password_env="-")
CMPP = Cmpp(host="-", port=1, source_addr="901783", password_env="-")
TEXT = b"id:%d sub:001 dlvrd:001 submit date:1 done date:2611241210 stat:DELIVRD err:000 text:"


class Clock:
    def now_ms(self) -> int:
        return 1_000

    async def sleep_ms(self, ms: int) -> None:
        raise NotImplementedError


class Wire:
    """The transport: what was written, and whether the link was cut."""

    def __init__(self) -> None:
        self.written = b""
        self.cut = False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.cut = True

    close = abort

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def get_extra_info(self, name: str) -> None:
        return None


class Keeper:
    """The line: keeps what was brought, up to ``room``."""

    def __init__(self, room: int = 10**6) -> None:
        self.room = room
        self.brought: list[Any] = []
        self.turns = 0

    def bring(self, session: Session, brought: Brought) -> bool:
        if len(self.brought) >= self.room:
            return False
        self.brought.append(brought.what)
        return True

    def again(self, batch: Batch, index: int, parts: Iterable[int]) -> None:
        raise AssertionError("nothing here goes in parts")

    def turn(self) -> None:
        self.turns += 1

    def lost(self, session: Session, why: str) -> None:
        pass


def smpp() -> Dialect:
    return SmppDialect("sms", SMPP, "", lambda a, b: "")


def cmpp(version: cmpp_codec.Version) -> Dialect:
    return CmppDialect("sms", version, CMPP, "", lambda a, b: "")


DIALECTS = st.sampled_from([smpp(), cmpp(cmpp_codec.CMPP2), cmpp(cmpp_codec.CMPP3)])


def fed(
    chunks: Iterable[bytes], keeper: Keeper, submits: int = 0, dialect: Dialect | None = None
) -> tuple[Wire, list[Any]]:
    """A session that has written so many submits and then hears these chunks, and is lost."""

    async def play() -> tuple[Wire, list[Any]]:
        late: list[LateAnswer] = []
        messages = [Message(f"{n}:1", "+8613800138000", "x", 0) for n in range(submits)]
        batch = Batch("sms", messages, [[b""]] * submits, late.append, lambda ref: None)
        spoken = dialect or smpp()
        session = Session("bind", spoken, Clock(), keeper)
        wire = Wire()
        session.connection_made(wire)  # type: ignore[arg-type]
        for n in range(submits):
            session.outstanding[session.next_sequence()] = (batch, n, 0, 1_000)
        for chunk in chunks:
            if wire.cut:
                break
            session.data_received(chunk)
            assert len(session._rest) <= spoken.frame_max
        session.connection_lost(None)
        return wire, batch.close()

    return asyncio.run(play())


def answer(sequence: int) -> bytes:
    body = b"%x\0" % (100 + sequence)
    return codec.frame(codec.SUBMIT_SM + codec.RESPONSE, sequence, body)


def receipt(number: int) -> bytes:
    text = TEXT % number
    body = b"\0\x01\x018613800138000\0\0\x0012123\0\x04\0\0\0\0\0\0\0\0%c%b" % (len(text), text)
    return codec.frame(codec.DELIVER_SM, number, body)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(st.integers(0, 10_000), max_size=20))
@settings(max_examples=50)
def test_pieces_of_any_size_say_the_same(places: list[int]) -> None:
    stream = b"".join(answer(n) + receipt(n) for n in range(1, 11))
    keeper = Keeper()
    _, outcomes = fed(cut(stream, places), keeper, submits=10)
    assert outcomes == [Accepted(f"{101 + n:x}") for n in range(10)]
    assert [what.ref for what in keeper.brought if isinstance(what, Receipt)] == [
        str(n) for n in range(1, 11)
    ]


@given(st.lists(st.binary(max_size=600), max_size=20), DIALECTS)
def test_noise_is_survived_or_the_link_is_cut(chunks: list[bytes], dialect: Dialect) -> None:
    _, outcomes = fed(chunks, Keeper(), submits=3, dialect=dialect)
    assert not any(isinstance(outcome, NotSent) for outcome in outcomes)
    assert None not in outcomes


def framed(header: int, length: int, command: int, body: bytes) -> bytes:
    """A frame that says it is so long, whatever it is; both protocols begin with length and
    command."""
    return length.to_bytes(4, "big") + command.to_bytes(4, "big") + bytes(header - 8) + body


COMMANDS = st.one_of(
    st.integers(0, 0xFFFF_FFFF),
    st.builds(int.__or__, st.integers(0, 0x21), st.sampled_from([0, 0x8000_0000])),
)
"""Any at all, and often one that means something."""


@given(st.lists(st.tuples(COMMANDS, st.binary(max_size=250)), max_size=30), DIALECTS)
def test_frames_of_any_command_are_survived_or_the_link_is_cut(
    frames: list[tuple[int, bytes]], dialect: Dialect
) -> None:
    header = dialect.header
    stream = b"".join(framed(header, header + len(b), command, b) for command, b in frames)
    _, outcomes = fed([stream], Keeper(), submits=3, dialect=dialect)
    assert None not in outcomes


@given(st.integers(0, 0xFFFF_FFFF), COMMANDS, st.binary(max_size=100), DIALECTS)
def test_a_frame_that_lies_about_its_length_is_waited_for_or_cut_and_never_kept(
    length: int, command: int, body: bytes, dialect: Dialect
) -> None:
    """What is waited for is bounded: a longer frame than there can be is garbage at once."""
    keeper = Keeper()
    stream = framed(dialect.header, length, command, body) + bytes(2 * dialect.frame_max)
    wire, outcomes = fed([stream], keeper, submits=1, dialect=dialect)
    assert None not in outcomes
    if not dialect.header <= length <= dialect.frame_max:
        assert wire.cut
        assert not keeper.brought


def test_what_was_written_is_unknown_when_the_link_is_lost() -> None:
    _, outcomes = fed([answer(2)], Keeper(), submits=3)
    assert [type(outcome) for outcome in outcomes] == [Unknown, Accepted, Unknown]


def test_an_answer_to_nothing_is_nothing() -> None:
    outcomes: list[Outcome | None]
    _, outcomes = fed([answer(9), answer(1), answer(1)], Keeper(), submits=1)
    assert outcomes == [Accepted("65")]


def test_what_there_is_no_room_for_is_to_come_again() -> None:
    keeper = Keeper(room=2)
    wire, _ = fed([b"".join(receipt(n) for n in range(1, 6))], keeper)
    assert len(keeper.brought) == 2
    assert wire.written == b"".join(codec.acknowledgement(n, codec.TRY_LATER) for n in (3, 4, 5))


def test_who_only_sends_what_is_malformed_is_left() -> None:
    bad = codec.frame(codec.DELIVER_SM, 1, b"\0")
    wire, _ = fed([bad] * (MALFORMED_MAX - 1), Keeper())
    assert wire.written == codec.acknowledgement(1, codec.NEVER) * (MALFORMED_MAX - 1)
    wire, _ = fed([bad] * (MALFORMED_MAX + 5), Keeper())
    assert wire.cut
