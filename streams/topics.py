"""Topics: the river's beds between two steps. The contract, its errors, and their names.

At-least-once: a record stays until it is acknowledged, and comes again after a crash. A topic
shares no transaction with the journal, in no bed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

EVENTS = "events"
OUTCOMES = "outcomes"
PARKED = "parked"
INBOUND = "inbound"


def dispatch_topic(lane: str, urgent: bool = False) -> str:
    """The topic that feeds one lane, in its normal or its urgent kind."""
    return f"dispatch.{lane}.urgent" if urgent else f"dispatch.{lane}"


class Record(NamedTuple):
    """One record: ``key`` (the recipient) decides its partition; ``offset`` is set when read."""

    key: bytes
    value: bytes
    offset: int = 0


class Publishing(Protocol):
    """What a bed gives the steps."""

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        """Append durably, all topics of ``batches`` in one go; returns when they are safe.

        Records of one key stay in order. Raises the errors below.
        """


class Topics(Publishing, Protocol):
    """What a bed that is one process reads, too: each topic has one partition and one reader."""

    async def poll(self, topic: str, limit: int) -> list[Record]:
        """The next records after what this process has polled; [] when there are none."""

    async def acknowledge(self, topic: str, offset: int) -> None:
        """Everything up to ``offset`` is done with."""


class TopicsError(Exception):
    """It is not known that everything was written; publishing it again is harmless.

    ::

        TopicsError
         ├── TopicsUnavailable    not now: the disk, the file or the brokers fail
         ├── TopicsRefused        these records are not taken, and never will be
         └── TopicsClosed         this process is leaving
    """


class TopicsUnavailable(TopicsError):  # noqa: N818 - named for what is known
    """Nobody can write there now; asking again is harmless and may succeed."""


class TopicsRefused(TopicsError):  # noqa: N818
    """A record holds what the topics do not take."""


class TopicsClosed(TopicsError):  # noqa: N818
    """The call came after `close`."""
