"""Recipients in a file: the rows of a CSV, each read as a registration.

The first line names the columns, in any order (:data:`COLUMNS`); ``role:NAME`` is one column for
each role of an enterprise. A row that cannot be read is answered with a fault and does not stop
the file.
"""

import csv
from collections.abc import Iterable, Iterator
from typing import NamedTuple, get_args

from preferences.intake import CONTACTS_MAX, Person, RecipientRegistered
from preferences.recipient import RecipientKind
from preferences.rules import CHINA

KINDS: tuple[RecipientKind, ...] = get_args(RecipientKind)
PHONES = ("phone", *(f"phone{i}" for i in range(2, CONTACTS_MAX + 1)))
EMAILS = ("email", *(f"email{i}" for i in range(2, CONTACTS_MAX + 1)))
ROLE = "role:"

COLUMNS: dict[str, str] = {
    "ref": "the authority's own opaque reference; required",
    "kind": f"{', '.join(KINDS)}; required",
    "name": "required",
    **dict.fromkeys(PHONES, "a telephone number, tried in the order of the columns"),
    **dict.fromkeys(EMAILS, "an e-mail address, tried in the order of the columns"),
    "region": "province or city code",
    "zone": "time zone; empty: Asia/Shanghai",
    "language": "zh or en, also as en-GB; another tag, or empty: the hub's default",
    "role:NAME": "the reference of an enterprise's contact person in the role NAME",
    "alias": "other references that mean the same recipient, separated by ;",
    "attributes": "name=value, separated by ;",
}
"""Every column and what it holds."""

REQUIRED = ("ref", "kind", "name")


class SheetRow(NamedTuple):
    """One row: the line on which it ends, and the registration it holds."""

    line: int
    data: RecipientRegistered


class RowFault(NamedTuple):
    """Why a row cannot be read; ``column`` is "" where it is the row as a whole."""

    line: int
    column: str
    expected: str


def read_csv(lines: Iterable[str]) -> Iterator[SheetRow | RowFault]:
    """Each row of the file, or its fault; nothing after a first line that cannot be understood.

    A byte order mark is passed over, and so are empty rows.
    """
    header: list[str] = []
    for line, row in _rows(lines):
        if row is None:
            yield RowFault(line, "", "quotes around a whole field, doubled inside it")
        elif not header:
            header = [column.strip() for column in row]
            if faults := _header_faults(header):
                yield from faults
                return
        elif any(row):
            yield _registration(line, header, row)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str] | None]]:
    """Each row and the line it ends on; None for one whose quotes go wrong: the next line then
    begins a new one."""
    reader = csv.reader(_without_mark(lines), strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield reader.line_num, None
        else:
            yield reader.line_num, row


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    for i, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if i == 0 else line


def _header_faults(header: list[str]) -> list[RowFault]:
    known = COLUMNS.keys() - {"role:NAME"}
    faults = [
        RowFault(1, column, f"one of {', '.join(COLUMNS)}")
        for column in header
        if column not in known and not column.startswith(ROLE)
    ]
    faults += [
        RowFault(1, c, "each column once") for c in dict.fromkeys(header) if header.count(c) > 1
    ]
    faults += [RowFault(1, c, "this column is required") for c in REQUIRED if c not in header]
    return faults


def _registration(line: int, header: list[str], row: list[str]) -> SheetRow | RowFault:
    if len(row) != len(header):
        return RowFault(line, "", f"{len(header)} fields, as the first line has")
    cells = {column: cell.strip() for column, cell in zip(header, row, strict=True)}
    for column in REQUIRED:
        if not cells[column]:
            return RowFault(line, column, "a value")
    kind = next((kind for kind in KINDS if kind == cells["kind"]), None)
    if kind is None:
        return RowFault(line, "kind", f"one of {', '.join(KINDS)}")
    attributes = _attributes(cells.get("attributes", ""))
    if attributes is None:
        return RowFault(line, "attributes", COLUMNS["attributes"])
    data = RecipientRegistered(
        ref=cells["ref"],
        kind=kind,
        name=cells["name"],
        phones=_filled(cells, PHONES),
        emails=_filled(cells, EMAILS),
        persons=tuple(
            Person(column.removeprefix(ROLE), ref)
            for column, ref in cells.items()
            if ref and column.startswith(ROLE)
        ),
        aliases=_listed(cells.get("alias", "")),
        region=cells.get("region", ""),
        zone=cells.get("zone") or CHINA,
        language=cells.get("language", ""),
        attributes=attributes,
    )
    return SheetRow(line, data)


def _filled(cells: dict[str, str], columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cells[column] for column in columns if cells.get(column))


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())


def _attributes(cell: str) -> dict[str, str] | None:
    """The pairs of a cell; None when one has no name or a name comes twice."""
    pairs = [part.partition("=") for part in _listed(cell)]
    attributes = {name.strip(): value.strip() for name, _, value in pairs}
    if len(attributes) < len(pairs) or any(not name.strip() or not eq for name, eq, _ in pairs):
        return None
    return attributes
