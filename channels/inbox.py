"""The in-app inbox: the one channel that is our own, and the one that always answers.

A message is in the inbox once its row is committed; the row's key is the stream, so that putting
it there again does nothing. That makes every failure safe to repeat: this channel never answers
``Unknown``. Contents are sealed by the caller's functions before they come near the table.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from channels.base import (
    CLOSED,
    TOO_LATE,
    Accepted,
    Clock,
    Collected,
    Message,
    Outcome,
    Receipt,
    Transient,
)

COLLECT_MAX = 2_000
"""Receipts in one collect: a few batches."""

RECEIPTS_MAX = 100_000
"""Receipts kept in memory. Those beyond stay in the table until they are recalled."""

RECALL_MS = 15_000
"""How long a message goes unreported before another process reports it: many times what that
takes, so that only what its own process cannot report any more is reported by two."""

RETRY_MS = 1_000
"""When to ask again after the database could not be used."""

LIST_MAX = 200
"""Messages on one page of an inbox."""

METADATA = sa.MetaData()
INBOX_MESSAGE = sa.Table(
    "inbox_message",
    METADATA,
    sa.Column("stream", sa.LargeBinary(16), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("recipient", sa.String(128), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("read_ms", sa.BigInteger),
    sa.Column("reported", sa.Boolean, nullable=False),
    sa.Index("inbox_message_recipient", "recipient", "at_ms"),
)
sa.Index(
    "inbox_message_unreported",
    INBOX_MESSAGE.c.at_ms,
    sqlite_where=~INBOX_MESSAGE.c.reported,
    postgresql_where=~INBOX_MESSAGE.c.reported,
)

Seal = Callable[[str, bytes], bytes]
"""Seals bytes under the key of a recipient's reference."""

Open = Callable[[str, bytes], bytes | None]
"""Opens them again; None once the recipient's key has been erased."""


class Delivery(msgspec.Struct, frozen=True):
    """A message to be put into an inbox, or one that was: which attempt, whose, when."""

    attempt: str
    recipient: str
    at_ms: int
    subject: str = ""
    text: str = ""


class Item(msgspec.Struct, frozen=True):
    """A message as its recipient reads it. ``read_ms`` is 0 until it is read."""

    stream: str
    subject: str
    text: str
    at_ms: int
    read_ms: int


