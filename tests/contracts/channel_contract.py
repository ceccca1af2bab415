"""What every channel keeps, whatever carries it: one suite, run over each of them.

A :class:`Bench` holds a channel and the provider behind it, and knows which behaviour of the
provider it can provoke; a channel's tests subclass :class:`ChannelContract` and give it one.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

import pytest

from channels.base import (
    Accepted,
    Channel,
    Collected,
    LateAnswer,
    Message,
    NotSent,
    Outcome,
    Permanent,
    Receipt,
    Throttled,
    Transient,
    Unknown,
)

CLOSE_MS = 1_000
NOT_TAKEN = (NotSent, Throttled, Transient, Permanent)


class Bench(ABC):
    """A channel on its provider. ``can`` names the behaviours :meth:`message` can provoke:
    ``not_sent throttled transient bad_recipient bad_content bad_account unknown answer_lost
    answer_late``, ``stop`` for a provider that can be stopped, and, where there are receipts,
    ``receipt`` and the sandbox's faults of receipts.
    """

    channel: Channel
    lane: str
    can: frozenset[str]
    takes_twice: bool
    """Whether the same attempt, sent again, is taken again."""
    echoes: bool = True
    """Whether receipts name the attempt; else their reference must do."""
    many_ms: int = CLOSE_MS
    """After which a batch of thirty closes: more where calls take long on a busy machine."""

    @abstractmethod
    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        """The ``n``-th message, which provokes ``behaviour``; timely unless told."""

    @abstractmethod
    def now_ms(self) -> int: ...

    @abstractmethod
    async def pass_ms(self, ms: int) -> None:
        """Let time go by."""

    def hold(self) -> None:
        """Let no time go by until :meth:`release`."""
        raise NotImplementedError("where a receipt can come before its answer")

    def release(self) -> None:
        raise NotImplementedError

    @abstractmethod
    def taken(self) -> Sequence[str]:
        """Attempts the provider took, in order, as often as it took them."""

    @abstractmethod
    async def stop_provider(self) -> None:
        """Nobody is there from now on."""

    @abstractmethod
    async def reconnect(self) -> None:
        """A new channel to the same provider, as after a crash of the hub."""

    async def send(self, *messages: Message) -> list[Outcome | None]:
        return await self.channel.send(self.lane, messages, CLOSE_MS)

    async def send_many(self, *messages: Message) -> list[Outcome | None]:
        return await self.channel.send(self.lane, messages, self.many_ms)

    async def collected(self, acknowledge: bool = True) -> list[Collected]:
        """All that comes in the next minute."""
        found = []
        for _ in range(60):
            collected = await self.channel.collect()
            found.append(collected)
            if acknowledge:
                await self.channel.acknowledge(collected.token)
            if not collected.next_ms and not collected.receipts:
                break
            await self.pass_ms(max(collected.next_ms - self.now_ms(), 0))
        return found

    async def receipts(self) -> list[Receipt]:
        return [receipt for found in await self.collected() for receipt in found.receipts]


def needs(behaviour: str) -> pytest.MarkDecorator:
    """The provider must be able to do this; ``*``: whatever the test's own ``behaviour`` is."""
    return pytest.mark.needs(behaviour)


