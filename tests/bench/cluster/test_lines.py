"""A moment of a thread belongs to one line, and what was seen stands for what was spent."""

import ast
import importlib.util
from pathlib import Path

import pytest

from bench.cluster import lines
from bench.cluster.lines import GLUE, NOWHERE, TABLE, between, line_of, per_line

ROOT = Path(__file__).parents[3]
OURS = ("streams", "templates", "channels", "preferences", "hub")


def at(*stack: str) -> str:
    """The line of a stack written as module:function, innermost first."""
    return line_of(
        (module, function, "") for module, _, function in (x.partition(":") for x in stack)
    )


class TestLine:
    def test_the_innermost_function_that_is_known_decides(self) -> None:
        route = "streams.pipeline.route:route"
        assert at("streams.core.routing:decide", route) == lines.DECIDE
        assert at("psycopg.cursor:Cursor.execute", "streams.people:SqlPeople._load") == lines.READS

    def test_a_function_is_closer_than_its_module(self) -> None:
        assert at("streams.pipeline.route:_decide") == lines.DECIDE
        assert at("streams.pipeline.route:_find") == lines.READS

    def test_what_is_defined_inside_belongs_to_what_is_around(self) -> None:
        assert at("streams.pipeline.route:_find.<locals>.<listcomp>") == lines.READS

    def test_what_is_passed_over_belongs_to_its_caller(self) -> None:
        hashed = "streams.core.identity:digest"
        assert at(hashed, "streams.pipeline.dispatch:_accepted") == lines.LOOKUPS
        assert at(hashed, "streams.pipeline.deciding:judge") == lines.DECIDE

    @pytest.mark.parametrize(
        ("table", "line"), [("lookup", lines.LOOKUPS), ("journal", lines.JOURNAL)]
    )
    def test_rows_belong_to_the_table_they_go_to(self, table: str, line: str) -> None:
        copied = ("streams.postgres", "insert_rows", table)
        assert line_of([copied, ("streams.journal.postgres", "_Transaction._insert", "")]) == line

    def test_a_loop_with_nothing_else_is_glue(self) -> None:
        assert at("asyncio.events:Handle._run", "uvloop:run") == GLUE
        assert at("asyncio.tasks:sleep", "aiokafka.consumer.fetcher:Fetcher._fetch") == lines.KAFKA
        assert at("somewhere:else") == NOWHERE


def test_every_name_of_the_table_is_there() -> None:
    """One that was renamed would hand its CPU to another line, and nobody would see it."""
    missing = [name for name in TABLE if name.split(".")[0] in OURS and not _is_there(name)]
    assert missing == []


def _is_there(name: str) -> bool:
    module, _, function = name.partition(":")
    spec = importlib.util.find_spec(module)
    if spec is None:
        return False
    if not function:
        return True
    assert spec.origin is not None
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    for part in function.split("."):
        found = [
            one
            for one in body
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and one.name == part
        ]
        if not found:
            return False
        body = found[0].body
    return True


class TestSamples:
    def test_what_was_seen_stands_for_all_that_was_spent(self) -> None:
        before = {"loop": {"journal": 4.0, "total": 100.0}}
        after = {"loop": {"journal": 7.0, "sealing": 1.0, "total": 500.0}}
        assert between(before, after) == {"journal": 300.0, "sealing": 100.0}

    def test_a_thread_that_was_not_seen_spent_it_nowhere(self) -> None:
        assert between({}, {"loop": {"total": 50.0}}) == {NOWHERE: 50.0}

    def test_threads_are_scaled_each_by_its_own_clock(self) -> None:
        after = {"a": {"journal": 1.0, "total": 10.0}, "b": {"sealing": 9.0, "total": 10.0}}
        assert between({}, after) == {"journal": 10.0, "sealing": 10.0}

    def test_lines_are_for_each_notification_over_all_processes(self) -> None:
        found = per_line([{lines.JOURNAL: 30.0}, {lines.JOURNAL: 10.0, GLUE: 2.0}], 4)
        assert (found[lines.JOURNAL], found[GLUE], found[lines.SEALING]) == (10.0, 0.5, 0.0)
