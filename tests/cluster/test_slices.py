"""The bed on a real broker: nothing is lost and nothing acknowledged early, whatever happens to a
worker, to the group or to the broker."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from hub.clock import Real
from streams import kafka_bed
from streams.ending import EXIT_BROKEN
from streams.kafka_bed import KafkaBed
from streams.kafka_topics import KafkaTopics
from streams.partition import Handler, Partition
from streams.partitioner import partition_of
from streams.slices import SliceConsumer
from streams.topics import Record
from tests.cluster.kafka_topics import committed, ends, make_topic, members
from tests.cluster.native_kafka import NativeKafka
from tests.cluster.slice_worker import Note

pytestmark = pytest.mark.cluster

PARTITIONS = 3
PATIENCE_S = 60
"""Far more than anything here takes."""

BRIEF_MS = 2_500
"""A session for tests that wait for one to end."""


class Worker:
    """One process of the group; its notes outlive it."""

    def __init__(self, group: "Workers", name: str, **orders: object) -> None:
        self._notes = group.folder / f"{name}.jsonl"
        self._errors = group.folder / f"{name}.err"
        given = {
            "brokers": group.broker.bootstrap, "group": group.name, "topic": group.topic,
            "notes": str(self._notes), **orders,
        }  # fmt: skip
        text = msgspec.json.encode(given).decode()
        command = [sys.executable, "-m", *(group.command or ("tests.cluster.slice_worker", text))]
        with self._errors.open("ab") as errors:
            self.process = subprocess.Popen(
                command, stdout=errors, stderr=errors, env={**os.environ, "ORDERS": text}
            )

    def notes(self) -> list[Note]:
        """Whole lines only: the last one may be being written."""
        if not self._notes.exists():
            return []
        *lines, _ = self._notes.read_bytes().split(b"\n")
        return [msgspec.json.decode(line, type=Note) for line in lines]

    def errors(self) -> str:
        return self._errors.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Cleanly, which it says by its exit code."""
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0, self.errors()[-5_000:]


