"""Topics: the river's beds between two steps. The contract, and their names.

At-least-once: a record stays until it is acknowledged, and comes again after a crash. A topic
shares no transaction with the journal, in no bed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

EVENTS = "events"
NOTIFICATIONS = "notifications"
QUARANTINE = "quarantine"
OUTCOMES = "outcomes"
PARKED = "parked"


def dispatch_topic(lane: str, urgent: bool = False) -> str:
    """The topic that feeds one lane, in its normal or its urgent kind."""
    return f"dispatch.{lane}.urgent" if urgent else f"dispatch.{lane}"


class Record(NamedTuple):
    """One record: ``key`` (the recipient) decides its partition; ``offset`` is set when read."""

    key: bytes
    value: bytes
    offset: int = 0


class Topics(Protocol):
    """What a bed gives the steps."""

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        """Append durably, all topics of ``batches`` in one go; returns when they are safe."""

    async def poll(self, topic: str, limit: int) -> list[Record]:
        """The next records after what this process has polled; [] when there are none."""

    async def acknowledge(self, topic: str, offset: int) -> None:
        """Everything up to ``offset`` is done with."""
