"""Channels that introduce themselves to a carrier before it takes anything. Pure."""

from typing import NamedTuple, Protocol, runtime_checkable


class Refused(NamedTuple):
    """A bind that was refused. ``lasting``: asking again soon changes nothing."""

    reason: str
    lasting: bool


@runtime_checkable
class Binding(Protocol):
    """A channel whose carriers may not let us in."""

    def not_bound(self, lane: str) -> Refused | None:
        """Why no bind of a lane is up; None while one is, or none was tried yet."""