class Workers:
    """A topic, a group that serves it, and what the two have come to."""

    def __init__(self, broker: NativeKafka, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self.topic = make_topic(broker, PARTITIONS)
        self.name = f"group-{uuid4().hex}"
        self.command: Sequence[str] = ()
        """Starts a worker in another way than its own script."""

        self._workers: list[Worker] = []

    def start(self, **orders: object) -> Worker:
        worker = Worker(self, f"worker-{len(self._workers)}", **orders)
        self._workers.append(worker)
        return worker

    def end(self) -> None:
        for worker in self._workers:
            worker.kill()

    def notes(self) -> list[Note]:
        return [note for worker in self._workers for note in worker.notes()]

    def numbers(self) -> Counter[int]:
        return Counter(number for note in self.notes() for number in note.numbers)

    def committed(self) -> dict[int, int]:
        return dict(committed(self.broker, self.name, self.topic))

    def lag(self) -> int:
        done = self.committed()
        return sum(end - done.get(n, 0) for n, end in ends(self.broker, self.topic).items())

    def members(self) -> int:
        return members(self.broker, self.name)

    def acknowledged_unserved(self) -> list[tuple[int, int]]:
        """(partition, offset) of what was acknowledged and never served. Looks at the
        acknowledgements first: what is served meanwhile does no harm."""
        done = self.committed()
        served: dict[int, set[int]] = defaultdict(set)
        for note in self.notes():
            served[note.partition].update(note.offsets)
        return [(n, at) for n, end in done.items() for at in range(end) if at not in served[n]]


@pytest.fixture
def workers(kafka: NativeKafka, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(kafka, tmp_path)
    yield workers
    workers.end()


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeKafka]:
    """A broker of this module's own, to be killed."""
    broker = NativeKafka(tmp_path_factory.mktemp("mortal"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def bereaved(mortal: NativeKafka, tmp_path: Path) -> Iterator[Workers]:
    """Workers whose broker is killed."""
    workers = Workers(mortal, tmp_path)
    yield workers
    workers.end()


def publish(workers: Workers, numbers: Sequence[int]) -> None:
    async def bring() -> None:
        topics = KafkaTopics(workers.broker.bootstrap, Real())
        records = [Record(b"r-%d" % number, number.to_bytes(4, "big")) for number in numbers]
        await topics.publish({workers.topic: records})
        await topics.close()

    asyncio.run(bring())


def wait_for(condition: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end_s:
            pytest.fail(f"waited {PATIENCE_S} s for {what}")
        time.sleep(0.05)


def test_a_clean_stop_acknowledges_what_was_served_and_no_more(workers: Workers) -> None:
    publish(workers, range(1_000))
    first = workers.start(part_ms=20)
    wait_for(lambda: len(first.notes()) > 10, "the worker to be in the middle")
    first.stop()
    assert workers.acknowledged_unserved() == []
    assert sum(workers.committed().values()) > 0
    second = workers.start()
    wait_for(lambda: workers.numbers().keys() == {*range(1_000)}, "the rest to be served")
    second.stop()
    assert workers.lag() == 0
    # twice: at most the slice of each partition that was given up between two parts
    assert sum(count - 1 for count in workers.numbers().values()) < 100 * PARTITIONS


def test_the_command_of_faust_runs_the_bed_as_well(workers: Workers) -> None:
    workers.command = ("faust", "-A", "tests.cluster.faust_app", "--loop", "uvloop", "worker")
    publish(workers, range(500))
    first = workers.start(part_ms=20)
    wait_for(lambda: len(first.notes()) > 4, "the worker to be in the middle")
    first.stop()
    assert workers.acknowledged_unserved() == []
    second = workers.start()
    wait_for(lambda: workers.lag() == 0, "the rest to be acknowledged")
    assert workers.numbers().keys() == {*range(500)}
    second.stop()


def test_kill_9_loses_nothing(workers: Workers) -> None:
    publish(workers, range(6_000))
    first = workers.start(part_ms=20, session_ms=BRIEF_MS)
    wait_for(lambda: sum(workers.committed().values()) > 300, "some to be acknowledged")
    first.kill()
    assert workers.acknowledged_unserved() == []
    assert workers.numbers().keys() < {*range(6_000)}
    workers.start(session_ms=BRIEF_MS)
    wait_for(lambda: workers.lag() == 0, "the rest to be acknowledged")
    assert workers.numbers().keys() == {*range(6_000)}


def test_a_step_that_raises_ends_the_process_and_its_slice_comes_again(workers: Workers) -> None:
    publish(workers, range(600))
    first = workers.start(fails_at=444, part_ms=5, session_ms=BRIEF_MS)
    assert first.process.wait(PATIENCE_S) == EXIT_BROKEN
    assert "this process ends at once" in first.errors()
    assert "as ordered" in first.errors()
    assert workers.acknowledged_unserved() == []
    assert 444 not in workers.numbers()
    workers.start(session_ms=BRIEF_MS)
    wait_for(lambda: workers.lag() == 0, "the rest to be acknowledged")
    assert workers.numbers().keys() == {*range(600)}


def test_a_second_worker_takes_its_share_and_no_partition_is_served_twice_at_once(
    workers: Workers,
) -> None:
    first = workers.start(part_ms=30)
    second: Worker | None = None
    published = 0

    def both_serve() -> bool:
        nonlocal second, published
        if workers.lag() < 1_000:  # so that the first is in the middle whenever the second comes
            publish(workers, range(published, published + 1_000))
            published += 1_000
        if second is None and first.notes():
            second = workers.start(part_ms=30)
        return second is not None and len(second.notes()) > 5

    wait_for(both_serve, "the second to serve, too")
    assert second is not None
    wait_for(lambda: workers.lag() == 0, "all to be acknowledged")
    assert workers.numbers().keys() == {*range(published)}
    for number in range(PARTITIONS):
        spans = [
            (note.begun_ms, note.ended_ms, who)
            for who, worker in enumerate((first, second))
            for note in worker.notes()
            if note.partition == number
        ]
        spans.sort()
        for (_, ended_ms, who), (begun_ms, _, then) in pairwise(spans):
            assert who == then or ended_ms <= begun_ms, f"partition {number} had two owners"
    first.stop()
    second.stop()


def test_markers_of_transactions_do_not_hold_up_acknowledgement(workers: Workers) -> None:
    async def bring() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=workers.broker.bootstrap, transactional_id=uuid4().hex
        )
        await producer.start()
        for first in range(0, 500, 50):
            await producer.begin_transaction()
            for number in range(first, first + 50):
                value = number.to_bytes(4, "big")
                await producer.send(workers.topic, value, partition=number % PARTITIONS)
            if first == 200:
                await producer.abort_transaction()
            else:
                await producer.commit_transaction()
        await producer.stop()

    asyncio.run(bring())
    worker = workers.start()
    wait_for(lambda: workers.lag() == 0, "everything to be acknowledged, markers too")
    assert workers.numbers() == Counter([*range(200), *range(250, 500)])
    worker.stop()


def test_a_broker_that_dies_and_comes_back_is_waited_for(bereaved: Workers) -> None:
    publish(bereaved, range(1_000))
    worker = bereaved.start(part_ms=100)
    wait_for(lambda: sum(bereaved.committed().values()) > 100, "some to be acknowledged")
    bereaved.broker.kill()
    early = bereaved.start()  # begins while there is none
    wait_for(lambda: "no broker at" in early.errors(), "the second to look for the broker")
    bereaved.broker.start()
    publish(bereaved, range(1_000, 1_100))
    wait_for(lambda: bereaved.members() == 2, "the second to join")
    wait_for(lambda: bereaved.lag() == 0, "the rest to be acknowledged")
    assert bereaved.numbers().keys() == {*range(1_100)}
    worker.stop()
    early.stop()


def test_a_worker_ends_although_the_broker_is_away(bereaved: Workers) -> None:
    publish(bereaved, range(1_000))
    worker = bereaved.start(part_ms=50)
    wait_for(worker.notes, "the worker to be in the middle")
    bereaved.broker.kill()
    try:
        worker.stop()
    finally:
        bereaved.broker.start()


def test_a_slow_partition_holds_up_no_other(workers: Workers, tmp_path: Path) -> None:
    numbers = range(3_000)
    publish(workers, numbers)
    slow = {n for n in numbers if partition_of(b"r-%d" % n, PARTITIONS) == 0}
    gate = tmp_path / "gate"
    worker = workers.start(gate=str(gate), slice_records=50)
    wait_for(lambda: workers.numbers().keys() == {*numbers} - slow, "the others to be served")
    publish(workers, range(3_000, 3_300))  # and they go on being served
    late = {n for n in range(3_000, 3_300) if partition_of(b"r-%d" % n, PARTITIONS)}
    wait_for(lambda: workers.numbers().keys() >= late, "the others to be served again")
    assert not slow & workers.numbers().keys()
    gate.touch()
    wait_for(lambda: workers.lag() == 0, "the slow one to be served")
    assert workers.numbers() == Counter(range(3_300))
    worker.stop()


def test_a_worker_that_sleeps_through_its_session_does_no_harm_when_it_wakes(
    workers: Workers,
) -> None:
    publish(workers, range(1_000))
    sleeper = workers.start(part_ms=20, session_ms=BRIEF_MS)
    wait_for(lambda: len(sleeper.notes()) > 6, "the first to be in the middle")
    sleeper.process.send_signal(signal.SIGSTOP)
    asleep = len(sleeper.notes())
    other = workers.start(session_ms=BRIEF_MS)
    wait_for(lambda: workers.lag() == 0, "the other to take everything over")
    assert workers.numbers().keys() == {*range(1_000)}
    done = workers.committed()
    sleeper.process.send_signal(signal.SIGCONT)
    wait_for(lambda: workers.members() == 2, "the sleeper to join again")
    wait_for(lambda: len(sleeper.notes()) > asleep, "the sleeper to finish its part")
    publish(workers, range(1_000, 1_300))
    wait_for(lambda: workers.lag() == 0, "both to serve on")
    assert workers.numbers().keys() == {*range(1_300)}
    assert all(end >= done[number] for number, end in workers.committed().items())
    assert workers.acknowledged_unserved() == []
    sleeper.stop()
    other.stop()


async def test_what_was_dropped_is_not_acknowledged_by_a_commit_that_comes_just_then(
    kafka: NativeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust commits every second, also between what lets go and the group's next word."""
    let_go = SliceConsumer._let_go

    async def let_go_and_commit(consumer: SliceConsumer) -> None:
        await let_go(consumer)
        await consumer.commit()

    monkeypatch.setattr(SliceConsumer, "_let_go", let_go_and_commit)
    topic, group, served = make_topic(kafka, PARTITIONS), uuid4().hex, Counter[int]()

    async def serve(partition: Partition, records: Sequence[Record]) -> bool:
        await asyncio.sleep(0.1)
        served.update(int.from_bytes(record.value, "big") for record in records)
        return True

    topics = KafkaTopics(kafka.bootstrap, Real())
    await topics.publish({topic: [Record(b"r-%d" % n, n.to_bytes(2, "big")) for n in range(900)]})
    await topics.close()
    beds = [
        KafkaBed(kafka.bootstrap, group, {topic: Handler(serve, 10)}, session_ms=BRIEF_MS)
        for _ in range(2)
    ]
    running = []
    for bed in beds:  # the second comes while the first has most of it in hand
        before = len(served)
        running.append(asyncio.create_task(bed.run()))
        async with asyncio.timeout(PATIENCE_S):
            while len(served) < before + 60:  # noqa: ASYNC110 - it rings no bell
                await asyncio.sleep(0.05)
    beds[0].stop()
    async with asyncio.timeout(PATIENCE_S):
        while sum((await asyncio.to_thread(committed, kafka, group, topic)).values()) < 900:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        beds[1].stop()
        await asyncio.gather(*running)
    assert served.keys() == {*range(900)}


async def test_a_heartbeat_that_aiokafka_did_not_expect_makes_it_join_again(
    kafka: NativeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that still reads its groups after a start answers one so."""
    failed = asyncio.Event()
    beat = GroupCoordinator._do_heartbeat

    async def fail_once(coordinator: GroupCoordinator) -> bool:
        if failed.is_set():
            return await beat(coordinator)
        failed.set()
        raise KafkaError("Unexpected exception in heartbeat task: GroupLoadInProgressError()")

    served: list[int] = []

    async def serve(partition: Partition, records: Sequence[Record]) -> bool:
        served.extend(int.from_bytes(record.value, "big") for record in records)
        return True

    monkeypatch.setattr(GroupCoordinator, "_do_heartbeat", fail_once)
    topic = make_topic(kafka, PARTITIONS)
    topics = KafkaTopics(kafka.bootstrap, Real())
    bed = KafkaBed(kafka.bootstrap, uuid4().hex, {topic: Handler(serve)}, session_ms=BRIEF_MS)
    running = asyncio.create_task(bed.run())
    async with asyncio.timeout(PATIENCE_S):
        await failed.wait()
        while bed.app.consumer_generation_id < 2:  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(0.05)
        await topics.publish({topic: [Record(b"r-1", bytes([0, n])) for n in range(100)]})
        while len(served) < 100:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        bed.stop()
        await running
    await topics.close()
    assert sorted(served) == [*range(100)]


async def test_a_broker_that_is_not_let_in_yet_is_asked_again(
    kafka: NativeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers, and tells of no broker: neither of the others, nor of itself."""
    told: list[Any] = []
    hear = ClusterMetadata.update_metadata

    def hear_of_nobody_at_first(cluster: ClusterMetadata, answer: Any) -> None:
        if not told:
            answer.brokers = []
        told.append(answer)
        hear(cluster, answer)

    monkeypatch.setattr(ClusterMetadata, "update_metadata", hear_of_nobody_at_first)
    async with running_bed(kafka) as bed:
        await joined(bed)


async def test_an_answer_that_aiokafka_did_not_expect_does_not_keep_it_out(
    kafka: NativeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries no more until somebody has heard of it, and has no partitions to fetch from yet."""
    failures = [KafkaError("RequestTimedOutError()")]
    join = CoordinatorGroupRebalance.perform_group_join

    async def fail_once(rebalance: CoordinatorGroupRebalance) -> Any:
        if failures:
            raise failures.pop()
        return await join(rebalance)

    monkeypatch.setattr(CoordinatorGroupRebalance, "perform_group_join", fail_once)
    async with running_bed(kafka) as bed:
        await joined(bed)
    assert not failures


async def test_a_group_that_is_closed_to_it_ends_the_process(
    kafka: NativeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def refuse(rebalance: CoordinatorGroupRebalance) -> None:
        raise GroupAuthorizationFailedError(rebalance.group_id)

    def end(sentence: str, reason: BaseException) -> None:
        if not ended.done():
            ended.set_result(reason)

    monkeypatch.setattr(CoordinatorGroupRebalance, "perform_group_join", refuse)
    monkeypatch.setattr(kafka_bed, "end_process", end)
    async with running_bed(kafka), asyncio.timeout(PATIENCE_S):
        assert type(await ended) is GroupAuthorizationFailedError


@asynccontextmanager
async def running_bed(kafka: NativeKafka) -> AsyncIterator[KafkaBed]:
    """A bed of this process, alone in its group, in which nothing has to be served."""

    async def serve(partition: Partition, records: Sequence[Record]) -> bool:
        return True

    topic = make_topic(kafka, PARTITIONS)
    bed = KafkaBed(kafka.bootstrap, uuid4().hex, {topic: Handler(serve)}, session_ms=BRIEF_MS)
    running = asyncio.create_task(bed.run())
    try:
        yield bed
    finally:
        bed.stop()
        await running


async def joined(bed: KafkaBed) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not bed.joined:  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(0.05)
