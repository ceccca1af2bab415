"""What every journal store keeps, whatever the database: a suite to inherit.

A store joins with a subclass and one fixture, ``store``, that gives an empty one.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from streams.journal.base import (
    Archived,
    Committed,
    Entry,
    Group,
    JournalStore,
    Lookup,
    Reader,
    Store,
    Timer,
    Unit,
)
from streams.journal.errors import JournalRefused
from streams.journal.proof import includes, month_of

AT = 1_760_000_000_000


def name(number: int) -> bytes:
    """A stream or a key of its own."""
    return number.to_bytes(16, "big")


def unit(stream: int, *versions: int, keys: tuple[int, ...] = (), kind: str = "Routed") -> Unit:
    entries = tuple(Entry(name(stream), version, kind, b"{}") for version in versions)
    return Unit(entries, tuple(Lookup(name(key), b"", name(stream)) for key in keys))


def event(number: int, data: bytes = b"sealed") -> Archived:
    return Archived(name(number), b"digest", AT - 5, "violation.recorded", "r-1", data)


def commit(store: JournalStore, *units: Unit) -> Committed:
    return store.commit([Group(units)], AT)[0]


DrawnUnit = tuple[int, int, int]  # stream, first version, how many rows
DrawnGroup = tuple[list[DrawnUnit], list[DrawnUnit], bool]  # units, what look adds, does it fail

drawn_units = st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 2))
drawn_groups = st.tuples(
    st.lists(drawn_units, max_size=4),
    st.lists(drawn_units, max_size=2),
    st.integers(0, 9).map(lambda n: n == 9),
)


def make_unit(base: int, stream: int, first: int, rows: int) -> Unit:
    return unit(base + stream, *range(first, first + rows))


def make_group(base: int, units: list[DrawnUnit], looked: list[DrawnUnit], fails: bool) -> Group:
    def look(_: Reader) -> list[Unit]:
        if fails:
            raise ZeroDivisionError
        return [make_unit(base, *one) for one in looked]

    return Group([make_unit(base, *one) for one in units], look=look)


def place(tops: dict[int, int], rows: list[tuple[int, int]], drawn: DrawnUnit) -> bool:
    stream, first, count = drawn
    if first != tops.get(stream, 0) + 1:
        return False
    tops[stream] = first + count - 1
    rows += [(stream, version) for version in range(first, first + count)]
    return True


class JournalContract:
    class TestVersions:
        def test_rows_come_back_as_they_were_written(self, store: JournalStore) -> None:
            answer = commit(store, unit(1, 1, 2), unit(2, 1))
            assert answer == Committed((True, True), (), (), 3)
            rows = store.read([name(2), name(1), name(9), name(1)])
            assert [(row.pos, row.version) for row in rows[name(1)]] == [(1, 1), (2, 2)]
            assert [(row.pos, row.at_ms, row.type, row.data) for row in rows[name(2)]] == [
                (3, AT, "Routed", b"{}")
            ]
            assert name(9) not in rows
            assert store.head() == 3

        def test_a_taken_version_loses_and_nothing_of_its_unit_is_written(
            self, store: JournalStore
        ) -> None:
            commit(store, unit(1, 1))
            timed = unit(1, 1, 2, keys=(7,))._replace(timers=(Timer(1, name(1), "unknown"),))
            assert commit(store, timed, unit(2, 1)).won == (False, True)
            assert store.read([name(1)])[name(1)][-1].version == 1
            assert store.lookup([(name(7), b"")]) == {}
            assert store.due(AT, 10) == []
            assert store.head() == 2

        def test_a_missing_predecessor_loses(self, store: JournalStore) -> None:
            assert commit(store, unit(1, 2), unit(1, 0)).won == (False, False)
            assert store.head() == 0

        def test_units_of_one_group_build_on_each_other(self, store: JournalStore) -> None:
            assert commit(store, unit(1, 1), unit(1, 2), unit(1, 3, 4)).won == (True,) * 3

        def test_of_two_for_one_version_the_first_wins(self, store: JournalStore) -> None:
            first, second = store.commit(
                [Group([unit(1, 1, kind="First")]), Group([unit(1, 1, kind="Second")])], AT
            )
            assert (first.won, second.won) == ((True,), (False,))
            assert [row.type for row in store.read([name(1)])[name(1)]] == ["First"]

        def test_what_depends_on_a_loser_loses(self, store: JournalStore) -> None:
            commit(store, unit(1, 1))
            assert commit(store, unit(1, 1), unit(1, 3)).won == (False, False)

        @pytest.mark.parametrize(
            "broken",
            [
                unit(1, 1, 3),
                Unit((Entry(name(1), 1, "A", b""), Entry(name(2), 2, "B", b""))),
                Unit((), (Lookup(name(1), b"", name(1)),)),
            ],
        )
        def test_a_unit_that_contradicts_itself_is_refused(
            self, store: JournalStore, broken: Unit
        ) -> None:
            with pytest.raises(JournalRefused):
                commit(store, unit(5, 1), broken)
            assert store.head() == 0

        def test_a_name_of_another_length_is_refused(self, store: JournalStore) -> None:
            with pytest.raises(ValueError, match="16 bytes"):
                commit(store, Unit((Entry(b"short", 1, "A", b""),)))

        def test_since_follows_in_order(self, store: JournalStore) -> None:
            for stream in range(1, 6):
                commit(store, unit(stream, 1))
            assert [row.stream for row in store.since(1, 3)] == [name(2), name(3), name(4)]
            assert store.since(5, 10) == []

    class TestOneTransaction:
        def test_an_effect_changes_with_the_rows(self, store: JournalStore) -> None:
            make_model(store)
            won = unit(1, 1)._replace(effects=(write_model("won"),))
            lost = unit(1, 1)._replace(effects=(write_model("lost"),))
            store.commit([Group([won, lost], effects=[write_model("group")])], AT)
            assert read_model(store) == ["won", "group"]

        @pytest.mark.parametrize("where", ["unit", "group", "look"])
        def test_what_raises_leaves_nothing_behind(self, store: JournalStore, where: str) -> None:
            make_model(store)

            def fail(_: object) -> None:
                raise ZeroDivisionError

            written = unit(1, 1, keys=(7,))._replace(effects=(write_model("x"),))
            groups = {
                "unit": Group([written, unit(2, 1)._replace(effects=(fail,))], [event(1)]),
                "group": Group([written], [event(1)], effects=[fail]),
                "look": Group([written], [event(1)], look=lambda _: [][0]),
            }
            with pytest.raises((ZeroDivisionError, IndexError)):
                store.commit([groups[where]], AT)
            assert store.head() == 0
            assert store.read([name(1)]) == {}
            assert store.counts([name(7)]) == {}
            assert store.archived([name(1)]) == {}
            assert read_model(store) == []
            assert commit(store, unit(1, 1)).pos == 1  # the positions came back, too

        def test_look_sees_the_transaction_and_adds_to_it(self, store: JournalStore) -> None:
            commit(store, unit(1, 1, keys=(7,)))

            def cancel(reader: Reader) -> list[Unit]:
                assert [row.version for row in reader.read([name(2)])[name(2)]] == [1]
                found = reader.lookup([(name(7), b"")])[(name(7), b"")]
                assert found == [name(1), name(3)]
                assert reader.archived([name(1)])[name(1)] == event(1)
                assert reader.counts([name(7)]) == {name(7): 2}
                return [unit(1, 2, kind="Cancelled"), unit(3, 2), unit(1, 2, kind="Late")]

            answers = store.commit(
                [Group([unit(2, 1)], [event(1)], look=cancel), Group([unit(3, 1, keys=(7,))])], AT
            )
            assert answers[0].looked == (unit(1, 2, kind="Cancelled"), unit(3, 2))
            assert [answer.pos for answer in answers] == [5, 5]
            assert [row.type for row in store.read([name(1)])[name(1)]] == ["Routed", "Cancelled"]

        def test_a_later_look_sees_an_earlier_one(self, store: JournalStore) -> None:
            looks = [Group(look=lambda _: [unit(1, 1)]), Group(look=lambda _: [unit(1, 1)])]
            first, second = store.commit(looks, AT)
            assert (len(first.looked), len(second.looked)) == (1, 0)

        def test_nothing_at_all_is_a_commit_too(self, store: JournalStore) -> None:
            assert store.commit([], AT) == []
            assert store.commit([Group()], AT) == [Committed((), (), (), 0)]

    class TestLookups:
        def test_by_key_and_narrowed(self, store: JournalStore) -> None:
            rows = tuple(
                Lookup(name(7), sub, name(stream))
                for sub, stream in [(b"", 1), (b"case", 2), (b"case", 3), (b"another", 4)]
            )
            commit(store, Unit(unit(1, 1).rows, rows))
            every, case, none = (name(7), b""), (name(7), b"case"), (name(8), b"")
            found = store.lookup([every, case, (name(7), b"mismatch"), none, every])
            assert {key: set(streams) for key, streams in found.items()} == {
                every: {name(1), name(2), name(3), name(4)},
                case: {name(2), name(3)},
            }
            assert len(found[every]) == 4
            assert store.counts([name(7), name(8), name(7)]) == {name(7): 4}

        def test_page_by_page_in_order(self, store: JournalStore) -> None:
            rows = [Lookup(name(7), sub, name(n)) for n in (3, 1, 5, 2, 4) for sub in (b"a", b"b")]
            commit(store, Unit(unit(1, 1).rows, tuple(rows)))
            commit(store, Unit(unit(1, 2).rows, (rows[0], Lookup(name(7), b"a", name(6)))))
            commit(store, Unit(unit(1, 3).rows, (Lookup(name(9), b"a", name(4)),)))
            first = store.page([name(7), name(8), name(9), name(7)], b"a", b"", 4)
            assert first == {name(7): [name(n) for n in (1, 2, 3, 4)], name(9): [name(4)]}
            second = store.page([name(7), name(9)], b"a", name(4), 4)
            assert second == {name(7): [name(5), name(6)]}
            assert store.page([name(7)], b"a", name(6), 4) == store.page([], b"a", b"", 4) == {}

        def test_since_a_position(self, store: JournalStore) -> None:
            noted = commit(store, unit(1, 1, keys=(7,))).pos
            commit(store, unit(2, 1, keys=(7, 8)), unit(3, 1, keys=(9,)))
            assert store.lookups_since(noted, [name(7), name(8)]) == {
                name(7): [name(2)],
                name(8): [name(2)],
            }
            assert store.lookups_since(store.head(), [name(7)]) == {}

        def test_the_same_row_again_is_one_row_and_a_new_find(self, store: JournalStore) -> None:
            noted = commit(store, unit(1, 1, keys=(7,))).pos
            commit(store, unit(1, 2, keys=(7,)))
            assert store.counts([name(7)]) == {name(7): 1}
            assert store.lookups_since(noted, [name(7)]) == {name(7): [name(1)]}

        def test_no_keys_no_answer(self, store: JournalStore) -> None:
            assert (
                store.read([]) == store.lookup([]) == store.counts([]) == store.archived([]) == {}
            )

    class TestArchive:
        def test_the_first_of_a_key_wins(self, store: JournalStore) -> None:
            first = store.commit([Group(archive=[event(1), event(2), event(1)])], AT)[0]
            assert first.archived == (True, True, False)
            again = store.commit([Group(archive=[event(2, b"other"), event(3)])], AT)[0]
            assert again.archived == (False, True)
            assert store.archived([name(2), name(9)]) == {name(2): event(2)}

        def test_in_the_order_of_acceptance(self, store: JournalStore) -> None:
            store.commit([Group(archive=[event(3), event(1), event(2)])], AT)
            assert store.archive_since(1, 2) == [(2, event(1)), (3, event(2))]

    class TestGiven:
        """A unit given by an event stands and falls with its group's own archive row of it."""

        def test_loses_whole_when_somebody_archived_the_event_first(
            self, store: JournalStore
        ) -> None:
            make_model(store)
            store.commit([Group(archive=[event(1)])], AT)
            given = unit(1, 1, 2, keys=(7,))._replace(
                given=name(1),
                timers=(Timer(10, name(1), "unknown"),),
                effects=(write_model("given"),),
            )
            answer = store.commit([Group([given, unit(2, 1)], [event(1)])], AT)[0]
            assert (answer.won, answer.archived) == ((False, True), (False,))
            assert store.read([name(1)]) == {}
            assert store.lookup([(name(7), b"")]) == {}
            assert store.next_due_ms() is None
            assert read_model(store) == []
            assert store.head() == 1

        def test_wins_with_the_first_row(self, store: JournalStore) -> None:
            given = unit(1, 1)._replace(given=name(1))
            answer = store.commit([Group([given], [event(1)])], AT)[0]
            assert (answer.won, answer.archived) == ((True,), (True,))

        def test_of_two_groups_in_one_commit_the_first_has_it(self, store: JournalStore) -> None:
            one, other = (Group([unit(n, 1)._replace(given=name(1))], [event(1)]) for n in (1, 2))
            assert [answer.won for answer in store.commit([one, other], AT)] == [(True,), (False,)]

        def test_leaves_the_stream_to_who_comes_after(self, store: JournalStore) -> None:
            store.commit([Group(archive=[event(1)])], AT)
            given = unit(1, 1, kind="Lost")._replace(given=name(1))
            answer = store.commit([Group([given, unit(1, 1, kind="Won")], [event(1)])], AT)[0]
            assert answer.won == (False, True)
            assert [row.type for row in store.read([name(1)])[name(1)]] == ["Won"]

        def test_wins_where_its_event_is_not_the_groups_to_archive(
            self, store: JournalStore
        ) -> None:
            store.commit([Group(archive=[event(1)])], AT)
            given = unit(1, 1)._replace(given=name(1))
            assert store.commit([Group([given], [event(2)])], AT)[0].won == (True,)

    class TestTimers:
        def test_due_oldest_first_until_deleted(self, store: JournalStore) -> None:
            timers = tuple(Timer(due, name(1), "unknown") for due in (30, 10, 20))
            commit(store, unit(1, 1)._replace(timers=timers))
            assert store.next_due_ms() == 10
            assert [timer.due_ms for timer in store.due(20, 9)] == [10, 20]
            assert [timer.due_ms for timer in store.due(30, 1)] == [10]
            store.delete_timers(store.due(20, 9))
            assert store.next_due_ms() == 30
            store.delete_timers(store.due(30, 9))
            assert store.next_due_ms() is None

        def test_a_unit_without_rows_sees_to_its_timers(self, store: JournalStore) -> None:
            again = Unit((), timers=(Timer(10, name(1), "unknown"),))
            assert commit(store, again, again).won == (True, True)
            assert store.due(10, 9) == [Timer(10, name(1), "unknown")]

    class TestModel:
        """Random commits against a dictionary: who wins, which positions, what is there after."""

        @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
        @given(commits=st.lists(st.lists(drawn_groups, max_size=3), max_size=6))
        def test_wins_and_positions(
            self, store: JournalStore, commits: list[list[DrawnGroup]]
        ) -> None:
            base = store.head() * 100 + 1_000  # streams no example before has used
            tops: dict[int, int] = {}
            rows: list[tuple[int, int]] = []
            start = store.head()
            for drawn in commits:
                after, written = dict(tops), list[tuple[int, int]]()
                won = [tuple(place(after, written, one) for one in units) for units, _, _ in drawn]
                added = [
                    tuple(make_unit(base, *one) for one in looked if place(after, written, one))
                    for _, looked, _ in drawn
                ]
                groups = [make_group(base, *group) for group in drawn]
                if any(fails for _, _, fails in drawn):
                    with pytest.raises(ZeroDivisionError):
                        store.commit(groups, AT)
                    continue
                tops, rows = after, rows + written
                pos = start + len(rows)
                assert store.commit(groups, AT) == [
                    Committed(wins, (), looked, pos)
                    for wins, looked in zip(won, added, strict=True)
                ]
            found = [(row.pos, row.stream, row.version) for row in store.since(start, 1_000)]
            assert found == [
                (pos, name(base + stream), version)
                for pos, (stream, version) in enumerate(rows, start + 1)
            ]
            assert list(store.verify()) == []

    class TestChain:
        def test_a_whole_journal_has_no_faults(self, store: JournalStore) -> None:
            assert list(store.verify()) == []
            for number in range(1, 8):
                units = [unit(stream, number) for stream in range(number)]
                store.commit([Group(units, [event(number)])], AT + number)
            assert list(store.verify()) == []

        def test_every_row_is_shown_to_belong(self, store: Store) -> None:
            commit(store, unit(1, 1), unit(2, 1))
            commit(store, unit(3, 1), unit(4, 1), unit(5, 1))
            for pos in range(1, 6):
                proof = store.prove(pos)
                assert [proof.row] == store.since(pos - 1, 1)
                [chain] = store.chains_at(proof.batch.last)
                assert includes(proof, 0, chain)
                assert not includes(proof._replace(row=proof.row._replace(data=b"x")), 0, chain)
            assert store.standing().chain == chain
            for pos in (0, 6):
                with pytest.raises(LookupError):
                    store.prove(pos)

        def test_a_month_of_the_archive_can_go(self, store: Store) -> None:
            month, later = month_of(AT), AT + 40 * 86_400_000
            store.commit([Group([unit(1, 1)], [event(1), event(2)])], AT)
            store.commit([Group([unit(2, 1)], [event(3)])], later)
            assert store.archived_months() == {month: 2, month_of(later): 1}
            assert store.remove_month(month, later, 99) == 2
            assert store.archived_months() == {month_of(later): 1}
            assert [found for _, found in store.archive_since(0, 9)] == [event(3)]
            assert list(store.verify()) == []
            assert store.commit([Group(archive=[event(1)])], later)[0].archived == (True,)
            assert list(store.verify()) == []

        def test_a_month_goes_a_few_at_a_time(self, store: Store) -> None:
            """Commits get between, and what came again meanwhile is another month's."""
            month, later = month_of(AT), AT + 40 * 86_400_000
            store.commit([Group([unit(1, 1)], [event(n) for n in range(5)])], AT)
            assert store.remove_month(month, later, 2) == 2
            assert list(store.verify()) == []
            again = store.commit([Group(archive=[event(n) for n in range(5)])], later)
            assert again[0].archived == (True, True, False, False, False)
            assert [store.remove_month(month, later, 2) for _ in range(3)] == [2, 1, 0]
            assert store.archived_months() == {month_of(later): 2}
            assert store.archived([name(0)]) == {name(0): event(0)}
            assert list(store.verify()) == []


def make_model(store: JournalStore) -> None:
    effect = text("CREATE TABLE model (word TEXT NOT NULL)")
    store.commit([Group(effects=[lambda connection: connection.execute(effect)])], AT)


def write_model(word: str) -> object:
    insert = text("INSERT INTO model VALUES (:word)").bindparams(word=word)
    return lambda connection: connection.execute(insert)


def read_model(store: JournalStore) -> list[str]:
    words: list[str] = []
    select = text("SELECT word FROM model")
    read = Group(effects=[lambda connection: words.extend(connection.scalars(select))])
    store.commit([read], AT)
    return words
