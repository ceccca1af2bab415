"""What the journal says of a lane: who steered it, what its breaker moved, what was refused. Pure.

A lane has a stream of its own; ``fold(rows)`` is the only way its standing is known.
"""

from collections.abc import Iterable

from channels.lanes import WHOLE, Standing
from streams.core import events as e
from streams.core.identity import named_stream
from streams.core.lifecycle import Journalled

LANE = "lane"


def lane_stream(name: str) -> bytes:
    """Where a lane's events are."""
    return named_stream(LANE, name)


class LaneStory:
    """One lane, folded. ``version`` is that of its last row; ``steered`` and ``shifted`` are the
    last of their kinds, each with its time."""

    __slots__ = (
        "paused", "per_s", "share", "shifted", "shifted_ms", "steered", "steered_ms", "stopped",
        "urgent_per_s", "version", "weight",
    )  # fmt: skip

    def __init__(self) -> None:
        self.version = 0
        self.paused = False
        self.weight: int | None = None
        self.share = WHOLE
        self.per_s = self.urgent_per_s = 0
        self.stopped: set[tuple[str, str]] = set()
        """Notices and wordings that the carrier refused."""
        self.steered: e.LaneSteered | None = None
        self.steered_ms = 0
        self.shifted: e.Shifted | None = None
        self.shifted_ms = 0

    @property
    def standing(self) -> Standing:
        stopped = frozenset(wording for _, wording in self.stopped)
        return Standing(
            self.paused, self.weight, self.share, self.per_s, self.urgent_per_s, stopped
        )


def fold(rows: Iterable[Journalled]) -> LaneStory:
    """What a lane's rows, in version order, add up to."""
    story = LaneStory()
    for row in rows:
        story.version = row.version
        match row.event:
            case e.LaneSteered() as steered:
                _steer(story, steered)
                story.steered, story.steered_ms = steered, row.at_ms
            case e.Shifted() as shifted:
                story.share = shifted.share
                story.per_s, story.urgent_per_s = shifted.per_s, shifted.urgent_per_s
                story.shifted, story.shifted_ms = shifted, row.at_ms
            case e.WordingStopped(notice=notice, wording=wording):
                story.stopped.add((notice, wording))
            case _:
                pass
    return story


def _steer(story: LaneStory, steered: e.LaneSteered) -> None:
    match steered.action:
        case "pause":
            story.paused = True
        case "resume":
            story.paused = False
        case "weight":
            story.weight = steered.weight or None
        case "allow":
            story.stopped = {one for one in story.stopped if one[0] != steered.notice}
