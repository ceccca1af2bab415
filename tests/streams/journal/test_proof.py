"""The proof finds what was altered, whoever altered it and however."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from streams.journal.base import Group
from streams.journal.proof import (
    archive_leaf,
    check_checkpoints,
    climb,
    includes,
    leaf,
    month_of,
    path,
    root,
    write_checkpoint,
)
from streams.journal.sqlite import SHARD, SqliteStore
from tests.contracts.journal_contract import AT, event, unit

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
COMMITS = (3, 1, 4, 1, 5)  # rows a commit; two archive rows each
ROWS = sum(COMMITS)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def rfc6962_root(leaves: list[bytes]) -> bytes:
    """The definition as the RFC words it, to hold ours to."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1" + rfc6962_root(leaves[:split]) + rfc6962_root(leaves[split:]))


class TestTree:
    @pytest.mark.parametrize("size", range(40))
    def test_the_root_is_the_rfc_s_and_every_leaf_leads_to_it(self, size: int) -> None:
        leaves = [sha(bytes([index])) for index in range(size)]
        top = root(leaves)
        assert top == rfc6962_root(leaves)
        for index in range(size):
            way = path(leaves, index)
            assert climb(leaves[index], index, size, way) == top
            assert climb(sha(b"another"), index, size, way) != top
            assert not way or climb(leaves[index], index, size, way[:-1]) != top
            with pytest.raises(ValueError, match="longer"):
                climb(leaves[index], index, size, (*way, top))

    def test_fields_do_not_run_into_each_other(self, whole: SqliteStore) -> None:
        row, archived = whole.since(0, 1)[0], whole.archive_since(0, 1)[0][1]
        assert leaf(row._replace(type="Rout", data=b"ed" + row.data)) != leaf(row)
        moved = archived._replace(type=archived.type + archived.recipient, recipient="")
        assert archive_leaf(1, moved) != archive_leaf(1, archived)

    @pytest.mark.parametrize(
        ("at_ms", "month"),
        [(0, 197001), (1_764_547_199_999, 202511), (1_764_547_200_000, 202512)],
    )
    def test_months(self, at_ms: int, month: int) -> None:
        assert month_of(at_ms) == month


def build(file: Path) -> SqliteStore:
    store = SqliteStore(file)
    stream = 0
    for number, rows in enumerate(COMMITS):
        units = [unit(stream + n, 1) for n in range(rows)]
        stream += rows
        archive = [event(10 * number), event(10 * number + 1)]
        store.commit([Group(units, archive)], AT + number)
    return store


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[SqliteStore]:
    store = build(tmp_path / "journal.db")
    yield store
    store.close()


def in_the_file(store: SqliteStore, position: int) -> list[Any]:
    """A row as it is stored, whatever this process remembers of it."""
    with store.readers.connect() as connection:
        found = connection.exec_driver_sql("SELECT * FROM journal WHERE pos = ?", (position,))
        return list(found.all())


