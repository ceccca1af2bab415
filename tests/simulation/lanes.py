"""What befalls the lanes of a world: they go dark, operators steer them, their file changes."""

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from channels.breaker import Breaker
from channels.lanes import Lanes
from preferences.fault import Fault
from streams.commands import Commands, Steering
from streams.pipeline.river import River

if TYPE_CHECKING:
    from tests.simulation.scenario import Scenario


class Dark(NamedTuple):
    """A lane that swallows everything and says nothing, for a while."""

    lane: str
    from_ms: int
    until_ms: int


class Steered(NamedTuple):
    """What an operator does."""

    at_ms: int
    lane: str
    action: Steering
    weight: int = 0


class Fate(NamedTuple):
    dark: list[Dark]
    steered: list[Steered]
    reloaded_ms: int
    """When the file changes; 0: it does not."""
    weights: dict[str, int]


class Nervous(Breaker):
    """Opens at the second error in a row of few: the world is too small for fifty."""

    __slots__ = ()

    def _too_many(self, second: int) -> bool:
        recent = [row for row in self._seconds if row[0] > second - 30]
        errors = sum(row[2] for row in recent)
        return errors >= 2 and 2 * errors >= sum(row[1] for row in recent)


def fate_of(seed: int, scenario: "Scenario", lanes: Lanes) -> Fate:
    """Of a seed: in a third of them nothing befalls the lanes but their carrier's faults."""
    rng = random.Random(seed * 7 + 5)
    if rng.random() < 0.33:
        return Fate([], [], 0, {})
    names = [lane.name for lane in lanes if lane.channel in ("sms", "push")]
    names += [lane.name for lane in lanes if "cmcc" in lane.carriers]  # most numbers are its
    busy = [said.at_ms for said in scenario.said]
    dark = [_dark(rng, rng.choice(names), busy) for _ in range(rng.choice((0, 1, 1, 2)))]
    steered: list[Steered] = []
    for name in rng.sample(sorted(set(names)), rng.choice((0, 1, 2, 3))):
        at_ms = rng.choice(busy) + rng.choice((-1_000, -200, 0, 50, 500))
        if rng.random() < 0.7:
            lasts_ms = rng.choice((3_000, 30_000, 600_000))
            steered.append(Steered(at_ms, name, "pause"))
            steered.append(Steered(at_ms + lasts_ms, name, "resume"))
        else:
            steered.append(Steered(at_ms, name, "weight", rng.randrange(1, 9)))
    reloaded_ms = rng.choice(busy) + rng.randrange(5_000) if rng.random() < 0.5 else 0
    return Fate(dark, steered, reloaded_ms, {name: rng.randrange(1, 20) for name in names})


def _dark(rng: random.Random, lane: str, busy: list[int]) -> Dark:
    at_ms = rng.choice(busy) + rng.choice((-1_000, 0, 200, 2_000))
    return Dark(lane, at_ms, at_ms + rng.choice((10_000, 60_000, 600_000)))


def reloaded(lanes: Lanes, weights: dict[str, int]) -> Lanes:
    """The file as it is after its change."""
    return Lanes(replace(lane, weight=weights.get(lane.name, lane.weight)) for lane in lanes)


async def steer(river: River, steered: Steered) -> bool:
    """What an operator does, by the real command; whether it changed anything."""

    async def aside(ask: Any, /, *args: Any) -> Any:
        return ask(*args)

    commands = Commands(river, None, lambda: None, aside)  # type: ignore[arg-type]  # no inbox here
    done = await commands.steer_lane(
        steered.lane, steered.action, "shell:op", "as simulated", steered.weight
    )
    return not isinstance(done, Fault)
