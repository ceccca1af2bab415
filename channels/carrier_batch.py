"""Messages handed to a carrier together, and what became of each so far. Pure but for its bells.

A long text goes in several parts, each answered by itself; :func:`whole` says what the answers of
all parts are for the message.
"""

import asyncio
from collections.abc import Callable, Sequence

from channels.base import (
    CLOSE_AT_PERCENT,
    Accepted,
    LateAnswer,
    Message,
    NotSent,
    Outcome,
    Permanent,
    Throttled,
    Unknown,
)

BETWEEN = " "
"""Between the references of a message's parts, in the message's own."""


class Batch:
    """``bodies`` are the parts of each message, ready for the wire. ``late`` is told what is
    answered after the batch was closed, and ``taken`` the reference of what was taken in parts, at
    once: their receipts follow on its heels."""

    def __init__(
        self,
        lane: str,
        messages: Sequence[Message],
        bodies: Sequence[Sequence[bytes]],
        late: Callable[[LateAnswer], None],
        taken: Callable[[str], None],
    ) -> None:
        self.lane = lane
        self.messages = messages
        self.outcomes: list[Outcome | None] = [None] * len(messages)
        self.nearly = asyncio.Event()
        """All written, and nearly all answered."""
        self.complete = asyncio.Event()
        self.unwritten = sum(map(len, bodies))
        self._parts: dict[int, list[Outcome | None]] = {
            index: [None] * len(parts) for index, parts in enumerate(bodies) if len(parts) > 1
        }
        self.in_parts = bool(self._parts)
        self._answers = 0
        self._open = True
        self._late = late
        self._taken = taken

    def answer(self, index: int, part: int, outcome: Outcome) -> Sequence[int]:
        """What became of a part. Returns the parts to be written again: a carrier that took some
        and refused the others only for rate has promised nothing to the reader yet."""
        parts = self._parts.get(index) if self.in_parts else None
        if parts is None:
            self._settle(index, outcome)
            return ()
        parts[part] = outcome
        if None in parts:
            return ()
        again = _refused_for_rate(parts)
        for place in again:
            parts[place] = None
        if not again:
            outcome = whole(parts)
            if isinstance(outcome, Accepted):
                self._taken(outcome.ref)
            self._settle(index, outcome)
        return again

    def begun(self, index: int) -> bool:
        """Whether a part of this message was answered already."""
        return any(outcome is not None for outcome in self._parts.get(index, ()))

    def hopeless(self, index: int) -> bool:
        """Whether a part of this message failed already, so that writing another is in vain."""
        return any(
            outcome is not None and not isinstance(outcome, Accepted | Throttled)
            for outcome in self._parts.get(index, ())
        )

    def look(self) -> None:
        """Ring whoever waits, if there is reason to."""
        if self._answers == len(self.messages):
            self.complete.set()
            self.nearly.set()
        elif not self.unwritten and self._answers * 100 >= len(self.messages) * CLOSE_AT_PERCENT:
            self.nearly.set()

    def close(self) -> list[Outcome | None]:
        """What is known; what comes later is late."""
        self._open = False
        return self.outcomes

    def _settle(self, index: int, outcome: Outcome) -> None:
        self._answers += 1
        if self._open:
            self.outcomes[index] = outcome
        else:
            self._late(LateAnswer(self.lane, self.messages[index].attempt, outcome))


def whole(parts: Sequence[Outcome | None]) -> Outcome:
    """What the answers of all its parts are for a message.

    All taken: accepted, under all their references. None taken: what the first refusal says. Some
    taken: the reader may see a piece of it, so it is not sent again, whatever was refused; only
    that it cannot be sent to this recipient, or not with this content, stays so.
    """
    if {type(outcome) for outcome in parts} == {Accepted}:  # nearly always
        return Accepted(BETWEEN.join([outcome.ref for outcome in parts]))  # type: ignore[union-attr]
    answered = [outcome for outcome in parts if outcome is not None]
    taken = [outcome.ref for outcome in answered if isinstance(outcome, Accepted)]
    failed = [outcome for outcome in answered if not isinstance(outcome, Accepted)]
    for outcome in failed:
        if isinstance(outcome, Permanent) and outcome.scope in ("recipient", "content"):
            return outcome
    unknown = [outcome for outcome in failed if isinstance(outcome, Unknown)]
    if not taken and not unknown:
        said = [outcome for outcome in failed if not isinstance(outcome, NotSent)]
        return (said or failed)[0]
    why = (unknown or failed)[0]
    said_why = why.evidence if isinstance(why, Unknown) else _word(why)
    return Unknown(f"{len(taken)} of {len(parts)} parts taken; then {said_why}")


def _word(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, NotSent) else getattr(outcome, "code", "")


def _refused_for_rate(parts: Sequence[Outcome | None]) -> Sequence[int]:
    """The throttled among parts of which others were taken, and none failed otherwise."""
    throttled = [place for place, one in enumerate(parts) if type(one) is Throttled]
    if not throttled:
        return ()
    taken = sum(isinstance(one, Accepted) for one in parts)
    return throttled if taken and taken + len(throttled) == len(parts) else ()