def tamper(store: SqliteStore, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """What somebody with the file and without the hub can do: no trigger stops them."""
    with store.transaction() as connection:
        triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        for trigger in list(connection.exec_driver_sql(triggers).scalars()):
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        for sql, values in statements:
            connection.exec_driver_sql(sql, values)


class TestAppendOnly:
    @pytest.mark.parametrize("table", ["journal", "journal_batch", "archive"])
    @pytest.mark.parametrize("sql", ["DELETE FROM {}", "UPDATE {} SET at_ms = 0"])
    def test_rows_stay(self, whole: SqliteStore, table: str, sql: str) -> None:
        with pytest.raises(Exception, match="append-only"), whole.transaction() as connection:
            connection.exec_driver_sql(sql.format(table))

    def test_a_month_of_the_archive_can_go(self, whole: SqliteStore) -> None:
        later = AT + 40 * 86_400_000
        whole.commit([Group([unit(500, 1)], [event(500)])], later)
        assert whole.remove_month(month_of(AT), later, 99) == 2 * len(COMMITS)
        assert [found for _, found in whole.archive_since(0, 99)] == [event(500)]
        assert list(whole.verify()) == []
        assert whole.commit([Group(archive=[event(501)])], later)[0].archived == (True,)
        assert list(whole.verify()) == []


columns = st.sampled_from(
    [
        ("stream", st.binary(max_size=20)),
        ("version", st.integers(-(2**63), 2**63 - 1)),
        ("type", st.binary(max_size=8)),
        ("at_ms", st.integers(-(2**63), 2**63 - 1)),
        ("data", st.binary(max_size=8)),
    ]
)
values = columns.flatmap(lambda column: st.tuples(st.just(column[0]), column[1]))
positions = st.integers(1, ROWS)


class TestTampering:
    """Every test alters one thing; `verify` must name where."""

    def test_whole(self, whole: SqliteStore) -> None:
        assert list(whole.verify()) == []

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(position=positions, change=values)
    def test_a_changed_row(
        self, tmp_path_factory: pytest.TempPathFactory, position: int, change: tuple[str, Any]
    ) -> None:
        store = build(tmp_path_factory.mktemp("journal") / "journal.db")
        column, value = change
        before = in_the_file(store, position)
        cast = "CAST(? AS TEXT)" if column == "type" else "?"
        sql = f"UPDATE OR IGNORE journal SET {column} = {cast} WHERE pos = ?"
        tamper(store, (sql, (value, position)))
        try:
            changed = in_the_file(store, position) != before
        except OperationalError:  # no longer UTF-8: certainly changed
            changed = True
        assert list(store.verify()) == ([f"row {position} was altered"] if changed else [])
        store.close()

    @pytest.mark.parametrize("position", range(1, ROWS))
    def test_a_deleted_row(self, whole: SqliteStore, position: int) -> None:
        tamper(whole, ("DELETE FROM journal WHERE pos = ?", (position,)))
        assert list(whole.verify()) == [f"row {position} is missing"]

    @pytest.mark.parametrize(("one", "other"), [(1, 2), (1, 5), (4, 14), (10, 11)])
    def test_swapped_rows(self, whole: SqliteStore, one: int, other: int) -> None:
        move = "UPDATE journal SET pos = ? WHERE pos = ?"
        tamper(whole, (move, (0, one)), (move, (one, other)), (move, (other, 0)))
        assert list(whole.verify()) == [f"row {pos} was altered" for pos in (one, other)]

    @pytest.mark.parametrize("position", [-7, 0, ROWS + 1])
    def test_an_added_row(self, whole: SqliteStore, position: int) -> None:
        row = (position, b"another stream!!", 1, "Routed", AT, b"{}")
        tamper(whole, ("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", row))
        [fault] = whole.verify()
        assert f"row {position} lies" in fault

    @pytest.mark.parametrize("position", range(1, 2 * len(COMMITS) + 1))
    def test_the_archive(self, whole: SqliteStore, position: int) -> None:
        tamper(whole, ("UPDATE archive SET recipient = 'r-2' WHERE number = ?", (position,)))
        assert list(whole.verify()) == [f"archive row {position} was altered"]
        tamper(whole, ("DELETE FROM archive WHERE number = ?", (position,)))
        assert list(whole.verify()) == [f"archive row {position} is missing"]

    @pytest.mark.parametrize("column", ["first", "last", "at_ms", "root", "chain", "number"])
    @pytest.mark.parametrize("number", range(1, len(COMMITS) + 1))
    def test_a_changed_commit(self, whole: SqliteStore, column: str, number: int) -> None:
        other = "zeroblob(32)" if column in ("root", "chain") else f"{column} + 100"
        tamper(whole, (f"UPDATE journal_batch SET {column} = {other} WHERE number = ?", (number,)))
        assert list(whole.verify())

    @pytest.mark.parametrize("number", range(1, len(COMMITS) + 1))
    def test_a_deleted_commit(self, whole: SqliteStore, number: int) -> None:
        tamper(whole, ("DELETE FROM journal_batch WHERE number = ?", (number,)))
        assert list(whole.verify())

    def test_a_row_and_its_mark(self, whole: SqliteStore) -> None:
        """Who knows about marks hides which row it was, not that it was."""
        mark = leaf(whole.since(1, 1)[0]._replace(data=b"forged"))[:4]
        marks = "CAST(substr(marks, 1, 4) || ? || substr(marks, 9) AS BLOB)"
        tamper(
            whole,
            ("UPDATE journal SET data = ? WHERE pos = 2", (b"forged",)),
            (f"UPDATE journal_batch SET marks = {marks} WHERE number = 1", (mark,)),
        )
        [fault] = whole.verify()
        assert fault.startswith("rows 1 to 3 ")

    @pytest.mark.parametrize("keep", range(ROWS))
    def test_a_truncated_journal(self, whole: SqliteStore, keep: int) -> None:
        tamper(whole, ("DELETE FROM journal WHERE pos > ?", (keep,)))
        assert f"row {keep + 1} is missing" in list(whole.verify())


class TestCheckpoints:
    def faults(self, store: SqliteStore, file: Path) -> list[str]:
        return list(check_checkpoints(file, SHARD, KEY.public_key(), store.chains_at))

    @pytest.fixture
    def file(self, whole: SqliteStore, tmp_path: Path) -> Path:
        file = tmp_path / "checkpoints.txt"
        for number in range(3):
            write_checkpoint(file, SHARD, whole.standing(), KEY)
            whole.commit([Group([unit(700 + number, 1)])], AT + 100)
        return file

    def test_a_journal_that_went_on_keeps_its_checkpoints(
        self, whole: SqliteStore, file: Path
    ) -> None:
        assert self.faults(whole, file) == []
        assert list(whole.verify()) == []

    def test_the_form_is_a_signed_note(self, whole: SqliteStore, file: Path) -> None:
        origin, size, _, empty, signature, *_ = file.read_text().split("\n")
        assert (origin, size, empty) == ("fenghuo/journal/0", str(ROWS), "")
        assert signature.startswith("— fenghuo ")

    def test_a_journal_truncated_with_its_commits_and_head_is_found_out(
        self, whole: SqliteStore, file: Path
    ) -> None:
        chain = whole.chains_at(ROWS)[0]
        tamper(
            whole,
            ("DELETE FROM journal WHERE pos > ?", (ROWS,)),
            ("DELETE FROM journal_batch WHERE last > ?", (ROWS,)),
            ("UPDATE journal_head SET pos = ?, chain = ?", (ROWS, chain)),
        )
        assert list(whole.verify()) == []  # nothing inside can tell
        assert self.faults(whole, file) == [
            f"the journal is not what checkpoint 2 saw at row {ROWS + 1}",
            f"the journal is not what checkpoint 3 saw at row {ROWS + 2}",
        ]

    def test_a_journal_written_anew_is_found_out(self, file: Path, tmp_path: Path) -> None:
        store = SqliteStore(tmp_path / "anew.db")
        store.commit([Group([unit(n, 1, kind="Forged") for n in range(ROWS)])], AT)
        assert list(store.verify()) == []
        assert len(self.faults(store, file)) == 3
        store.close()

    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            (f"\n{ROWS}\n", f"\n{ROWS - 1}\n", "has no valid signature"),
            ("journal/0", "journal/1", "is not a note of this shard"),
            ("— fenghuo ", "— fenghuo x", "has no valid signature"),
        ],
    )
    def test_an_altered_note(
        self, whole: SqliteStore, file: Path, old: str, new: str, fault: str
    ) -> None:
        file.write_text(file.read_text().replace(old, new, 1))
        assert self.faults(whole, file) == [f"checkpoint 1 {fault}"]

    def test_a_note_cut_short(self, whole: SqliteStore, file: Path) -> None:
        file.write_text(file.read_text()[:-80])
        [fault] = self.faults(whole, file)
        assert fault.startswith("checkpoint 3 ")

    def test_another_key(self, whole: SqliteStore, file: Path) -> None:
        other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
        faults = list(check_checkpoints(file, SHARD, other, whole.chains_at))
        assert faults == [f"checkpoint {n} has no valid signature" for n in (1, 2, 3)]


class TestInclusion:
    @pytest.mark.parametrize("position", range(1, ROWS + 1))
    def test_every_row_is_shown_to_belong(self, whole: SqliteStore, position: int) -> None:
        proof = whole.prove(position)
        assert proof.row == whole.since(position - 1, 1)[0]
        chain = whole.chains_at(proof.batch.last)[0]
        assert includes(proof, SHARD, chain)
        assert not includes(proof._replace(row=proof.row._replace(data=b"x")), SHARD, chain)
        assert not includes(proof._replace(row=proof.row._replace(pos=99)), SHARD, chain)
        assert not includes(proof._replace(path=(*proof.path, chain)), SHARD, chain)
        assert not includes(proof._replace(previous=bytes(32)), SHARD, chain) or position <= 3

    @pytest.mark.parametrize("position", [0, -1, ROWS + 1])
    def test_no_such_row(self, whole: SqliteStore, position: int) -> None:
        with pytest.raises(LookupError):
            whole.prove(position)
