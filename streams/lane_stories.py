"""Lanes as the journal has them, read."""

from collections.abc import Mapping, Sequence

from channels.lanes import Lanes
from streams.core import codec
from streams.core.identity import Index
from streams.core.lifecycle import Journalled
from streams.core.standings import LANE, LaneStory, fold, lane_stream
from streams.journal.base import Journal, Reader, Row


def folded(rows: Sequence[Row]) -> LaneStory:
    """The story that the rows of a lane's stream tell."""
    return fold(Journalled(r.version, r.at_ms, codec.decode(r.type, r.data)) for r in rows)


async def story_of(journal: Journal, name: str) -> LaneStory:
    """What the journal says of one lane now."""
    stream = lane_stream(name)
    return folded((await journal.read([stream])).get(stream, []))


def stories(reader: Reader, index: Index, lanes: Lanes) -> Mapping[str, LaneStory]:
    """By name, of those lanes of which the journal says anything."""
    key = (index.kind(LANE), b"")
    known = set(reader.lookup([key]).get(key, ()))
    streams = {lane_stream(lane.name): lane.name for lane in lanes}
    rows = reader.read([stream for stream in streams if stream in known])
    return {streams[stream]: folded(told) for stream, told in rows.items()}


def as_they_stand(reader: Reader, index: Index, lanes: Lanes) -> Lanes:
    """The lanes of the file, with what happened to them since."""
    told = stories(reader, index, lanes)
    standings = {name: story.standing for name, story in told.items()}
    return lanes if standings == lanes.standings else lanes.with_standings(standings)
