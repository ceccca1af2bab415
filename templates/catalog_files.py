"""Reads a folder of notices into a :class:`Catalog`, or builds one from texts held elsewhere."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from templates.bodies import BODY_FILES, BodyKey
from templates.errors import CatalogRefused
from templates.misread import misread
from templates.notice import EventType, Notice, Sender, Variable
from templates.notice_toml import Declaration, among, parse_notice, parse_senders, variables_of

SEED = Path(__file__).parent / "catalog"
"""The catalog the hub is delivered with; published wording replaces it notice by notice."""

MAX_FILE = 64 * 1024  # bytes: many times any body's limit

_OTHER_FILES = ("notice.toml", "sample.json")


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``sample.json``: a recipient's name and one full ``data`` object of the first trigger.

    ``more`` holds ``data`` objects of the other triggers, or of the same with other branches.
    """

    name: str
    data: dict[str, object]
    more: tuple[dict[str, object], ...] = ()


class Catalog(msgspec.Struct, frozen=True):
    """Every notice, by id; every upstream event type they name; who signs.

    ``files`` are a notice's texts by file name, as read; ``bodies`` the same by language and part.
    """

    notices: dict[str, Notice]
    event_types: dict[str, EventType]
    senders: dict[str, Sender]
    files: dict[str, dict[str, str]]
    bodies: dict[str, dict[BodyKey, str]]
    samples: dict[str, Sample]
    by_trigger: dict[str, tuple[Notice, ...]]
    by_stop: dict[str, tuple[Notice, ...]]

    def triggered_by(self, event_type: str) -> tuple[Notice, ...]:
        """The notices an event of this type may cause."""
        return self.by_trigger.get(event_type, ())

    def stopped_by(self, event_type: str) -> tuple[Notice, ...]:
        """The notices an event of this type settles."""
        return self.by_stop.get(event_type, ())

    def variables(self, notice_id: str) -> dict[str, Variable]:
        """What the bodies of a notice may use of its events."""
        return variables_of(self.notices[notice_id], self.event_types)


def read_catalog(folder: Path = SEED) -> Catalog:
    """The catalog in ``folder``; raises :class:`CatalogRefused` naming file and key."""
    senders = folder / "senders.toml"
    if not senders.is_file():
        raise CatalogRefused("senders.toml", "", f"not found in {folder}")
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    return build_catalog({path.name: _read_folder(path) for path in folders}, _read(senders))


def build_catalog(
    folders: Mapping[str, Mapping[str, str]], senders: str | Mapping[str, Sender]
) -> Catalog:
    """A catalog from texts: a notice's files by name, and ``senders.toml`` (or what it says).
    Pure."""
    known_senders = parse_senders(senders) if isinstance(senders, str) else dict(senders)
    declared = {name: parse_folder(name, files) for name, files in folders.items()}
    notices = {name: declaration.notice for name, declaration in declared.items()}
    for notice in notices.values():
        check_sender(notice, known_senders)
    return Catalog(
        notices=notices,
        event_types=_agreed(declared),
        senders=known_senders,
        files={name: dict(files) for name, files in folders.items()},
        bodies={name: bodies_of(files) for name, files in folders.items()},
        samples={name: parse_sample(name, files) for name, files in folders.items()},
        by_trigger=_index((name, n) for n in notices.values() for name in n.triggers),
        by_stop=_index((name, n) for n in notices.values() for name in n.stops),
    )


def parse_folder(notice_id: str, files: Mapping[str, str]) -> Declaration:
    """The declaration of one notice, from its files by name; a file of another name is refused."""
    for name in sorted(files.keys() - {*_OTHER_FILES, *BODY_FILES}):
        known = ", ".join((*_OTHER_FILES, *sorted(BODY_FILES)))
        raise CatalogRefused(f"{notice_id}/{name}", "", f"is no file of a notice: {known}")
    if "notice.toml" not in files:
        raise CatalogRefused(f"{notice_id}/notice.toml", "", "is missing")
    return parse_notice(notice_id, files["notice.toml"])


def parse_sample(notice_id: str, files: Mapping[str, str]) -> Sample:
    """``sample.json`` of a notice; whether it fits the declared types is the lint's matter."""
    file = f"{notice_id}/sample.json"
    if "sample.json" not in files:
        raise CatalogRefused(file, "", "is missing")
    try:
        return msgspec.json.decode(files["sample.json"], type=Sample)
    except msgspec.ValidationError as error:
        found = misread(str(error), shape=Sample)
        raise CatalogRefused(file, found.field, str(found)) from None
    except msgspec.DecodeError as error:
        raise CatalogRefused(file, "", f"expected JSON: {error}") from None


def check_sender(notice: Notice, senders: Mapping[str, Sender]) -> None:
    """Whoever signs is one of ``senders``."""
    if notice.sender not in senders:
        expected = among("a sender of senders.toml", sorted(senders), notice.sender)
        raise CatalogRefused(f"{notice.id}/notice.toml", "notice.sender", expected)


def bodies_of(files: Mapping[str, str]) -> dict[BodyKey, str]:
    """The bodies among a notice's files."""
    return {BODY_FILES[name]: text for name, text in files.items() if name in BODY_FILES}


def _agreed(declared: Mapping[str, Declaration]) -> dict[str, EventType]:
    types: dict[str, EventType] = {}
    owner: dict[str, str] = {}
    for notice_id, declaration in declared.items():
        for name, kind in declaration.events.items():
            if types.setdefault(name, kind) != kind:
                raise CatalogRefused(
                    f"{notice_id}/notice.toml",
                    f"event {name}.{_difference(kind, types[name])}",
                    f"is declared otherwise in {owner[name]}/notice.toml",
                )
            owner.setdefault(name, notice_id)
    return types


def _difference(one: EventType, other: EventType) -> str:
    """Where two declarations of a type differ first."""
    for field in one.data | other.data:
        if one.data.get(field) != other.data.get(field):
            return f"data.{field}"
    return "doc" if one.correlation == other.correlation else "correlation"


def _index(pairs: Iterable[tuple[str, Notice]]) -> dict[str, tuple[Notice, ...]]:
    index: dict[str, tuple[Notice, ...]] = {}
    for name, notice in pairs:
        index[name] = (*index.get(name, ()), notice)
    return index


def _read_folder(folder: Path) -> dict[str, str]:
    return {path.name: _read(path) for path in sorted(folder.iterdir())}


def _read(path: Path) -> str:
    file = f"{path.parent.name}/{path.name}"
    if not path.is_file() or path.stat().st_size > MAX_FILE:
        raise CatalogRefused(file, "", f"is no file of at most {MAX_FILE} bytes")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CatalogRefused(file, "", "is not UTF-8") from None
