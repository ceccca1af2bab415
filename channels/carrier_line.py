"""A lane's binds to its carrier, kept up, and the one queue that feeds them.

A message waits here until a bind has room in its window. Handed to a socket it is *written*: if
the link is lost then, nobody knows what became of it. Before that, everybody does.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random

from channels.base import CLOSED, NO_TURN, TOO_LATE, Clock, LateAnswer, Message, NotSent, Outcome
from channels.binding import Refused
from channels.carrier_batch import Batch
from channels.carrier_session import Brought, Dialect, Session, log
from channels.carrier_terms import Terms
from channels.waiting import until

CONNECT_S = 10
"""How long connecting, and then being let in, may take."""

TICK_MS = 250
"""How often timers are looked at."""

BACK_OFF_MS, BACK_OFF_MAX_MS = 200, 60_000
"""Before a bind that was lost is made anew: at first, doubled with each that fails, and at most.
Each is drawn between half and all of it, so that those of many processes do not come together."""

REFUSED_MS = 30_000
"""After a refusal that lasts (a wrong password): two binds a minute, over all of a lane's."""

STEADY_MS = 10_000
"""A bind that held for less counts as one that failed."""

GRACE_MS = 100
"""What the last few of a batch are given when nearly all are answered: they were written with the
others, and a late answer costs the hub a timer."""

AGAIN_MS = 250
"""After which a part that was refused for rate is written again."""

CLOSE_S = 2
"""How long closing waits for answers, and for the carrier's goodbye."""


