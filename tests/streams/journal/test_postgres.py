"""The journal in PostgreSQL keeps the contract, among many writers and through a server's death."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import pytest
from sqlalchemy import text

from streams import postgres as database_of
from streams.journal.base import Entry, Group, Lookup, Reader, Timer, Unit
from streams.journal.errors import JournalLocked, JournalRefused, JournalUnavailable
from streams.journal.postgres import DOOR, PostgresStore
from streams.journal.postgres_schema import MAKING
from streams.journal.proof import includes
from streams.journal.tops import CAREFUL_COMMITS
from tests.cluster.native_postgres import NativePostgres
from tests.contracts.journal_contract import (
    AT,
    JournalContract,
    commit,
    event,
    make_model,
    name,
    read_model,
    unit,
    write_model,
)

pytestmark = pytest.mark.cluster

DEADLINE_S = 120


def settle(store: PostgresStore) -> PostgresStore:
    """Nobody was faster for a while: it writes without asking."""
    for _ in range(CAREFUL_COMMITS):
        store.commit([], AT)
    return store


@pytest.fixture(params=["careful", "settled"])
def store(database: str, request: pytest.FixtureRequest) -> Iterator[PostgresStore]:
    with closing(PostgresStore(database)) as store:
        yield settle(store) if request.param == "settled" else store


class TestPostgres(JournalContract):
    pass


@pytest.fixture
def opened(database: str) -> Iterator[Callable[..., PostgresStore]]:
    """Opens stores on one database, as so many processes would."""
    with ExitStack() as stack:

        def open_one(shard: int = 0, *, goes_first: bool = False) -> PostgresStore:
            store = PostgresStore(database, shard=shard, goes_first=goes_first)
            return stack.enter_context(closing(store))

        yield open_one


Opened = Callable[..., PostgresStore]


class TestTwoProcesses:
    def test_the_second_of_a_version_loses_and_spends_no_position(self, opened: Opened) -> None:
        ours, theirs = settle(opened()), settle(opened())
        commit(theirs, unit(1, 1, keys=(7,)))
        answer = commit(ours, unit(2, 1), unit(1, 1), unit(3, 1))
        assert (answer.won, answer.pos) == ((True, False, True), 3)
        assert [row.stream for row in ours.since(0, 9)] == [name(1), name(2), name(3)]
        assert list(theirs.verify()) == []

    def test_what_another_went_on_with_goes_on_from_there(self, opened: Opened) -> None:
        ours, theirs = settle(opened()), settle(opened())
        commit(ours, unit(1, 1))
        commit(theirs, unit(1, 2))
        assert commit(ours, unit(1, 3)).won == (True,)
        assert commit(theirs, unit(1, 3)).won == (False,)
        assert commit(theirs, unit(1, 5)).won == (False,)

    def test_an_event_is_accepted_once(self, opened: Opened) -> None:
        ours, theirs = settle(opened()), settle(opened())
        theirs.commit([Group(archive=[event(1)])], AT)
        given = unit(1, 1)._replace(given=name(1))
        answer = ours.commit([Group([given], [event(1), event(2)])], AT)[0]
        assert (answer.won, answer.archived) == ((False,), (False, True))
        assert [number for number, _ in ours.archive_since(0, 9)] == [1, 2]

    def test_an_effect_is_called_once_however_often_the_rows_were_tried(
        self, opened: Opened
    ) -> None:
        ours, theirs = settle(opened()), settle(opened())
        make_model(ours)
        commit(theirs, unit(1, 1))
        called: list[object] = []
        units = [unit(1, 1), unit(2, 1)._replace(effects=(called.append, write_model("ours")))]
        ours.commit([Group(units, effects=[called.append])], AT)
        assert len(called) == 2
        assert read_model(ours) == ["ours"]

    def test_what_look_adds_may_lose_without_anything_being_tried_again(
        self, opened: Opened
    ) -> None:
        ours, theirs = settle(opened()), settle(opened())
        commit(theirs, unit(1, 1))
        called: list[object] = []

        def look(_: Reader) -> Sequence[Unit]:
            called.append(1)
            return [unit(1, 1), unit(1, 2), unit(2, 2)]

        answer = ours.commit([Group([unit(2, 1)], look=look)], AT)[0]
        assert (answer.looked, called) == ((unit(1, 2), unit(2, 2)), [1])

    def test_one_waits_for_the_other(self, opened: Opened) -> None:
        """The head is held from the first statement on, so that who looks last has seen all."""
        ours, theirs = settle(opened()), settle(opened())
        inside, go_on = threading.Event(), threading.Event()

        def look(_: Reader) -> Sequence[Unit]:
            inside.set()
            assert go_on.wait(DEADLINE_S)
            return []

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(ours.commit, [Group([unit(1, 1)], look=look)], AT)
            assert inside.wait(DEADLINE_S)
            second = pool.submit(commit, theirs, unit(2, 1))
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            until(lambda: ask(ours, waits) == 1)
            go_on.set()
            assert (first.result()[0].pos, second.result().pos) == (1, 2)

    def test_one_that_goes_first_waits_for_nobody_but_who_is_writing(self, opened: Opened) -> None:
        """Two wait when the third comes, and it is written before both."""
        working, *waiting = (settle(opened()) for _ in range(3))
        urgent = settle(opened(goes_first=True))
        inside, go_on = threading.Event(), threading.Event()

        def look(_: Reader) -> Sequence[Unit]:
            inside.set()
            assert go_on.wait(DEADLINE_S)
            return []

        def waits(count: int) -> bool:
            asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return ask(working, asked) == count

        with ThreadPoolExecutor(4) as pool:
            pool.submit(working.commit, [Group([unit(1, 1)], look=look)], AT)
            assert inside.wait(DEADLINE_S)
            others = [pool.submit(commit, store, unit(2, 1)) for store in waiting]
            until(lambda: waits(2))
            first = pool.submit(commit, urgent, unit(3, 1))
            until(lambda: waits(3))
            go_on.set()
            assert first.result().pos == 2
            assert sorted(other.result().won for other in others) == [(False,), (True,)]
        assert [row.stream for row in working.since(0, 9)] == [name(1), name(3), name(2)]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestTwoShards:
    def test_lie_beside_each_other(self, opened: Opened) -> None:
        zero, one = settle(opened(0)), settle(opened(1))
        timed = unit(1, 1, keys=(7,))._replace(timers=(Timer(5, name(1), "release"),))
        for store in (zero, one, zero):
            answer = store.commit([Group([timed], [event(1)])], AT)[0]
        assert (answer.won, answer.archived, answer.pos) == ((False,), (False,), 1)
        for store in (zero, one):
            assert store.head() == 1
            assert len(store.read([name(1)])[name(1)]) == len(store.since(0, 9)) == 1
            assert store.lookup([(name(7), b"")]) == {(name(7), b""): [name(1)]}
            assert store.counts([name(7)]) == {name(7): 1}
            assert store.due(5, 9) == [Timer(5, name(1), "release")]
            assert store.archive_since(0, 9) == [(1, event(1))]
            assert list(store.verify()) == []
        assert zero.standing().chain != one.standing().chain
        one.delete_timers(one.due(5, 9))
        assert (zero.next_due_ms(), one.next_due_ms()) == (5, None)

    def test_a_proof_is_of_one_shard(self, opened: Opened) -> None:
        store = opened(1)
        commit(store, *(unit(n, 1) for n in range(5)))
        proof, chain = store.prove(3), store.standing().chain
        assert includes(proof, 1, chain)
        assert not includes(proof, 0, chain)
        with pytest.raises(LookupError):
            store.prove(6)

    def test_a_month_goes_from_one(self, opened: Opened) -> None:
        zero, one = opened(0), opened(1)
        for store in (zero, one):
            store.commit([Group([unit(1, 1)], [event(1), event(2)])], AT)
        assert one.remove_month(202510, AT, 99) == 2
        assert (one.archived([name(1)]), len(zero.archived([name(1)]))) == ({}, 1)
        assert list(one.verify()) == list(zero.verify()) == []
        assert one.commit([Group(archive=[event(1)])], AT)[0].archived == (True,)


class TestRefused:
    @pytest.mark.parametrize(
        "broken",
        [
            unit(1, 1, kind="a\0b"),
            unit(1, 1, kind="a\ud800b"),
            Unit(unit(1, 1).rows, timers=(Timer(1 << 63, name(1), "release"),)),
        ],
        ids=["NUL", "surrogate", "too-late"],
    )
    def test_only_by_the_rows_at_fault(self, store: PostgresStore, broken: Unit) -> None:
        good = Group([unit(5, 1)], [event(5)])
        with pytest.raises(JournalRefused):
            store.commit([good, Group([broken])], AT)
        assert (store.head(), store.archived([name(5)])) == (0, {})
        assert store.commit([good], AT)[0].won == (True,)

    @pytest.mark.parametrize("where", ["stream", "key", "timer"])
    def test_a_name_of_another_length_everywhere(self, store: PostgresStore, where: str) -> None:
        rows = unit(1, 1).rows
        broken = {
            "stream": Unit((Entry(b"short", 1, "Routed", b"{}"),)),
            "key": Unit(rows, (Lookup(b"much longer than sixteen", b"", name(1)),)),
            "timer": Unit(rows, timers=(Timer(1, b"short", "release"),)),
        }
        with pytest.raises(ValueError, match="16 bytes"):
            commit(store, broken[where])
        assert store.head() == 0


class TestLocks:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database_of, "LOCK_MS", 50)

    def test_a_head_held_too_long_is_told(self, opened: Opened) -> None:
        ours, theirs = opened(), opened()
        with ThreadPoolExecutor(1) as pool, theirs.engine.connect() as other:
            pid = database_of.driver_of(other).info.backend_pid
            other.execute(text("UPDATE journal_head SET pos = pos"))
            working = pool.submit(other.execute, text("SELECT pg_sleep(3600)"))
            waits = f"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {pid}"
            until(lambda: ask(ours, waits) is True)
            with pytest.raises(JournalLocked):
                commit(ours, unit(1, 1))
            assert ours.read([name(1)]) == {}  # reading goes on
            assert not working.done()  # who works is left alone
            ask(ours, f"SELECT pg_cancel_backend({pid})")
            assert working.exception(DEADLINE_S) is not None
        assert commit(ours, unit(1, 1)).won == (True,)

    @pytest.mark.parametrize("copying", [False, True], ids=["between statements", "in a COPY"])
    def test_who_was_stopped_in_the_middle_stops_nobody(
        self, opened: Opened, copying: bool
    ) -> None:
        heads_held = (
            "SELECT count(*) FROM pg_locks"
            " WHERE relation = 'journal_head'::regclass AND mode = 'RowExclusiveLock'"
        )
        ours, stopped = opened(), opened()
        with stopped.engine.connect() as connection:
            connection.execute(text("UPDATE journal_head SET pos = 99 WHERE shard = 0"))
            if copying:
                server = database_of.driver_of(connection).pgconn
                server.send_query(b"COPY timer FROM STDIN")
                until(lambda: server.flush() == 0)
                waits = (
                    f"wait_event = 'ClientRead' AND state = 'active' AND pid = {server.backend_pid}"
                )
                query = f"SELECT count(*) FROM pg_stat_activity WHERE {waits}"
                until(lambda: ask(ours, query) == 1)
            with pytest.raises(JournalLocked):  # and its session is ended
                commit(ours, unit(1, 1))
            until(lambda: ask(ours, heads_held) == 0)
            assert commit(ours, unit(1, 1)).pos == 1
            connection.invalidate()
        assert commit(stopped, unit(1, 2)).pos == 2

    def test_who_was_stopped_at_the_door_stops_nobody(self, opened: Opened) -> None:
        ours, stopped = opened(), opened()
        with stopped.engine.connect() as connection:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({DOOR}, 0)"))
            with pytest.raises(JournalLocked):  # and its session is ended
                commit(ours, unit(1, 1))
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            until(lambda: ask(ours, held) == 0)
            assert commit(ours, unit(1, 1)).pos == 1
            connection.invalidate()


def ask(store: PostgresStore, query: str) -> object:
    with store.readers.connect() as connection:
        return connection.scalar(text(query))


class TestManyAtOnce:
    WRITERS, COMMITS, STREAMS = 6, 60, 40

    def test_followers_see_every_row_once_and_in_order(self, opened: Opened) -> None:
        """Six writers, a fifth of whose commits is rolled back, all over the same streams."""
        done = threading.Event()
        with ThreadPoolExecutor(self.WRITERS + 2) as pool:
            followers = [pool.submit(self.follow, opened(), done) for _ in range(2)]
            writers = [pool.submit(self.write, opened(), seed) for seed in range(self.WRITERS)]
            try:
                written = sum(writer.result(DEADLINE_S) for writer in writers)
            finally:
                done.set()
            store = opened()
            assert store.head() == written
            for follower in followers:
                assert follower.result(DEADLINE_S) == [*range(1, written + 1)]
        assert list(store.verify()) == []
        versions = store.read([name(n) for n in range(self.STREAMS)])
        for rows in versions.values():
            assert [row.version for row in rows] == [*range(1, len(rows) + 1)]

    def write(self, store: PostgresStore, seed: int) -> int:
        """How many rows won."""
        source, won = random.Random(seed), 0

        def fail(_: object) -> None:
            raise ZeroDivisionError

        for _ in range(self.COMMITS):
            streams = source.sample(range(self.STREAMS), 4)
            known = store.read([name(n) for n in streams])
            units = [unit(n, len(known.get(name(n), ())) + 1, keys=(n,)) for n in streams]
            if source.random() < 0.2:
                with pytest.raises(ZeroDivisionError):
                    store.commit([Group(units, effects=[fail])], AT)
            else:
                won += sum(commit(store, *units).won)
        return won

    def follow(self, store: PostgresStore, done: threading.Event) -> list[int]:
        seen: list[int] = []
        while True:
            last = done.is_set()
            while rows := store.since(seen[-1] if seen else 0, 50):
                seen += [row.pos for row in rows]
            if last:
                return seen


class TestServerGone:
    def test_stopped_in_the_middle_what_was_answered_is_there_and_nothing_half(
        self, postgres: NativePostgres, opened: Opened
    ) -> None:
        stores = [opened() for _ in range(3)]
        stop, answered = threading.Event(), list[bytes]()
        with ThreadPoolExecutor(3) as pool:
            writers = [
                pool.submit(self.write, store, number << 64, stop, answered)
                for number, store in enumerate(stores, 1)
            ]
            try:
                for rounds in range(1, 4):
                    before = len(answered)
                    until(lambda before=before: len(answered) > before + 30)  # type: ignore[misc]
                    postgres.stop("immediate")
                    postgres.start()
                    assert not any(writer.done() for writer in writers), rounds
                before = len(answered)
                until(lambda: len(answered) > before + 30)  # all by themselves
            finally:
                stop.set()
            troubles = [writer.result(DEADLINE_S) for writer in writers]
        assert sum(troubles) > 0
        store = opened()
        found = store.read(answered)
        assert set(found) == set(answered)
        rows = store.since(0, 1_000_000)
        assert [row.pos for row in rows] == [*range(1, store.head() + 1)]
        streams = list({row.stream for row in rows})
        assert len(streams) * 2 == len(rows)
        assert store.counts(streams) == dict.fromkeys(streams, 1)
        assert len(store.archived(streams)) == len(streams)
        assert {timer.stream for timer in store.due(1, 1_000_000)} == set(streams)
        assert list(store.verify()) == []

    def write(
        self, store: PostgresStore, base: int, stop: threading.Event, answered: list[bytes]
    ) -> int:
        """Brings the next unit, and the same again while the database is away; how often it was.
        A unit that loses then was written, though nobody said so."""
        troubles = 0
        while not stop.is_set():
            base += 1
            timers = (Timer(1, name(base), "release"),)
            group = Group([unit(base, 1, 2, keys=(base,))._replace(timers=timers)], [event(base)])
            while True:
                try:
                    store.commit([group], AT)
                except JournalUnavailable:
                    troubles += 1
                    time.sleep(0.01)
                else:
                    break
            answered.append(name(base))
        return troubles

    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_restarted_while_nobody_asked_it_is_there_at_once(
        self, postgres: NativePostgres, store: PostgresStore, mode: str
    ) -> None:
        commit(store, unit(1, 1, keys=(7,)))
        assert store.counts([name(7)]) == {name(7): 1}
        postgres.stop(mode)
        postgres.start()
        assert len(store.read([name(1)])[name(1)]) == 1
        assert commit(store, unit(1, 2)).won == (True,)

    def test_away_it_is_unavailable(self, postgres: NativePostgres, store: PostgresStore) -> None:
        commit(store, unit(1, 1))
        with stopped(postgres):
            for ask_for in (
                lambda: commit(store, unit(1, 2)),
                lambda: store.read([name(1)]),
                lambda: store.delete_timers([Timer(1, name(1), "x")]),
                lambda: PostgresStore(postgres.url),
            ):
                with pytest.raises(JournalUnavailable):
                    ask_for()
        assert commit(store, unit(1, 2)).won == (True,)

    def test_one_that_takes_over_and_knows_less_is_believed(
        self, postgres: NativePostgres, database: str, store: PostgresStore
    ) -> None:
        """It did not follow synchronously, or was restored. What this process remembers of the
        other would leave a stream with a version missing, and a follower with rows that are not
        there."""
        commit(store, unit(1, 1))
        store.close()  # of what somebody is connected to no copy can be made
        here = database.rpartition("/")[2]
        postgres.create_database(f"{here}_copy", template=here)
        commit(store, unit(1, 2))
        commit(store, unit(2, 1))
        assert len(store.since(0, 9)) == 3

        postgres.drop_database(here)
        postgres.create_database(here, template=f"{here}_copy")
        postgres.drop_database(f"{here}_copy")
        assert commit(store, unit(1, 3)).won == (False,)
        assert [row.stream for row in store.since(0, 9)] == [name(1)]
        assert commit(store, unit(3, 1)).pos == 2

    def test_gone_in_the_middle_of_a_transaction(
        self, postgres: NativePostgres, store: PostgresStore
    ) -> None:
        def leave(_: object) -> None:
            postgres.stop("immediate")

        with pytest.raises(JournalUnavailable):
            store.commit([Group([unit(1, 1)], effects=[leave])], AT)
        postgres.start()
        assert store.read([name(1)]) == {}
        assert commit(store, unit(1, 1)).pos == 1


@contextmanager
def stopped(server: NativePostgres) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


class TestProof:
    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ("UPDATE journal SET data = 'x' WHERE pos = 3", "row 3 was altered"),
            ("UPDATE journal SET at_ms = at_ms + 1 WHERE pos = 1", "row 1 was altered"),
            ("DELETE FROM journal WHERE pos = 4", "row 4 is missing"),
            ("UPDATE archive SET recipient = 'r-2' WHERE number = 2", "archive row 2 was altered"),
            ("DELETE FROM archive WHERE number = 1", "archive row 1 is missing"),
        ],
    )
    def test_what_is_changed_by_hand_is_named(
        self, store: PostgresStore, change: str, fault: str
    ) -> None:
        for number in range(2):
            units = [unit(10 * number + n, 1) for n in range(3)]
            store.commit([Group(units, [event(number)])], AT)
        with store.transaction() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # no triggers
            connection.execute(text(change))
        assert list(store.verify()) == [fault]

    def test_a_journal_without_its_end(self, store: PostgresStore) -> None:
        commit(store, unit(1, 1), unit(2, 1))
        commit(store, unit(3, 1))
        with store.transaction() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for table, column in (("journal", "pos"), ("journal_batch", "last")):
                connection.execute(text(f"DELETE FROM {table} WHERE {column} > 2"))
        [fault] = store.verify()
        assert fault.startswith("the head stands at row 3")


def test_several_may_open_an_empty_database_at_once(database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(PostgresStore, [database] * 4):
            assert store.head() == 0
            store.close()


def test_making_tables_waits_for_who_makes_them(database: str, opened: Opened) -> None:
    engine = database_of.engine(database, connections=1)
    with ThreadPoolExecutor(1) as pool, engine.begin() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MAKING})
        opening = pool.submit(PostgresStore, database)
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        until(lambda: other.scalar(waiting) == 1)
        other.commit()
        opening.result(DEADLINE_S).close()
    engine.dispose()


def test_readers_cannot_write(store: PostgresStore) -> None:
    with (
        pytest.raises(Exception, match="read-only"),
        store.readers.begin() as connection,
    ):
        connection.execute(text("DELETE FROM timer"))


def test_it_is_all_there_after_a_restart(opened: Opened) -> None:
    first = opened()
    commit(first, unit(1, 1, keys=(7,)))
    first.close()
    again = opened()
    assert commit(again, unit(1, 1), unit(1, 2)).won == (False, True)
    assert list(again.verify()) == []