def kinds(outcomes: Sequence[Outcome | None]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


class ChannelContract:
    """Subclasses provide the fixture ``bench``, and name its type: a test that needs a behaviour
    which its provider does not have is no test of theirs (see ``tests/conftest.py``)."""

    bench_type: type[Bench]

    async def test_an_empty_batch(self, bench: Bench) -> None:
        assert await bench.send() == []

    async def test_all_are_accepted_in_their_order(self, bench: Bench) -> None:
        messages = [bench.message(n) for n in range(30)]
        outcomes = await bench.send_many(*messages)
        assert set(kinds(outcomes)) == {Accepted}
        assert sorted(bench.taken()) == sorted(message.attempt for message in messages)
        assert len({getattr(outcome, "ref", "") for outcome in outcomes}) == 30

    @needs("*")
    @pytest.mark.parametrize(
        ("behaviour", "kind", "scope"),
        [
            ("throttled", Throttled, None),
            ("transient", Transient, None),
            ("bad_recipient", Permanent, "recipient"),
            ("bad_content", Permanent, "content"),
            ("bad_account", Permanent, "account"),
            ("not_sent", NotSent, None),
        ],
    )
    async def test_what_is_refused_is_not_taken(
        self, bench: Bench, behaviour: str, kind: type, scope: str | None
    ) -> None:
        bad = bench.message(1, behaviour)
        outcomes = await bench.send(bench.message(0), bad, bench.message(2))
        assert kinds(outcomes) == [Accepted, kind, Accepted]
        assert getattr(outcomes[1], "scope", None) == scope
        assert bad.attempt not in bench.taken()

    @needs("unknown")
    async def test_unknown_is_said_where_it_may_have_been_taken(self, bench: Bench) -> None:
        (outcome,) = await bench.send(bench.message(1, "unknown"))
        assert isinstance(outcome, Unknown)

    @needs("answer_lost")
    async def test_a_lost_answer_does_not_hold_the_batch(self, bench: Bench) -> None:
        lost = bench.message(0, "answer_lost")
        began_ms = bench.now_ms()
        outcomes = await bench.send_many(lost, *[bench.message(n) for n in range(1, 30)])
        assert bench.now_ms() - began_ms < bench.many_ms
        assert kinds(outcomes) == [type(None)] + [Accepted] * 29
        assert lost.attempt in bench.taken()
        assert not any(found.late for found in await bench.collected())

    @needs("answer_late")
    async def test_a_late_answer_comes_by_collect(self, bench: Bench) -> None:
        late = bench.message(0, "answer_late")
        assert await bench.send(late) == [None]
        answers = [late for found in await bench.collected() for late in found.late]
        assert [(answer.attempt, type(answer.outcome)) for answer in answers] == [
            (late.attempt, Accepted)
        ]
        assert isinstance(answers[0], LateAnswer)

    async def test_the_same_attempt_sent_twice(self, bench: Bench) -> None:
        message = bench.message(1)
        assert kinds(await bench.send(message) + await bench.send(message)) == [Accepted] * 2
        assert len(bench.taken()) == (2 if bench.takes_twice else 1)

    async def test_nothing_is_called_past_its_deadline(self, bench: Bench) -> None:
        past = bench.message(1, call_before_ms=bench.now_ms() - 1)
        outcomes = await bench.send(bench.message(0), past)
        assert kinds(outcomes) == [Accepted, NotSent]
        assert past.attempt not in bench.taken()

    @needs("stop")
    async def test_a_provider_that_is_not_there_got_nothing(self, bench: Bench) -> None:
        await bench.stop_provider()
        outcomes = await bench.send(*[bench.message(n) for n in range(3)])
        assert set(kinds(outcomes)) <= set(NOT_TAKEN)
        assert bench.taken() == []
        assert (await bench.channel.collect()).receipts == ()

    async def test_closing_in_the_midst_of_a_batch(self, bench: Bench) -> None:
        messages = [bench.message(n) for n in range(50)]
        batch = asyncio.create_task(bench.channel.send(bench.lane, messages, CLOSE_MS))
        await asyncio.sleep(0)
        await bench.channel.close()
        outcomes = await batch
        assert len(outcomes) == len(messages)
        taken = set(bench.taken())
        for message, outcome in zip(messages, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                assert message.attempt in taken
            if isinstance(outcome, NOT_TAKEN):
                assert message.attempt not in taken

    async def test_a_closed_channel_sends_nothing(self, bench: Bench) -> None:
        await bench.channel.close()
        assert kinds(await bench.send(bench.message(1))) == [NotSent]
        await bench.channel.close()
        assert bench.taken() == []

    @needs("receipt")
    async def test_a_receipt_names_the_attempt_and_its_reference(self, bench: Bench) -> None:
        message = bench.message(1)
        (outcome,) = await bench.send(message)
        (receipt,) = await bench.receipts()
        assert isinstance(outcome, Accepted)
        assert receipt.attempt == (message.attempt if bench.echoes else "")
        assert (receipt.ref, receipt.lane, receipt.status) == (
            outcome.ref,
            bench.lane,
            "delivered",
        )

    @needs("receipt")
    async def test_arrived_wakes_who_waits_for_receipts(self, bench: Bench) -> None:
        await bench.collected()
        waiting = asyncio.create_task(bench.channel.arrived())
        await asyncio.sleep(0)
        assert not waiting.done()
        await bench.send(bench.message(1))
        await asyncio.wait_for(waiting, 5)

    @needs("receipt")
    async def test_a_receipt_is_handed_out_once_a_connection(self, bench: Bench) -> None:
        await bench.send(*[bench.message(n) for n in range(5)])
        found = await bench.collected(acknowledge=False)
        assert sum(len(one.receipts) for one in found) == 5

    @needs("receipt")
    async def test_what_was_not_acknowledged_comes_again(self, bench: Bench) -> None:
        await bench.send(bench.message(1))
        kept = await bench.receipts()
        await bench.send(bench.message(2))
        lost = [one for found in await bench.collected(acknowledge=False) for one in found.receipts]
        await bench.reconnect()
        assert len(kept) == len(lost) == 1
        assert [r.ref for r in await bench.receipts()] == [r.ref for r in lost]
        await bench.reconnect()
        assert await bench.receipts() == []

    async def test_an_old_token_means_nothing(self, bench: Bench) -> None:
        await bench.channel.acknowledge(0)
        await bench.channel.acknowledge(123_456)

    @needs("*")
    @pytest.mark.parametrize(
        ("behaviour", "statuses"),
        [
            ("undelivered", ["undelivered"]),
            ("receipt_lost", []),
            ("receipt_repeated", ["delivered", "delivered"]),
            ("conflicting", ["delivered", "undelivered"]),
            ("receipt_early", ["delivered"]),
            ("receipt_late", ["delivered"]),
        ],
    )
    async def test_receipts_as_carriers_send_them(
        self, bench: Bench, behaviour: str, statuses: list[str]
    ) -> None:
        assert kinds(await bench.send(bench.message(1, behaviour))) == [Accepted]
        assert [receipt.status for receipt in await bench.receipts()] == statuses

    @needs("receipt_early")
    async def test_a_receipt_may_come_before_its_answer(self, bench: Bench) -> None:
        message = bench.message(1, "receipt_early")
        bench.hold()
        asked = asyncio.create_task(bench.send(message))
        for _ in range(1_000):
            if message.attempt in bench.taken():
                break
            await asyncio.sleep(0.001)
        await asyncio.wait_for(bench.channel.arrived(), 5)
        early = (await bench.channel.collect()).receipts
        assert not asked.done()
        bench.release()
        (outcome,) = await asked
        assert isinstance(outcome, Accepted)
        assert [receipt.ref for receipt in early] == [outcome.ref]

    @needs("receipt_late")
    async def test_receipts_may_come_in_another_order(self, bench: Bench) -> None:
        late, soon = bench.message(1, "receipt_late"), bench.message(2)
        last, first = await bench.send(late, soon)
        assert isinstance(first, Accepted)
        assert isinstance(last, Accepted)
        assert [receipt.ref for receipt in await bench.receipts()] == [first.ref, last.ref]
