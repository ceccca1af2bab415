"""Who may hand over what is ready on a partition of a lane: the owner of its last claim.

An owner that was cut off from the topics, or paused for minutes, does not know that another took
its partition over. So a claim raises the partition's epoch, and every intent is committed together
with a look at it: a claim and an intent exclude each other, and who comes second knows.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Executable,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

_Int = BigInteger().with_variant(Integer(), "sqlite")

METADATA = MetaData()

LANE_OWNER = Table(
    "lane_owner",
    METADATA,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("epoch", _Int, nullable=False),
    Column("owner", Text, nullable=False),
    Column("at_ms", _Int, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)


# Locked and shared: shards do not wait for each other, and a claim waits for all of them.
_MINE = (
    select(LANE_OWNER.c.epoch)
    .where(*(LANE_OWNER.c[name] == bindparam(name) for name in ("topic", "partition", "epoch")))
    .with_for_update(read=True)
)


def _take(first: sqlite.Insert | postgresql.Insert) -> Executable:
    """The first claim, or one more."""
    again = {
        "epoch": LANE_OWNER.c.epoch + 1,
        "owner": first.excluded.owner,
        "at_ms": first.excluded.at_ms,
    }
    taken = first.on_conflict_do_update(index_elements=["topic", "partition"], set_=again)
    return taken.returning(LANE_OWNER.c.epoch)


_TAKE = {
    "sqlite": _take(sqlite.insert(LANE_OWNER)),
    "postgresql": _take(postgresql.insert(LANE_OWNER)),
}
"""By dialect; made once, since making it costs more than running it."""


class LaneLost(Exception):  # noqa: N818 - a state of the lane, not a mistake
    """Another owner claimed the partition: nothing of the group was written."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        super().__init__(f"{topic}/{partition} belongs to another owner now")


class Claim(NamedTuple):
    """What an owner holds until the next claim; epochs count from 1."""

    topic: str
    partition: int
    epoch: int

    def check(self, connection: Connection) -> None:
        """The effect that rides with intents. Raises :class:`LaneLost`."""
        if connection.scalar(_MINE, self._asdict()) is None:
            raise LaneLost(self.topic, self.partition)


class Ownership:
    """Claims, each in a short transaction of its own (``store.transaction`` of a journal's store).

    Errors: `streams.journal.errors`.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._transaction = transaction

    def claim(self, topic: str, partition: int, owner: str, now_ms: int) -> Claim:
        """Take a partition over, whoever has it. ``owner`` and the time are for people to read."""
        with self._transaction() as connection:
            epoch: int = connection.scalar(
                _TAKE[connection.dialect.name],
                {
                    "topic": topic, "partition": partition, "epoch": 1, "owner": owner,
                    "at_ms": now_ms,
                },
            )  # fmt: skip
        return Claim(topic, partition, epoch)
