"""The in-app inbox: its channel over its store, on both databases."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from channels.base import Accepted, Message, Transient
from channels.inbox import (
    INBOX_MESSAGE,
    METADATA,
    RECALL_MS,
    Delivery,
    InboxChannel,
    InboxStore,
    StoreDown,
)
from tests.contracts.channel_contract import CLOSE_MS, Bench, ChannelContract, kinds
from tests.contracts.clocks import JumpingClock

FAR = 2 * 10**12
ERASED = "erased"


def seal(recipient: str, content: bytes) -> bytes:
    return b"sealed for " + recipient.encode() + b":" + bytes(byte ^ 1 for byte in content)


def open_sealed(recipient: str, sealed: bytes) -> bytes | None:
    head, _, content = sealed.partition(b":")
    assert head == b"sealed for " + recipient.encode()
    return None if recipient == ERASED else bytes(byte ^ 1 for byte in content)


def message(n: int, to: str = "P-1", call_before_ms: int = FAR, version: int = 1) -> Message:
    return Message(f"{n:032x}:{version}", to, f"正文{n}", call_before_ms, subject=f"题{n}")


class FailingStore(InboxStore):
    """A store whose database can be taken away."""

    down = False

    def put(self, deliveries: Sequence[Delivery]) -> None:
        if self.down:
            raise StoreDown("OperationalError")
        super().put(deliveries)


@pytest.fixture
def store(engine: sa.Engine) -> FailingStore:
    METADATA.create_all(engine)
    return FailingStore(engine, seal, open_sealed)


class InboxBench(Bench):
    lane = "inbox"
    takes_twice = False
    can = frozenset({"receipt", "stop"})

    def __init__(self, engine: sa.Engine, store: FailingStore) -> None:
        self.engine = engine
        self.store = store
        self.clock = JumpingClock()
        self.channel = InboxChannel(self.clock, store)

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        return message(n, call_before_ms=call_before_ms or FAR)

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_ms(ms)

    def taken(self) -> Sequence[str]:
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(INBOX_MESSAGE.c.stream, INBOX_MESSAGE.c.version))
            return [f"{stream.hex()}:{version}" for stream, version in rows]

    async def stop_provider(self) -> None:
        self.store.down = True

    async def reconnect(self) -> None:
        await self.channel.close()
        self.channel = InboxChannel(self.clock, self.store)


class TestInboxChannel(ChannelContract):
    bench_type = InboxBench

    @pytest.fixture
    def bench(self, engine: sa.Engine, store: FailingStore) -> Bench:
        return InboxBench(engine, store)


async def test_a_message_is_read_as_it_was_sent_and_sealed_in_between(
    engine: sa.Engine, store: FailingStore
) -> None:
    channel = InboxChannel(JumpingClock(), store)
    await channel.send("inbox", [message(1)], CLOSE_MS)
    (item,) = store.list("P-1", 10)
    assert (item.stream, item.subject, item.text, item.read_ms) == (f"{1:032x}", "题1", "正文1", 0)
    with engine.connect() as connection:
        (sealed,) = connection.execute(sa.select(INBOX_MESSAGE.c.sealed)).scalars()
    assert "正文".encode() not in sealed


async def test_an_inbox_shows_its_own_newest_first(store: FailingStore) -> None:
    clock = JumpingClock()
    channel = InboxChannel(clock, store)
    for n in range(4):
        await channel.send("inbox", [message(n), message(n + 10, "P-2")], CLOSE_MS)
        await clock.sleep_ms(1_000)
    assert [item.subject for item in store.list("P-1", 3)] == ["题3", "题2", "题1"]
    assert store.list("P-3", 3) == []


async def test_what_cannot_be_opened_any_more_is_not_shown(store: FailingStore) -> None:
    await InboxChannel(JumpingClock(), store).send("inbox", [message(1, ERASED)], CLOSE_MS)
    assert store.list(ERASED, 10) == []


async def test_a_message_is_read_once_and_by_its_recipient(store: FailingStore) -> None:
    await InboxChannel(JumpingClock(), store).send("inbox", [message(1)], CLOSE_MS)
    stream = f"{1:032x}"
    assert not store.mark_read("P-2", stream, 5)
    assert store.mark_read("P-1", stream, 6)
    assert not store.mark_read("P-1", stream, 7)
    assert store.list("P-1", 1)[0].read_ms == 6


async def test_another_attempt_of_the_same_stream_changes_nothing(store: FailingStore) -> None:
    channel = InboxChannel(JumpingClock(), store)
    await channel.send("inbox", [message(1)], CLOSE_MS)
    outcomes = await channel.send("inbox", [message(1, version=3)], CLOSE_MS)
    assert kinds(outcomes) == [Accepted]
    assert len(store.list("P-1", 10)) == 1


async def test_a_database_that_is_away_is_a_reason_to_try_again(store: FailingStore) -> None:
    channel = InboxChannel(JumpingClock(), store)
    store.down = True
    assert await channel.send("inbox", [message(1)], CLOSE_MS) == [Transient("OperationalError")]
    store.down = False
    assert kinds(await channel.send("inbox", [message(1)], CLOSE_MS)) == [Accepted]


def test_a_missing_table_is_a_store_that_is_down(engine: sa.Engine) -> None:
    store = InboxStore(engine, seal, open_sealed)
    with pytest.raises(StoreDown):
        store.unreported(FAR, 1)
    with pytest.raises(StoreDown):
        store.reported([f"{1:032x}:1"])


def test_a_connection_that_is_not_to_be_had_is_a_store_that_is_down(tmp_path: Path) -> None:
    engine = sa.create_engine(
        f"sqlite:///{tmp_path / 'hub.db'}", poolclass=sa.QueuePool, pool_size=1, max_overflow=0,
        pool_timeout=0,
    )  # fmt: skip
    METADATA.create_all(engine)
    store = InboxStore(engine, seal, open_sealed)
    with engine.connect():
        with pytest.raises(StoreDown):
            store.unreported(FAR, 1)
        with pytest.raises(StoreDown):
            store.put([Delivery(f"{1:032x}:1", "P-1", 1)])
    engine.dispose()


async def test_receipts_outlive_the_process(store: FailingStore) -> None:
    first = InboxChannel(JumpingClock(), store)
    await first.send("inbox", [message(n) for n in range(3)], CLOSE_MS)
    collected = await first.collect()
    second = InboxChannel(JumpingClock(), store)
    assert (await second.collect()).receipts == collected.receipts
    await first.acknowledge(collected.token)
    assert (await InboxChannel(JumpingClock(), store).collect()).receipts == ()


async def test_receipts_of_a_process_that_died_come_to_one_that_runs_beside_it(
    store: FailingStore,
) -> None:
    clock = JumpingClock()
    beside, dying = InboxChannel(clock, store), InboxChannel(clock, store)
    assert (await beside.collect()).receipts == ()
    await dying.send("inbox", [message(1)], CLOSE_MS)
    owed = await dying.collect()
    await clock.sleep_ms(RECALL_MS - 1)
    assert (await beside.collect()).receipts == (), "it may yet report it itself"
    await clock.sleep_ms(1)
    told = await beside.collect()
    assert told.receipts == owed.receipts
    await clock.sleep_ms(RECALL_MS)
    assert (await beside.collect()).receipts == (), "it is known, and on its way"
    await beside.acknowledge(told.token)
    await clock.sleep_ms(RECALL_MS)
    assert (await dying.collect()).receipts == ()


def test_whose_inbox_stirred(store: FailingStore) -> None:
    def put(n: int, to: str, at_ms: int) -> str:
        attempt = f"{n:032x}:1"
        store.put([Delivery(attempt, to, at_ms, "s", "t")])
        return attempt

    known = [put(1, "P-1", 100), put(2, "P-2", 200), put(3, "P-3", 100)]
    everybody = ("P-1", "P-2", "P-3")
    assert store.stirred(everybody, 300) == {"P-1", "P-2", "P-3"}, "the hub may not know of them"
    store.reported(known)
    assert store.stirred(everybody, 300) == frozenset()
    assert store.stirred(everybody, 150) == {"P-2"}
    assert store.stirred(("P-1",), 150) == frozenset()
    store.mark_read("P-3", f"{3:032x}", 250)
    assert store.stirred(everybody, 200) == {"P-3"}
    assert store.stirred((), 0) == frozenset()
