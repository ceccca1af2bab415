"""Who may hand over what is ready on a partition of a lane: the owner of its last claim.

An owner that was cut off from the topics, or paused for minutes, does not know that another took
its partition over. So a claim raises the partition's epoch, and every intent is committed together
with a look at it: a claim and an intent exclude each other, and who comes second knows.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, Text

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


_OWNED = "SELECT epoch FROM lane_owner WHERE topic = {0} AND partition = {0} AND epoch = {0}"
_CLAIM = (
    "INSERT INTO lane_owner (topic, partition, epoch, owner, at_ms)"
    " VALUES ({0}, {0}, 1, {0}, {0}) ON CONFLICT (topic, partition) DO UPDATE"
    " SET epoch = lane_owner.epoch + 1, owner = excluded.owner, at_ms = excluded.at_ms"
    " RETURNING epoch"
)
# By dialect, as its driver takes them. Locked and shared: shards do not wait for each other, and a
# claim waits for all of them.
_MINE = {"sqlite": _OWNED.format("?"), "postgresql": _OWNED.format("%s") + " FOR SHARE"}
_TAKE = {"sqlite": _CLAIM.format("?"), "postgresql": _CLAIM.format("%s")}


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
        mine = connection.exec_driver_sql(_MINE[connection.dialect.name], tuple(self))
        if mine.scalar() is None:
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
            take = _TAKE[connection.dialect.name]
            taken = connection.exec_driver_sql(take, (topic, partition, owner, now_ms))
            epoch: int = taken.scalar_one()
        return Claim(topic, partition, epoch)
