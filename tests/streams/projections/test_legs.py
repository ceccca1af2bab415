"""What the projections count by moves is what a fold of every stream comes to."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from streams.core import codec
from streams.core import events as e
from streams.core.lifecycle import CATEGORY, Journalled, State, apply, fold
from streams.core.policy import DAY_MS, HOUR_MS, MINUTE_MS
from streams.journal.base import Entry, Group, Row, Store, Unit
from streams.journal.postgres import PostgresStore
from streams.journal.sqlite import SqliteStore
from streams.projections import following, moves
from streams.projections.moves import AFTER, CATEGORIES, Place
from streams.projections.rates import COUNTED, MINUTES_KEPT_MS, NAMES, RATES
from streams.projections.standing import REASONS, STANDING
from streams.recount import counted, folded, recount
from tests.cluster.native_postgres import NativePostgres
from tests.conftest import DATABASES
from tests.streams.histories import life

AT = 1_790_000_000_000
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # a smaller seed is no smaller case
REUSED = [HealthCheck.function_scoped_fixture]  # it opens another journal for each example
TABLES = (STANDING, REASONS, RATES)


Opened = Callable[[], AbstractContextManager[Store]]


@pytest.fixture(params=DATABASES)
def opened(request: pytest.FixtureRequest) -> Opened:
    """A new journal each time it is called."""
    if request.param == "sqlite":
        return _on_sqlite
    server: NativePostgres = request.getfixturevalue("postgres")
    numbers = count(1)
    return lambda: _on_postgres(server, f"legs_{next(numbers)}")


@contextmanager
def _on_sqlite() -> Iterator[Store]:
    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "hub.db")
        following.create(store)
        yield store
        store.close()


@contextmanager
def _on_postgres(server: NativePostgres, name: str) -> Iterator[Store]:
    store = PostgresStore(server.create_database(name))
    following.create(store)
    yield store
    store.close()
    server.drop_database(name)


def write(store: Store, seed: int, legs: int, pace_ms: int = 700) -> None:
    """The lives of ``legs`` legs, their rows shuffled into each other, some to a commit."""
    rng = random.Random(seed)
    lives = {n: life(rng, n.to_bytes(16, "big"), rng.randint(1, 12)) for n in range(legs)}
    turns = [n for n, events in lives.items() for _ in events]
    rng.shuffle(turns)
    done: Counter[int] = Counter()
    at_ms = AT
    while turns:
        units = []
        for _ in range(min(rng.randint(1, 400), len(turns))):
            n = turns.pop()
            event = lives[n][done[n]]
            done[n] += 1
            name, data = codec.encode(event)
            units.append(Unit((Entry(n.to_bytes(16, "big"), done[n], name, data),)))
        at_ms += rng.randint(0, pace_ms)
        [answer] = store.commit([Group(units)], at_ms)
        assert all(answer.won)


def follow(store: Store, limits: Iterator[int]) -> None:
    follower = following.Follower(store)
    while follower.follow(next(limits)):
        pass


def tables(store: Store) -> list[list[tuple[object, ...]]]:
    with store.readers.connect() as connection:
        return [sorted(map(tuple, connection.execute(select(t)))) for t in TABLES]


@settings(max_examples=15, deadline=None, phases=PHASES, suppress_health_check=REUSED)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 200))
def test_counts_equal_a_recount(opened: Opened, seed: int, cut: int) -> None:
    with opened() as store:
        write(store, seed, legs=60)
        rng = random.Random(seed)
        follow(store, iter(lambda: rng.randint(1, cut), 0))
        with store.readers.connect() as connection:
            assert counted(connection) == folded(store)
        by_batches = tables(store)
        for _ in following.rebuild(store, "legs", 10_000):
            pass
        assert tables(store) == by_batches, "a rebuild comes to the same rows"


@settings(max_examples=5, deadline=None, phases=PHASES, suppress_health_check=REUSED)
@given(seed=st.integers(0, 2**32))
def test_rates_count_each_event_where_its_attempt_went(opened: Opened, seed: int) -> None:
    with opened() as store:
        write(store, seed, legs=60)
        follow(store, iter(lambda: 50, 0))
        expected: Counter[tuple[object, ...]] = Counter()
        rows = store.since(0, 100_000)
        for stream in {row.stream for row in rows}:
            expected += events_of([row for row in rows if row.stream == stream])
        found: Counter[tuple[object, ...]] = Counter()
        with store.readers.connect() as connection:
            for row in connection.execute(select(RATES)).mappings():
                place = Place(*(row[name] for name in Place._fields))
                found.update({(row["start_ms"], name, place): row[name] for name in NAMES})
        assert +found == expected


def events_of(rows: Sequence[Row]) -> Counter[tuple[object, ...]]:
    state = State()
    routes: dict[int, e.Route] = {}
    counts: Counter[tuple[object, ...]] = Counter()
    for row in rows:
        event = codec.decode(row.type, row.data)
        apply(state, Journalled(row.version, row.at_ms, event))
        head, route = state.head, state.route
        assert head is not None
        minute = row.at_ms - row.at_ms % MINUTE_MS
        if isinstance(event, e.AttemptIntended):
            assert route is not None
            routes[row.version] = route
            place = Place("", "", "", event.lane, "", "")
        else:
            route = routes.get(getattr(event, "attempt", 0), route)
            through = (route.channel, route.lane, route.carrier) if route else ("", "", "")
            place = Place(head.notice, head.cls, *through, head.region)
        if type(event) in COUNTED:
            counts[minute, COUNTED[type(event)], place] += 1
    return counts


def test_a_journal_of_many_lives_adds_up(opened: Opened) -> None:
    with opened() as store:
        write(store, seed=7, legs=1_500)
        follow(store, iter(lambda: 2_000, 0))
        with store.readers.connect() as connection:
            standing = counted(connection)
            suppressed = dict(connection.execute(select(REASONS.c.reason, REASONS.c.count)).all())
        assert standing.total() == 1_500
        categories = {here.category for here in standing}
        assert categories == set(CATEGORIES), "the lives reach every category"
        total = recount(store).total
        ends = sum(getattr(total, name) for name in total.__struct_fields__[1:])
        assert total.notifications == ends == 1_500
        assert total.suppressed == sum(n for h, n in standing.items() if h.category == "suppressed")
        assert suppressed.keys() <= {"expired", "opted_out", "no_contact"}


def test_old_minutes_become_hours(opened: Opened) -> None:
    with opened() as store:
        write(store, seed=3, legs=600, pace_ms=100 * HOUR_MS)
        follow(store, iter(lambda: 7, 0))
        with store.readers.connect() as connection:
            rows = connection.execute(select(RATES)).mappings().all()
        minutes = [row["start_ms"] for row in rows if row["span_ms"] == MINUTE_MS]
        hours = [row["start_ms"] for row in rows if row["span_ms"] == HOUR_MS]
        assert hours
        assert minutes
        assert max(minutes) - min(minutes) <= MINUTES_KEPT_MS + HOUR_MS
        assert max(hours) < min(minutes)
        assert max(minutes) - min(hours) > 10 * DAY_MS, "or nothing was old"
        events = sum(row[name] for row in rows for name in NAMES)
        counted_rows = [
            row for row in store.since(0, 100_000) if not row.type.startswith("Reported")
        ]
        assert events == len(counted_rows)


def test_every_event_of_a_leg_has_its_category() -> None:
    moving = set(COUNTED) - {e.AttemptIntended}
    assert set(AFTER) == moving | {e.Reported}, "what is only reported is counted nowhere"
    assert set(AFTER.values()) == set(CATEGORIES) == set(CATEGORY.values()) - {""}


def test_rows_that_say_it_themselves_agree_with_the_fold() -> None:
    """The table alone, without what is read beside it: first rows and moves straight after."""
    for seed in range(300):
        events = life(random.Random(seed), b"x", 3)
        for length in (1, 2):
            if len(events) >= length:
                state = fold(Journalled(n, 0, x) for n, x in enumerate(events[:length], 1))  # type: ignore[arg-type]
                last = events[length - 1]
                if getattr(last, "moved", None) is not None or length == 1:
                    assert CATEGORY[state.status] == AFTER[type(last)]


def test_rows_of_an_older_schema_count_alike(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they would if today's were another: by way of the upcasters."""
    for name in list(moves._TODAY):
        monkeypatch.delitem(moves._TODAY, name)
    with opened() as store:
        write(store, seed=5, legs=60)
        follow(store, iter(lambda: 100, 0))
        with store.readers.connect() as connection:
            assert counted(connection) == folded(store)
