"""What may happen to a cluster under load happens to it: nothing is lost, nobody is told twice, it
recovers by itself, and says meanwhile what is wrong.

Each test says first what happens, then what is held: `docs/internals/testing.md` shows that.
"""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from sqlalchemy import select

from channels.sandbox import read_ledger
from hub.health import ask
from streams.core.lifecycle import Status
from streams.lane_owner import LANE_OWNER
from streams.topics import EVENTS
from tests.cluster.kafka_topics import committed, ends, members
from tests.cluster.native import HERE, Worker
from tests.cluster.native_kafka import NativeKafka
from tests.cluster.native_postgres import NativePostgres
from tests.cluster.processes import until
from tests.cluster.proxy import Proxy
from tests.crash.books import INTENT, Books
from tests.crash.on_cluster import PARTITIONS, OnCluster, await_ready, running
from tests.crash.rehearsal import settle
from tests.crash.upstream import Upstream, lanes

pytestmark = pytest.mark.cluster

RATE = 20
"""Of each carrier, a second of the hub's: a backlog lasts for some seconds of ours."""

CHUNK, PAUSE_S = 5, 0.1
"""Of what comes all the time: a fraction of what the carriers take."""

BACKLOG = 300
PATIENCE_S = 60

ECHO_S = 1.0
"""What a process had on its way when it was killed has arrived by then, or never does."""

WORKERS = ("router", "dispatcher", "receiver", "timer")

_loads = count(1)


def seconds(here: int, in_soak: int) -> pytest.MarkDecorator:
    """How long it lasts."""
    return pytest.mark.parametrize("lasts_s", [here, pytest.param(in_soak, marks=pytest.mark.soak)])


@pytest.fixture(scope="module")
def hub() -> Iterator[OnCluster]:
    with TemporaryDirectory(prefix="fenghuo-faults-") as folder, running(Path(folder), RATE) as hub:
        yield hub


@pytest.fixture
def kafka(hub: OnCluster) -> NativeKafka:
    assert hub.cluster.kafka is not None
    return hub.cluster.kafka


@pytest.fixture
def postgres(hub: OnCluster) -> NativePostgres:
    assert hub.cluster.postgres is not None
    return hub.cluster.postgres


@pytest.fixture(autouse=True)
def guests(hub: OnCluster) -> Iterator[None]:
    """Workers that a test starts are gone after it."""
    residents = set(hub.cluster.workers)
    yield
    for name in hub.cluster.workers.keys() - residents:
        hub.cluster.workers.pop(name).kill()


@pytest.fixture
def upstream() -> Upstream:
    """Reports about people of its own."""
    load = next(_loads)
    return Upstream(f"fault-{load}", load * 10_000)


@contextmanager
def load(hub: OnCluster, upstream: Upstream) -> Iterator[Books]:
    """Somebody reports all the time, until the end of the block; then everything settles, and the
    books agree."""
    hub.director.begin_by_day()
    books = Books(hub.store, hub.ledger, [], hub.store.head())
    over = threading.Event()

    def report() -> None:
        while not over.wait(PAUSE_S):
            chunk = upstream.report(CHUNK, hub.director.now_ms())
            assert hub.bring(chunk)
            books.accepted += chunk

    before = len(read_ledger(hub.ledger))
    reporting = threading.Thread(target=report, name="upstream")
    reporting.start()
    try:
        holds(lambda: len(read_ledger(hub.ledger)) > before, "anything is sent")
        yield books
    finally:
        over.set()
        reporting.join()
    settle(books, hub.director)
    assert books.faults() == []


def reported(hub: OnCluster, upstream: Upstream, many: int = BACKLOG) -> Books:
    """Much at once."""
    hub.director.begin_by_day()
    books = Books(hub.store, hub.ledger, [], hub.store.head())
    books.accepted += upstream.report(many, hub.director.now_ms())
    assert hub.bring(books.accepted)
    return books


