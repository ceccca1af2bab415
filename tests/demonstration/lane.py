"""What a demonstration needs of a lane: a peer that counts by itself, and people it reaches."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from hub.bootstrap import Hub

HUB_FOLDER = "hub"
"""The hub's own folder, beside those of the lanes."""

DOCUMENT = "gov.traffic.document.posted.v1"
VIOLATION = "gov.traffic.violation.recorded.v1"


class Taken(NamedTuple):
    """How many messages, and in how many parts; 0 where it counts none."""

    messages: int
    parts: int = 0


class DemoLane(ABC):
    """One lane and its peer."""

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir()

    def lacks(self) -> str | None:
        """What this machine has not got for the peer; None: everything."""
        return None

    @abstractmethod
    def start(self, clock: Path, door: str) -> None:
        """Returns when the peer listens. ``clock`` is the file of the time that all share, and
        ``door`` where the hub is called back."""

    @abstractmethod
    def toml(self) -> str:
        """The lane as the lanes file has it, once the peer is started."""

    @abstractmethod
    def taken(self) -> Taken:
        """What the peer took, by its own count; also after its end."""

    @abstractmethod
    def stop(self) -> None: ...

    def environment(self) -> Mapping[str, str]:
        """Secrets of the lane, and settings of the hub."""
        return {}

    @abstractmethod
    def person(self, n: int) -> Mapping[str, Any]:
        """How the ``n``-th person is reached: this lane, and no other, leads to them."""

    reports: ClassVar[bool] = True
    """Whether its provider says what became of a message."""

    async def prepare(self, hub: Hub, ref: str) -> None:  # noqa: B027 - most do nothing
        """What somebody does before anything happens to them, once they are registered."""

    def case(self, n: int) -> tuple[str, Mapping[str, Any]]:
        """What happens to the ``n``-th person: every second time in more words than one part of a
        text message holds."""
        return violation(n) if n % 2 else document(n)


def document(n: int) -> tuple[str, dict[str, Any]]:
    """A notice of one part."""
    data = {
        "document": "驾驶证", "courier": "邮政", "posted_on": "2026-11-23",
        "application_no": f"A{n:07d}", "tracking_no": f"E{n:07d}",
    }  # fmt: skip
    return DOCUMENT, data


def violation(n: int) -> tuple[str, dict[str, Any]]:
    """A notice of two parts."""
    data = {
        "violation_no": f"{n:016d}", "plate": "闽A12345", "place": "五四路与湖东路交叉口",
        "occurred_at": "2026-11-20T08:30:00+08:00", "offence": "机动车违反规定停放",
        "fine": 15000, "points": 0,
    }  # fmt: skip
    return VIOLATION, data
