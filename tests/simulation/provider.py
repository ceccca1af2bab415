"""The provider: the real sandbox carrier behind a channel that the seed may stop anywhere.

A worker has its own connection. Answers still due when it dies are lost with it; receipts it had
taken and not acknowledged come again to another. Text lanes do not echo our attempt, as SMPP does
not; the others do.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from channels.base import Collected, LateAnswer, Message, NotSent, Outcome
from channels.sandbox_model import Entry, Faults, Sandbox
from tests.simulation.lanes import Dark
from tests.simulation.replies import Mouth
from tests.simulation.scheduler import Scheduler, point, rest

BELL = "provider"

Overtaken = Callable[[], int | None]
"""Where the journal stood when another claimed the partition of who calls; None: nobody has."""


class Provider:
    """The carrier all connections lead to; ``ledger`` is what it was asked, in order."""

    def __init__(self, scheduler: Scheduler, seed: int, faults: Faults) -> None:
        self.scheduler = scheduler
        self.sandbox = Sandbox(seed, faults)
        self.ledger: list[Entry] = []
        self.acknowledged: list[tuple[int, int]] = []
        self.on_call: Callable[[str, Message, int | None, str], None] = (
            lambda lane, message, pos, owner: None
        )
        self.mouth = Mouth()
        self.dark: list[Dark] = []
        self.dark_calls = 0
        self.on_entry: Callable[[Entry], None] = lambda entry: None
        self.on_receipts: Callable[[Collected], None] = lambda told: None

    def is_dark(self, lane: str) -> bool:
        now_ms = self.scheduler.now_ms
        return any(x.lane == lane and x.from_ms <= now_ms < x.until_ms for x in self.dark)

    def connect(self, owner: str) -> "SimChannel":
        return SimChannel(self, owner)

    @property
    def hits(self) -> Counter[str]:
        return self.sandbox.hits + Counter({"lane dark": self.dark_calls})


class SimChannel:
    """``channels.base.Channel`` without asyncio."""

    name = "sandbox"

    def __init__(self, provider: Provider, owner: str) -> None:
        self._provider = provider
        self._owner = owner
        self._late: list[tuple[int, LateAnswer]] = []
        self._tokens: dict[int, Collected] = {}

    def on_lane(self) -> "LaneChannel":
        """The same connection, as it is used for one partition of a lane's topic."""
        return LaneChannel(self)

    async def send(
        self,
        lane: str,
        messages: Sequence[Message],
        close_ms: int,
        overtaken_pos: Overtaken = lambda: None,
    ) -> list[Outcome | None]:
        await point("channel.send before")
        scheduler = self._provider.scheduler
        now_ms = scheduler.now_ms
        outcomes: list[Outcome | None] = [
            NotSent("deadline passed") if now_ms > m.call_before_ms else None for m in messages
        ]
        calls = [i for i, outcome in enumerate(outcomes) if outcome is None]
        for i in calls:
            self._provider.on_call(lane, messages[i], overtaken_pos(), self._owner)
        if self._provider.is_dark(lane):  # nothing reaches it, and nobody says so
            self._provider.dark_calls += len(calls)
            await rest(now_ms + close_ms)
            return outcomes
        answers = self._provider.sandbox.submit(lane, [messages[i] for i in calls], now_ms)
        for entry in self._provider.sandbox.drain():
            self._provider.ledger.append(entry)
            self._provider.on_entry(entry)
        scheduler.ring(BELL)
        await point("channel.send called")
        due = sorted(a.due_ms if a.outcome is not None else now_ms + close_ms for a in answers)
        if due:
            closed_ms = min(due[max(-(-len(due) * 95 // 100) - 1, 0)], now_ms + close_ms)
            if closed_ms > scheduler.now_ms:
                await rest(closed_ms)
        await point("channel.send after")
        for i, answer in zip(calls, answers, strict=True):
            if answer.outcome is None:
                continue
            if answer.due_ms <= scheduler.now_ms:
                outcomes[i] = answer.outcome
            else:
                late = LateAnswer(lane, messages[i].attempt, answer.outcome)
                self._late.append((answer.due_ms, late))
        return outcomes

    async def collect(self) -> Collected:
        await point("channel.collect before")
        now_ms = self._provider.scheduler.now_ms
        told = self._provider.sandbox.collect(now_ms)
        late = tuple(answer for due_ms, answer in self._late if due_ms <= now_ms)
        self._late = [(due_ms, answer) for due_ms, answer in self._late if due_ms > now_ms]
        due = [ms for ms in (told.next_ms, *(ms for ms, _ in self._late)) if ms]
        receipts = tuple(r if _echoes(r.lane) else replace(r, attempt="") for r in told.receipts)
        token, replies = self._provider.mouth.take(self._owner, told.token, now_ms)
        told = Collected(receipts, late, token, min(due, default=0), replies)
        if token:
            self._tokens[token] = told
        await point("channel.collect after")
        return told

    async def acknowledge(self, token: int) -> None:
        self._provider.on_receipts(self._tokens[token])
        await point("channel.acknowledge before")
        self._tokens.pop(token, None)
        self._provider.mouth.acknowledge(token)
        self._provider.acknowledged += self._provider.sandbox.acknowledge(token)
        await point("channel.acknowledge after")

    async def arrived(self) -> None:
        await rest(bell=BELL, seen=self._provider.scheduler.rings[BELL])

    async def close(self) -> None:
        self.drop()

    def drop(self) -> None:
        """The connection is gone."""
        self._provider.sandbox.disconnect(self._tokens)
        self._provider.mouth.drop(self._owner)
        self._tokens.clear()
        self._late.clear()
        self._provider.scheduler.ring(BELL)


class LaneChannel:
    """A connection that knows by which claim it calls."""

    def __init__(self, channel: SimChannel) -> None:
        self.name = channel.name
        self.overtaken_pos: Overtaken = lambda: None
        self._channel = channel

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        return await self._channel.send(lane, messages, close_ms, self.overtaken_pos)


def _echoes(lane: str) -> bool:
    return not lane.startswith("sms")