class Line:
    """Binds of one lane. ``kept`` is asked to keep what the carrier brings, ``late`` is told of
    answers after a batch's end, ``taken`` of what was taken in parts, and ``stirred`` after every
    read (False) and with every tick (True), for there may be something to collect. While it is
    ``crowded`` with that, nothing is written."""

    def __init__(
        self,
        lane: str,
        dialect: Dialect,
        terms: Terms,
        clock: Clock,
        jitter: Random,
        kept: Callable[[Session, Brought], bool],
        late: Callable[[LateAnswer], None],
        taken: Callable[[str], None],
        stirred: Callable[[bool], None],
        crowded: Callable[[], bool],
    ) -> None:
        self.lane = lane
        self.sessions: list[Session] = []
        """Those that are bound."""
        self._dialect = dialect
        self._terms = terms
        self._clock = clock
        self._jitter = jitter
        self.bring = kept
        self._late = late
        self._taken = taken
        self._stirred = stirred
        self._crowded = crowded
        self._queue: deque[tuple[Batch, int, int, bytes]] = deque()
        self._later: deque[tuple[int, tuple[Batch, int, int, bytes]]] = deque()
        self._bodies: dict[Batch, Sequence[Sequence[bytes]]] = {}
        """Of batches in which something is not answered yet."""
        self._tasks: list[asyncio.Task[None]] = []
        self._turnstile = asyncio.Lock()  # one bind is tried at a time
        self._down: Refused | None = None
        """Why nobody is bound; None while that is not known yet."""
        self._refused_until_ms = 0
        self._told = ""
        self._closed = False

    # What the channel does with it

    def open(self) -> None:
        """Bind, and stay bound."""
        if self._tasks or self._closed:
            return
        binds = [self._keep(number) for number in range(1, self._terms.binds + 1)]
        self._tasks = [asyncio.create_task(task) for task in (*binds, self._tick())]

    async def send(
        self, messages: Sequence[Message], bodies: Sequence[Sequence[bytes]], close_ms: int
    ) -> list[Outcome | None]:
        """Each message's outcome, as the contract of a channel has it; ``bodies`` are its parts,
        ready to be framed."""
        if self._closed:
            return [CLOSED] * len(messages)
        if refused := self.not_bound:
            return [NotSent(refused.reason)] * len(messages)
        since_ms = self._clock.now_ms()
        until_ms = since_ms + close_ms
        batch = Batch(self.lane, messages, bodies, self._late, self._taken)
        self._bodies[batch] = bodies
        self._queue.extend(
            (batch, index, part, body)
            for index, parts in enumerate(bodies)
            for part, body in enumerate(parts)
        )
        self.turn()
        try:
            await until(batch.nearly, self._clock, close_ms)
            left_ms = until_ms - self._clock.now_ms()
            await until(batch.complete, self._clock, min(GRACE_MS, left_ms))
        finally:
            self._withdraw(batch, since_ms)
            outcomes = batch.close()
        return outcomes

    @property
    def not_bound(self) -> Refused | None:
        """Why no bind is up; None while one is, or none was tried yet."""
        return None if self.sessions else self._down

    async def close(self) -> None:
        self._closed = True
        self._flush(CLOSED)
        await self._drain()
        for session in self.sessions:
            session.say_goodbye()
        await self._gone(self.sessions)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in list(self.sessions):
            session.give_up("closed")
        await self._clock.sleep_ms(0)  # the loop's next turn closes the sockets

    # What its sessions do with it

    def again(self, batch: Batch, index: int, parts: Iterable[int]) -> None:
        due_ms = self._clock.now_ms() + AGAIN_MS
        self._later.extend(
            (due_ms, (batch, index, p, self._bodies[batch][index][p])) for p in parts
        )

    def turn(self) -> None:
        """Write what there is room for, and ring whoever waits for what was answered."""
        if self._queue:
            self._write()
        for batch in list(self._bodies):
            batch.look()
            if batch.complete.is_set():
                del self._bodies[batch]
        self._stirred(False)

    def lost(self, session: Session, why: str) -> None:
        """What waits goes on waiting: the bind is made anew at once, and says if it cannot be."""
        if session in self.sessions:
            self.sessions.remove(session)
            if not self._closed:
                log.warning("%s: %s", session.name, why)
        self.turn()

    # Writing

    def _write(self) -> None:
        if self._crowded():
            return
        now_ms = self._clock.now_ms()
        open_sessions = [s for s in self.sessions if s.bound and not s.full]
        for place, session in enumerate(open_sessions):
            fair = -(-len(self._queue) // (len(open_sessions) - place))
            room = min(self._terms.window - len(session.outstanding), fair)
            frames = self._fill(session, room, now_ms)
            if frames:
                session.write(frames)

    def _fill(self, session: Session, room: int, now_ms: int) -> list[bytes]:
        """Frames of the next messages whose time has not passed."""
        frames: list[bytes] = []
        queue, outstanding, submit = self._queue, session.outstanding, self._dialect.submit
        while room > 0 and queue:
            batch, index, part, body = queue.popleft()
            batch.unwritten -= 1
            if batch.messages[index].call_before_ms < now_ms:
                batch.answer(index, part, TOO_LATE)
            elif batch.in_parts and batch.hopeless(index):
                batch.answer(index, part, _IN_VAIN)
            else:
                sequence = session.next_sequence()
                outstanding[sequence] = (batch, index, part, now_ms)
                frames.append(submit(sequence, body))
                room -= 1
        return frames

    def _withdraw(self, batch: Batch, since_ms: int) -> None:
        """Answer for what was not begun: it will not be. What was begun is finished."""
        if not batch.unwritten:
            return
        mine = [item for item in self._queue if item[0] is batch]
        not_begun = {i for _, i, part, _ in mine if part == 0 and not batch.begun(i)}
        self._queue = deque(
            item for item in self._queue if item[0] is not batch or item[1] not in not_begun
        )
        why = self._why_not_begun(since_ms)
        for _, index, part, _ in mine:
            if index in not_begun:
                batch.unwritten -= 1
                batch.answer(index, part, why)
        batch.look()

    def _why_not_begun(self, since_ms: int) -> NotSent:
        """A carrier that went on answering is not to blame for what we did not get round to."""
        if not self.sessions:
            return _NOT_BOUND
        answers = any(session.answered_ms >= since_ms for session in self.sessions)
        return NO_TURN if answers or self._crowded() else _NO_ROOM

    def _flush(self, outcome: NotSent) -> None:
        """Nobody will write what waits."""
        waiting = [*self._queue, *(item for _, item in self._later)]
        for batch, _, _, _ in self._queue:
            batch.unwritten -= 1
        self._queue.clear()
        self._later.clear()
        for batch, index, part, _ in waiting:
            batch.answer(index, part, outcome)
            batch.look()

    # Being bound

    async def _keep(self, number: int) -> None:
        """One bind, made and made again."""
        name = f"lane {self.lane}, bind {number}"
        failures = 0
        while True:
            bound = await self._bind(name)
            if isinstance(bound, Session):
                since_ms = self._clock.now_ms()
                await bound.gone.wait()
                steady = self._clock.now_ms() - since_ms >= STEADY_MS
                failures = 0 if steady else failures + 1
                if failures > 1:
                    self._refused(name, Refused("the link is lost again and again", lasting=False))
            else:
                failures += 1
                self._refused(name, bound)
            most_ms = min(BACK_OFF_MS << min(failures, 10), BACK_OFF_MAX_MS)
            await self._clock.sleep_ms(int(most_ms * (1 + self._jitter.random()) / 2))

    async def _bind(self, name: str) -> Session | Refused:
        async with self._turnstile:
            await self._clock.sleep_ms(self._refused_until_ms - self._clock.now_ms())
            session = Session(name, self._dialect, self._clock, self)
            try:
                async with asyncio.timeout(CONNECT_S):
                    await asyncio.get_running_loop().create_connection(
                        lambda: session, self._terms.host, self._terms.port, ssl=self._tls()
                    )
                    refused = await session.bind()
            except TimeoutError:
                refused = Refused("no answer to the bind", lasting=False)
            except OSError as error:
                refused = Refused(error.strerror or type(error).__name__, lasting=False)
            except asyncio.CancelledError:
                session.give_up("closed")
                raise
            if refused is None and not session.gone.is_set():
                self.sessions.append(session)
                self._down = None
                if self._told and len(self.sessions) == self._terms.binds:
                    log.warning("lane %s: all binds are up", self.lane)
                    self._told = ""
                self.turn()
                return session
            session.give_up("not let in")
            refused = refused or Refused("link lost", lasting=False)
            if refused.lasting:
                self._refused_until_ms = self._clock.now_ms() + REFUSED_MS
            return refused

    def _refused(self, name: str, refused: Refused) -> None:
        """Say it once, and answer for what waits where no other bind is there for it."""
        if refused.reason != self._told:
            log.error("%s: not bound: %s", name, refused.reason)
        self._told = refused.reason
        if not self.sessions:
            self._down = refused
            self._flush(NotSent(refused.reason))

    def _tls(self) -> ssl.SSLContext | None:
        if not self._terms.tls:
            return None
        return ssl.create_default_context(cafile=self._terms.tls_ca or None)

    # By the clock

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep_ms(TICK_MS)
            now_ms = self._clock.now_ms()
            while self._later and self._later[0][0] <= now_ms:
                _, item = self._later.popleft()
                item[0].unwritten += 1
                self._queue.append(item)
            for session in list(self.sessions):
                self._look_after(session, now_ms)
            self.turn()
            self._stirred(True)

    def _look_after(self, session: Session, now_ms: int) -> None:
        lost = session.time_out(now_ms - self._terms.answer_ms)
        if lost:
            log.warning("%s: %d submits were not answered in time", session.name, lost)
        if session.asked_ms:  # only who was asked is silent: this process may have stood still
            if now_ms - session.asked_ms >= self._terms.probe_ms // 2:
                session.give_up("the carrier fell silent")
        elif now_ms - session.heard_ms >= self._terms.probe_ms:
            session.probe(now_ms)

    async def _drain(self) -> None:
        """Until all that was written is answered, at most a while."""
        try:
            async with asyncio.timeout(CLOSE_S):
                while any(session.outstanding for session in self.sessions):
                    await self._clock.sleep_ms(10)
        except TimeoutError:
            pass

    async def _gone(self, sessions: Sequence[Session]) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                for session in list(sessions):
                    await session.gone.wait()
        except TimeoutError:
            pass


_NO_ROOM = NotSent("no room in the window before the batch closed")
_NOT_BOUND = NotSent("not bound before the batch closed")
_IN_VAIN = NotSent("another part of it was refused")