class Store(Protocol):
    """What the channel needs of a store. Synchronous; each call is one transaction.

    Raises :class:`StoreDown` when the database cannot be used now; whether a call that raised was
    committed does not matter.
    """

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Insert those whose stream is not there yet."""

    def unreported(self, until_ms: int, limit: int) -> Sequence[Delivery]:
        """Put there by then and without their contents, oldest first: what the hub may not know to
        have arrived."""

    def reported(self, attempts: Sequence[str]) -> None:
        """The hub knows."""


class StoreDown(Exception):  # noqa: N818 a state of the store, not a mistake
    """The database cannot be used now."""


_DOWN = (DBAPIError, PoolTimeout)


class InboxStore:
    """The table, in SQLite or PostgreSQL."""

    def __init__(self, engine: sa.Engine, seal: Seal, open_sealed: Open) -> None:
        self._engine = engine
        self._seal = seal
        self._open = open_sealed
        dialect = sqlite if engine.dialect.name == "sqlite" else postgresql
        self._insert = dialect.insert(INBOX_MESSAGE).on_conflict_do_nothing()

    def put(self, deliveries: Sequence[Delivery]) -> None:
        rows = []
        # in one order: of two who bring the same, none waits for what the other waits for
        for delivery in sorted(deliveries, key=lambda delivery: delivery.attempt):
            stream, version = _split(delivery.attempt)
            content = msgspec.json.encode((delivery.subject, delivery.text))
            row = {
                "stream": stream,
                "version": version,
                "recipient": delivery.recipient,
                "sealed": self._seal(delivery.recipient, content),
                "at_ms": delivery.at_ms,
                "reported": False,
            }
            rows.append(row)
        self._write(self._insert, rows)

    def unreported(self, until_ms: int, limit: int) -> Sequence[Delivery]:
        table = INBOX_MESSAGE.c
        query = (
            sa.select(table.stream, table.version, table.recipient, table.at_ms)
            .where(~table.reported, table.at_ms <= until_ms)
            .order_by(table.at_ms)
            .limit(limit)
        )
        try:
            rows = self._ask(query)
        except _DOWN as error:
            raise StoreDown(type(error).__name__) from error
        return [Delivery(f"{row[0].hex()}:{row[1]}", row[2], row[3]) for row in rows]

    def reported(self, attempts: Sequence[str]) -> None:
        update = (
            sa.update(INBOX_MESSAGE)
            .where(INBOX_MESSAGE.c.stream == sa.bindparam("key"))
            .values(reported=True)
        )
        self._write(update, [{"key": _split(attempt)[0]} for attempt in sorted(attempts)])

    def list(self, recipient: str, limit: int) -> Sequence[Item]:
        """The newest messages of one recipient, at most ``limit``; none that cannot be opened."""
        table = INBOX_MESSAGE.c
        query = (
            sa.select(table.stream, table.sealed, table.at_ms, table.read_ms)
            .where(table.recipient == recipient)
            .order_by(table.at_ms.desc(), table.stream)
            .limit(min(limit, LIST_MAX))
        )
        items = []
        for stream, sealed, at_ms, read_ms in self._ask(query):
            content = self._open(recipient, sealed)
            if content is not None:
                subject, text = msgspec.json.decode(content, type=tuple[str, str])
                items.append(Item(stream.hex(), subject, text, at_ms, read_ms or 0))
        return items

    def stirred(self, recipients: Collection[str], since_ms: int) -> frozenset[str]:
        """Those among recipients whose inbox got a message, or had one read, since then; and those
        with a message of which the hub may not know yet."""
        table = INBOX_MESSAGE.c
        news = (table.at_ms > since_ms) | (table.read_ms > since_ms) | ~table.reported
        query = sa.select(table.recipient).where(table.recipient.in_(recipients), news).distinct()
        return frozenset(recipient for (recipient,) in self._ask(query))

    def mark_read(self, recipient: str, stream: str, now_ms: int) -> bool:
        """Whether this was its first reading. Nobody's but the recipient's own counts."""
        table = INBOX_MESSAGE.c
        update = (
            sa.update(INBOX_MESSAGE)
            .where(table.stream == bytes.fromhex(stream), table.recipient == recipient)
            .where(table.read_ms.is_(None))
            .values(read_ms=now_ms)
        )
        with self._engine.begin() as connection:
            return connection.execute(update).rowcount == 1

    def _ask(self, query: sa.Select[*tuple[Any, ...]]) -> Sequence[Sequence[Any]]:
        # ended by COMMIT: after a ROLLBACK the driver forgets what the connection had prepared
        with self._engine.begin() as connection:
            return connection.execute(query).all()

    def _write(self, statement: sa.Executable, rows: Sequence[dict[str, Any]]) -> None:
        try:
            with self._engine.begin() as connection:
                connection.execute(statement, rows)
        except _DOWN as error:
            raise StoreDown(type(error).__name__) from error


Call = Callable[..., Awaitable[Any]]
"""Runs a blocking function: in a thread, or where time is simulated at once."""


class InboxChannel:
    """A :class:`~channels.base.Channel` over a store. ``Message.to`` is a recipient's reference.

    What is in the inbox is delivered: its receipt is at the next collect. Receipts that were not
    acknowledged are the table's unreported rows, so they outlive the process: the next one has
    them at once, one that runs beside it has them ``RECALL_MS`` later. A batch is one transaction:
    its answers come together, and none of them late.
    """

    def __init__(
        self, clock: Clock, store: Store, name: str = "inbox", call: Call = asyncio.to_thread
    ) -> None:
        self.name = name
        self._clock = clock
        self._store = store
        self._call = call
        self._due: deque[Receipt] = deque()
        self._out: dict[int, list[str]] = {}
        self._token = 0
        self._recalled_ms = 0
        self._news = asyncio.Event()
        self._closed = False

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        if self._closed:
            return [CLOSED] * len(messages)
        now_ms = self._clock.now_ms()
        deliveries = {
            message.attempt: Delivery(
                message.attempt, message.to, now_ms, message.subject, message.text
            )
            for message in messages
            if message.call_before_ms >= now_ms
        }
        down: Outcome | None = None
        try:
            if deliveries:
                await self._call(self._store.put, tuple(deliveries.values()))
                self._expect(_receipt(lane, delivery) for delivery in deliveries.values())
        except StoreDown as error:
            down = Transient(str(error))
        return [
            down or Accepted(_stream(message.attempt))
            if message.attempt in deliveries
            else TOO_LATE
            for message in messages
        ]

    async def collect(self) -> Collected:
        try:
            await self._recall()
        except StoreDown:
            return Collected((), (), 0, self._clock.now_ms() + RETRY_MS)
        self._news.clear()
        receipts = [self._due.popleft() for _ in range(min(len(self._due), COLLECT_MAX))]
        if not receipts:
            return Collected((), (), 0, 0)
        self._token += 1
        self._out[self._token] = [receipt.attempt for receipt in receipts]
        next_ms = self._clock.now_ms() if self._due else 0
        return Collected(tuple(receipts), (), self._token, next_ms)

    async def acknowledge(self, token: int) -> None:
        attempts = self._out.pop(token, None)
        if attempts:
            with suppress(StoreDown):  # then they come again after the next start
                await self._call(self._store.reported, attempts)

    async def arrived(self) -> None:
        await self._news.wait()

    async def close(self) -> None:
        self._closed = True

    async def _recall(self) -> None:
        """What another process put there and nobody acknowledged: of those before this one all,
        of those beside it what they have had the time for."""
        now_ms = self._clock.now_ms()
        if now_ms - self._recalled_ms < RECALL_MS:
            return
        until_ms = now_ms - RECALL_MS if self._recalled_ms else now_ms
        owed = await self._call(self._store.unreported, until_ms, RECEIPTS_MAX)
        self._recalled_ms = now_ms
        known = {receipt.attempt for receipt in self._due}.union(*self._out.values())
        self._expect(
            _receipt(self.name, delivery) for delivery in owed if delivery.attempt not in known
        )

    def _expect(self, receipts: Iterable[Receipt]) -> None:
        self._due.extend(islice(receipts, RECEIPTS_MAX - len(self._due)))
        self._news.set()


def _receipt(lane: str, delivery: Delivery) -> Receipt:
    ref = _stream(delivery.attempt)
    return Receipt(lane, ref, "delivered", "", delivery.at_ms, delivery.attempt)


def _stream(attempt: str) -> str:
    return attempt.partition(":")[0]


def _split(attempt: str) -> tuple[bytes, int]:
    stream, _, version = attempt.partition(":")
    return bytes.fromhex(stream), int(version)