def backlog(hub: OnCluster, upstream: Upstream) -> Books:
    """Reported at once, and a little of it is sent."""
    before = len(read_ledger(hub.ledger))
    books = reported(hub, upstream)
    holds(lambda: len(read_ledger(hub.ledger)) > before + BACKLOG // 10, "it is being sent")
    return books


def holds(true, what: str) -> None:  # type: ignore[no-untyped-def]
    assert until(true, PATIENCE_S), f"not after {PATIENCE_S} s: {what}"


def says(worker: Worker, words: str) -> None:
    """Its /readyz comes to say this."""
    holds(lambda: words in "; ".join(ask(HERE, worker.port)), f"{worker.name} says {words!r}")


def all_ready(hub: OnCluster) -> None:
    for name in (*WORKERS, "web"):
        await_ready(hub.cluster.workers[name])


def page(hub: OnCluster) -> tuple[int, str]:
    """What staff are shown first: the status, and the text."""
    try:
        with urllib.request.urlopen(f"{hub.cluster.url}/?lang=en", timeout=30) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def page_says(hub: OnCluster, words: str) -> None:
    """It comes to say this."""
    holds(lambda: words in page(hub)[1], f"the page says {words!r}")


@seconds(2, in_soak=30)
def test_the_database_is_stopped_under_load(
    hub: OnCluster, postgres: NativePostgres, upstream: Upstream, lasts_s: int
) -> None:
    """PostgreSQL is stopped `immediate`, and is away for a while.

    Every process says so at `/readyz`, and staff's page; answers in hand are written when it is
    back.
    """
    with load(hub, upstream):
        postgres.stop("immediate")
        for name in (*WORKERS, "web"):
            says(hub.cluster.workers[name], "the database is away")
        code, said = page(hub)
        assert (code, "The database does not answer" in said) == (503, True)
        time.sleep(lasts_s)
        postgres.start()
        all_ready(hub)
        assert page(hub)[0] == 200


def test_the_database_starts_again_at_once(
    hub: OnCluster, postgres: NativePostgres, upstream: Upstream
) -> None:
    """PostgreSQL is stopped `immediate` and starts again, three times in a row.

    A commit whose answer was lost counts once.
    """
    with load(hub, upstream):
        for _ in range(3):
            postgres.stop("immediate")
            postgres.start()
    all_ready(hub)


@seconds(2, in_soak=30)
def test_the_broker_is_killed_under_load(
    hub: OnCluster, kafka: NativeKafka, upstream: Upstream, lasts_s: int
) -> None:
    """The broker is killed, and is away for a while.

    Every process says so at `/readyz`, and staff's page; upstream waits with what was not
    acknowledged.
    """
    with load(hub, upstream):
        kafka.kill()
        for name in (*WORKERS, "web"):
            says(hub.cluster.workers[name], "the brokers do not answer")
        page_says(hub, "the brokers do not answer")
        time.sleep(lasts_s)
        kafka.start()
        all_ready(hub)
        page_says(hub, "No alarms.")


def test_workers_come_and_go_in_a_burst(hub: OnCluster, upstream: Upstream) -> None:
    """Three routers and three dispatchers join, half of them are killed, half stopped.

    What the killed had in hand comes again, and no partition is left without an owner.
    """
    with load(hub, upstream):
        guests = [
            hub.cluster.start_one(kind, f"{kind}-{n}")
            for kind in ("router", "dispatcher")
            for n in range(3)
        ]
        for guest in guests:
            await_ready(guest)
        for n, guest in enumerate(guests):
            guest.kill() if n % 2 else guest.stop()
    all_ready(hub)


@seconds(10, in_soak=180)
def test_a_dispatcher_that_slept_for_long_sends_nothing_when_it_wakes(
    hub: OnCluster, kafka: NativeKafka, upstream: Upstream, lasts_s: int
) -> None:
    """The only dispatcher is paused (SIGSTOP) in the middle of a backlog; another takes over.

    Staff's page says that none is at work. What wakes makes no call that it had intended, and
    intends nothing: it tells what it was answered, and joins again.
    """
    sleeper = hub.cluster.workers["dispatcher"]
    books = backlog(hub, upstream)
    sleeper.pause()
    since_s = time.monotonic()
    try:
        assert "does not answer" in "; ".join(ask(HERE, sleeper.port))
        page_says(hub, "No dispatcher is at work")
        hub.cluster.start_one("dispatcher", "second")
        # the reports it had collected stay with it: its carrier waits for what it will say
        settle(books, hub.director, but=frozenset({Status.ACCEPTED}))
        time.sleep(max(0.0, lasts_s - (time.monotonic() - since_s)))
        asleep, sent = books.read_on(), len(read_ledger(hub.ledger))
    finally:
        sleeper.go_on()
    holds(lambda: members(kafka, "hub-dispatcher") == 2, "it is in the group again")
    await_ready(sleeper)
    settle(books, hub.director)
    assert books.faults() == []
    since = {stream: [r for r in rows if r.pos > asleep] for stream, rows in books.rows.items()}
    calls = {entry.attempt for entry in read_ledger(hub.ledger)[sent:]}
    assert calls <= {f"{r.stream.hex()}:{r.version}" for rows in since.values() for r in rows}
    # only what it now says that it was told of its calls may have somebody sent something again
    assert [s.hex() for s, rows in since.items() if rows and rows[0].type.startswith(INTENT)] == []
    with load(hub, upstream):
        holds(lambda: len(read_ledger(hub.ledger)) > sent + 10 * CHUNK, "both send")


def test_an_owner_that_is_cut_off_from_the_brokers_alone_stops(
    hub: OnCluster, kafka: NativeKafka, upstream: Upstream, proxy: Proxy
) -> None:
    """A dispatcher is cut off from Kafka, not from PostgreSQL, with a backlog in hand. Another
    claims its lanes, and dies: whoever sends then could only be itself.

    It sends nothing more, and joins again when the wire is mended.
    """
    hub.cluster.workers["dispatcher"].stop()
    books = reported(hub, upstream, 2 * BACKLOG)
    holds(lambda: books.read_on() and not books.missing(), "all of it is ready on its lanes")
    slow = {"HUB_LANES": str(slow_lanes(hub))}
    by_wire = {"HUB_KAFKA": f"{HERE}:{proxy.port}"}
    owner = hub.cluster.start_one("dispatcher", environment=slow | by_wire)
    sent = len(read_ledger(hub.ledger))
    holds(lambda: len(read_ledger(hub.ledger)) > sent + 10, "it is being sent, slowly")
    held = claims(hub, owner)
    proxy.cut()
    other = hub.cluster.start_one("dispatcher", "second", slow)
    holds(lambda: claims(hub, other).keys() >= held.keys(), "another owns all of it")
    other.kill()
    time.sleep(ECHO_S)
    overtaken = books.read_on()
    assert sum(state.status is Status.READY for state in books.states.values()) > BACKLOG // 4
    time.sleep(5 * ECHO_S)
    books.read_on()
    since = [r for rows in books.rows.values() for r in rows if r.pos > overtaken]
    assert [r for r in since if r.type.startswith(INTENT)] == []
    assert owner.alive
    says(owner, "the brokers do not answer")
    hub.cluster.start_one("dispatcher", "third")
    proxy.mend()
    holds(lambda: members(kafka, "hub-dispatcher") == 2, "it is in the group again")
    await_ready(owner)
    owner.stop()  # the others are quicker
    await_ready(hub.cluster.start_one("dispatcher"))
    settle(books, hub.director)
    assert books.faults() == []


@pytest.fixture
def proxy(kafka: NativeKafka) -> Iterator[Proxy]:
    """A wire to the broker, which is stopped and started for it."""
    proxy = Proxy()
    kafka.stop()
    proxy.target = kafka.also_at(proxy.port)
    kafka.start()
    yield proxy
    proxy.close()


def slow_lanes(hub: OnCluster) -> Path:
    """Contracts for so little that a backlog lasts for longer than a session."""
    file = hub.cluster.folder / "slow.toml"
    file.write_text(lanes(1), encoding="utf-8")
    return file


@seconds(10, in_soak=330)
def test_a_lane_whose_carrier_is_away_keeps_its_owner(
    hub: OnCluster, kafka: NativeKafka, upstream: Upstream, lasts_s: int
) -> None:
    """A carrier is away: a full partition is not polled for longer than a session, in the soak for
    longer than clients of Kafka usually may be silent.

    Its owner stays in the group, with the claims it had.
    """
    hub.cluster.workers["dispatcher"].stop()
    holds(lambda: members(kafka, "hub-dispatcher") == 0, "nobody is in the group")
    await_ready(hub.cluster.start_one("dispatcher"))
    books = backlog(hub, upstream)
    hub.cluster.workers["sandbox"].kill()
    owner = hub.cluster.workers["dispatcher"]
    before = claims(hub, owner)
    assert before
    time.sleep(lasts_s)
    assert members(kafka, "hub-dispatcher") == 1
    hub.cluster.start_one("sandbox")
    settle(books, hub.director)
    assert books.faults() == []
    assert before.items() <= claims(hub, owner).items()


def claims(hub: OnCluster, dispatcher: Worker) -> dict[tuple[str, int], int]:
    """The epoch of each partition whose last claim is this dispatcher's."""
    c = LANE_OWNER.c
    own = c.owner.endswith(f":{dispatcher.pid}")
    with hub.store.readers.connect() as connection:
        rows = connection.execute(select(c.topic, c.partition, c.epoch).where(own))
        return {(topic, partition): epoch for topic, partition, epoch in rows}


def test_all_events_from_the_first_on_bring_nothing_new(
    hub: OnCluster, kafka: NativeKafka, upstream: Upstream
) -> None:
    """The whole topic `events` is read again from offset 0.

    Nothing is sent, and not a row is journalled about any of them. A lane that was in trouble
    before may still be given its share back meanwhile.
    """
    with load(hub, upstream) as books:
        holds(lambda: len(books.accepted) > 10 * CHUNK, "some are reported")
    standing, sent = hub.store.standing(), len(read_ledger(hub.ledger))
    hub.cluster.workers["router"].stop()
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    every = [TopicPartition(EVENTS, number) for number in range(PARTITIONS)]
    admin.reset_group_offsets("hub-router", dict.fromkeys(every, OffsetSpec.EARLIEST))
    admin.close()
    assert set(committed(kafka, "hub-router", EVENTS).values()) == {0}
    await_ready(hub.cluster.start_one("router"))
    last = ends(kafka, EVENTS)
    holds(lambda: committed(kafka, "hub-router", EVENTS) == last, "all are routed again")
    rows = hub.store.since(standing.pos, 1_000)
    assert [row.type for row in rows if not row.type.startswith("Shifted.")] == []
    assert hub.store.standing().archive == standing.archive
    assert len(read_ledger(hub.ledger)) == sent
