"""Recipients in a file."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from preferences.intake import Person, RecipientRegistered
from preferences.sheet import COLUMNS, RowFault, SheetRow, read_csv


def read(text: str) -> list[SheetRow | RowFault]:
    return list(read_csv(io.StringIO(text, newline="")))


def test_every_column() -> None:
    rows = read(
        "\ufeffref,kind,name,phone,phone2,email,region,zone,language,role:filing,role:legal,alias,"
        "attributes\r\n"
        'e-1,enterprise,"化工厂, 福州",13800138000,059187654321,a@b.cn,350100,Asia/Urumqi,zh,r-li,,'
        "12123/1; old-7,grade=A; since=2020\r\n"
    )
    assert rows == [
        SheetRow(
            2,
            RecipientRegistered(
                ref="e-1",
                kind="enterprise",
                name="化工厂, 福州",
                phones=("13800138000", "059187654321"),
                emails=("a@b.cn",),
                persons=(Person("filing", "r-li"),),
                aliases=("12123/1", "old-7"),
                region="350100",
                zone="Asia/Urumqi",
                language="zh",
                attributes={"grade": "A", "since": "2020"},
            ),
        )
    ]


def test_the_order_of_columns_is_free_and_empty_rows_are_passed_over() -> None:
    rows = read("name,zone,ref,kind\n王,,r-1,person\n\n,,,\n李,,r-2,officer\n")
    assert rows == [
        SheetRow(2, RecipientRegistered("r-1", "person", "王")),
        SheetRow(5, RecipientRegistered("r-2", "officer", "李")),
    ]


def test_a_faulty_row_does_not_stop_the_file() -> None:
    rows = read(
        "ref,kind,name,attributes\n"
        "r-1,robot,王,\n"
        "r-2,person\n"
        ",person,王,\n"
        "r-4,person,王,colour\n"
        "r-5,person,王,a=1;a=2\n"
        'r-6,person,"王"小明,\n'
        "r-7,person,王,\n"
    )
    assert [(row.line, row.column) for row in rows if isinstance(row, RowFault)] == [
        (2, "kind"),
        (3, ""),
        (4, "ref"),
        (5, "attributes"),
        (6, "attributes"),
        (7, ""),
    ]
    assert rows[-1] == SheetRow(8, RecipientRegistered("r-7", "person", "王"))


def test_a_first_line_that_is_not_understood_ends_it() -> None:
    assert read("ref,kind,phone,phone,idcard\nr-1,person,1,2,3\n") == [
        RowFault(1, "idcard", f"one of {', '.join(COLUMNS)}"),
        RowFault(1, "phone", "each column once"),
        RowFault(1, "name", "this column is required"),
    ]
    assert read("ref，kind，name\n")[0] == RowFault(
        1, "ref，kind，name", f"one of {', '.join(COLUMNS)}"
    )
    assert read("") == []


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n")).map(str.strip)


@given(st.lists(st.tuples(CELL.filter(bool), CELL.filter(bool), CELL), max_size=5))
def test_what_a_spreadsheet_writes_is_read(cells: list[tuple[str, str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(
        [("ref", "name", "region", "kind"), *((*row, "person") for row in cells)]
    )
    assert [row.data for row in read(text.getvalue()) if isinstance(row, SheetRow)] == [
        RecipientRegistered(ref, "person", name, region=region) for ref, name, region in cells
    ]
