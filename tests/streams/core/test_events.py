"""The vocabulary: every event says what it is, and whether it is a fact or a decision."""

from typing import get_args

import msgspec
import pytest

from streams.core import events
from streams.core.codec import TYPES
from streams.core.events import Base, Event, JournalEvent, Step

EVERY_TYPE = pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)

DECISIONS = {
    "Routed", "Held", "Suppressed", "Released", "Escalated", "AttemptIntended", "Cancelled",
    "Expired", "Failed", "Unknown", "Unconfirmed", "NoReceipt", "Shifted",
}  # fmt: skip
"""What holds only at the version it was made at; everything else happened, and is never refused."""


def structs() -> list[type[msgspec.Struct]]:
    return [
        x for x in vars(events).values()
        if isinstance(x, type) and issubclass(x, msgspec.Struct) and x.__module__ == events.__name__
    ]  # fmt: skip


@pytest.mark.parametrize("struct", structs())
def test_every_struct_says_what_it_is(struct: type[msgspec.Struct]) -> None:
    assert (struct.__doc__ or "").strip().endswith((".", "`)."))


@pytest.mark.parametrize("struct", structs())
def test_every_struct_is_frozen_and_closed(struct: type[msgspec.Struct]) -> None:
    assert struct.__struct_config__.frozen
    assert struct.__struct_config__.forbid_unknown_fields


def test_every_event_is_in_the_union() -> None:
    parts = {events.Base, events.Head, events.Route, events.Moved, events.Step}
    journalled = {x for x in structs() if issubclass(x, Base)} - parts
    assert journalled == set(get_args(JournalEvent))


def test_an_upstream_event_is_never_a_journal_row() -> None:
    assert not issubclass(Event, Base)


@EVERY_TYPE
def test_facts_and_decisions_are_told_apart(kind: type[Base]) -> None:
    assert (kind.__name__ not in DECISIONS) == kind.FACT
    word = "Fact" if kind.FACT else "Decision"
    assert (kind.__doc__ or "").startswith(f"{word}: ")


@EVERY_TYPE
def test_what_follows_the_first_row_of_a_leg_says_from_where_it_moves(kind: type[Base]) -> None:
    about_a_leg = kind.__name__ in DECISIONS or "attempt" in kind.__struct_fields__
    of_others = (events.Routed, events.Shifted)  # the first row, and a lane's
    assert issubclass(kind, Step) == (about_a_leg and kind not in of_others)


@EVERY_TYPE
def test_has_a_version(kind: type[Base]) -> None:
    assert kind.SCHEMA >= 1
