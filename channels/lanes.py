"""Lanes: which paced connection carries what, and which are open for whom. Pure.

A *lane* is one connection to a provider with its contract, as the lanes file has it
(`channels.lanes_file`). Its :class:`Standing` is what happened to it since: an operator paused it
or gave it another weight, its breaker moved work away, a carrier refused a wording. How fast it
goes is `channels.pacer`, when it is left alone `channels.breaker`.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import gcd
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from channels.carriers import PORTED
from channels.pacer import URGENT_PERCENT

ChannelName = Literal["sms", "voice", "email", "push", "wechat", "inbox"]
Registration = Literal["registered", "submitted", "refused"]
Barred = Literal["paused", "wording", "segments", "avoided"]
"""Why a lane that serves a carrier is left out: an operator paused it; the wording is not
registered with it, or was refused there; the notice may be longer than it takes; it failed this
message before."""

DEFAULT_LANES = Path(__file__).with_name("lanes.toml")
"""The lanes a hub starts with: every provider is the sandbox, so nothing leaves the machine."""

ANY = "*"
"""Among carriers: serves every one, tried after the lanes that name the carrier. Among notices:
every notice that is not named."""

WHOLE = 100
"""Percent of its weight that a lane carries when nothing is wrong."""


class Lane(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One paced connection, as its contract has it: a table ``[[lane]]`` of the lanes file."""

    name: str
    """Names its topics and its rows in the journal: it stays."""
    channel: ChannelName
    provider: str
    """Who carries."""
    rate_per_s: int
    """Calls a second by contract, over all workers; each segment of a text is a call."""
    carriers: tuple[str, ...] = (ANY,)
    """The networks it serves; ``*``: all, after the lanes that name the network. For pushes ``web``
    and ``apns``: browsers, Apple's devices."""
    weight: int = 1
    """How much of the work it takes, in proportion to others that name the same carrier."""
    segments_max: int = 0
    """Segments of the longest message it takes; 0: it counts none."""
    paused: bool = False
    """Takes nothing."""
    protocol: str = ""
    """What is spoken there; left out: the provider's name says it (`sandbox`, `inbox`)."""
    cost: int = 0
    """Of one segment, or of one call where there are none, in 1/10000 of the currency unit."""
    sender: str = ""
    """The number or name it sends under; left out: that of whoever signs the notice."""
    urgent_percent: int = URGENT_PERCENT
    """Of the rate that is kept for emergencies and codes, in percent."""
    wording: dict[str, Registration] = {}
    """By notice, ``*`` for all others: whether its wording is registered with the carrier. What is
    not ``registered`` never goes this way. Left out: the carrier asks for none."""
    account: Any = None
    """The table named like the protocol, in that protocol's own terms."""

    @property
    def via(self) -> str:
        """The channel that carries it, as the hub names its channels."""
        return self.protocol or self.provider


class Standing(NamedTuple):
    """What happened to a lane, as the journal has it. ``share`` is the percent of its weight that
    it carries (0: its breaker moved everything away); ``per_s`` and ``urgent_per_s`` how many that
    wait for it move to other lanes a second meanwhile; ``stopped`` the wordings refused there."""

    paused: bool = False
    weight: int | None = None
    share: int = WHOLE
    per_s: int = 0
    urgent_per_s: int = 0
    stopped: frozenset[str] = frozenset()


WELL = Standing()


class Ways(NamedTuple):
    """The lanes for one message: ``lanes``, best first. The first ``len(weights)`` share the work
    in proportion; without weights the first takes all, and the others stand in for it."""

    lanes: tuple[str, ...]
    weights: tuple[int, ...] = ()


class Lanes:
    """A snapshot of all lanes, for decisions: immutable, and cheap to ask."""

    __slots__ = ("_barred", "_named", "_serving", "_standings", "_ways")

    def __init__(
        self, lanes: Iterable[Lane], standings: Mapping[str, Standing] | None = None
    ) -> None:
        self._standings = dict(standings or {})
        ordered = sorted(lanes, key=lambda lane: (-self._weight(lane), lane.name))
        self._named = {lane.name: lane for lane in ordered}
        self._serving: dict[tuple[str, str], tuple[Lane, ...]] = {}
        self._ways: dict[tuple[str, str, frozenset[str]], Ways] = {}
        self._barred: dict[tuple[str, str, str, str, int], dict[str, str]] = {}

    def serving(self, channel: str, carrier: str) -> tuple[Lane, ...]:
        """Every lane with a contract for ``carrier``, also those that are paused: first those that
        name it. An unknown carrier ("") gets only those that take all."""
        key = channel, carrier
        found = self._serving.get(key)
        if found is None:
            here = [lane for lane in self if lane.channel == channel]
            own = [lane for lane in here if self._is_own(lane, carrier)]
            rest = [lane for lane in here if ANY in lane.carriers or carrier == PORTED]
            rest = [lane for lane in rest if lane not in own]
            if channel == "push" and own:  # what one push service gave out, no other can use
                rest = []
            found = self._serving[key] = (*own, *rest)
        return found

    def ways(self, channel: str, carrier: str, barred: frozenset[str] = frozenset()) -> Ways:
        """Which lanes may carry ``channel`` to ``carrier`` now, without those ``barred`` for this
        message.

        Lanes that name the carrier share its work by weight. What one of them does not carry,
        because its breaker has moved work away, goes to the others, then to those that take all. A
        lane that carries nothing comes last of all: where there is no other, work waits for it.
        """
        key = channel, carrier, barred
        found = self._ways.get(key)
        if found is None:
            found = self._ways[key] = self._plan(channel, carrier, barred)
        return found

    def _plan(self, channel: str, carrier: str, barred: frozenset[str]) -> Ways:
        usable = [
            lane
            for lane in self.serving(channel, carrier)
            if lane.name not in barred and not self.is_paused(lane.name)
        ]
        bearing = [lane for lane in usable if self.standing(lane.name).share]
        down = [lane for lane in usable if lane not in bearing]
        own = [lane for lane in usable if self._is_own(lane, carrier)]
        first = [lane for lane in bearing if lane in own]
        rest = [lane for lane in bearing if lane not in own]
        if not first:
            return _ways(rest, [self._load(lane) for lane in rest], down)
        if not rest or any(self.standing(lane.name).share == WHOLE for lane in first):
            return _ways(first, [self._load(lane) for lane in first], [*rest, *down])
        left = sum(WHOLE * self._weight(lane) for lane in own) - sum(map(self._load, first))
        spread = sum(map(self._load, rest))
        weights = [self._load(lane) * spread for lane in first]
        weights += [left * self._load(lane) for lane in rest]
        return _ways([*first, *rest], weights, down)

    def barred(
        self, channel: str, carrier: str, notice: str, wording: str, segments: int
    ) -> dict[str, str]:
        """The lanes with a contract for ``carrier`` that may not carry this notice now, and why
        (:data:`Barred`). The answer is kept for who asks next, and must not be changed."""
        key = channel, carrier, notice, wording, segments
        found = self._barred.get(key)
        if found is None:
            serving = self.serving(channel, carrier)
            why = [(lane, self._why_not(lane, notice, wording, segments)) for lane in serving]
            found = self._barred[key] = {lane.name: reason for lane, reason in why if reason}
        return found

    def _why_not(self, lane: Lane, notice: str, wording: str, segments: int) -> Barred | None:
        if self.is_paused(lane.name):
            return "paused"
        if not self.is_registered(lane.name, notice, wording):
            return "wording"
        return "segments" if 0 < lane.segments_max < segments else None

    def is_registered(self, name: str, notice: str, wording: str) -> bool:
        """Whether the wording of a notice may go this way: the file says so, and the carrier has
        not refused it since."""
        known = self._named[name].wording
        state = known.get(notice) or known.get(ANY, "registered" if not known else "submitted")
        return state == "registered" and wording not in self.standing(name).stopped

    def is_paused(self, name: str) -> bool:
        return self._named[name].paused or self.standing(name).paused

    def standing(self, name: str) -> Standing:
        return self._standings.get(name, WELL)

    def weight(self, name: str) -> int:
        """An operator's, else the file's."""
        return self._weight(self._named[name])

    def with_standings(self, standings: Mapping[str, Standing]) -> "Lanes":
        """The same lanes as they stand now."""
        return Lanes(self, standings)

    @property
    def standings(self) -> Mapping[str, Standing]:
        return self._standings

    def _is_own(self, lane: Lane, carrier: str) -> bool:
        """Whether a lane goes before others. Whose network a ported number is in is not known: a
        lane that takes all goes before those of single networks."""
        return (ANY if carrier == PORTED else carrier) in lane.carriers

    def _weight(self, lane: Lane) -> int:
        chosen = self.standing(lane.name).weight
        return lane.weight if chosen is None else chosen

    def _load(self, lane: Lane) -> int:
        """How much it takes: of its weight, the share it carries."""
        return self._weight(lane) * self.standing(lane.name).share

    def __getitem__(self, name: str) -> Lane:
        return self._named[name]

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._named.values())

    def __len__(self) -> int:
        return len(self._named)


def pick(lanes: tuple[str, ...], weights: tuple[int, ...], spread: int) -> str:
    """The lane for a message whose hash is ``spread``: the same for the same message, and over
    many in proportion to the weights."""
    if not weights:
        return lanes[0]
    at = (spread >> SPREAD_BITS) % sum(weights)
    for lane, weight in zip(lanes, weights, strict=False):
        at -= weight
        if at < 0:
            return lane
    raise AssertionError("the weights add up to more than what is left of the division")


def cost_of(lanes: Lanes, name: str, segments: int) -> int:
    """Of one message, in 1/10000 of the currency unit: by segment, or by call where there are
    none. A lane that is in the file no more costs nothing that is known."""
    return lanes[name].cost * max(segments, 1) if name in lanes else 0


SPREAD_BITS = 4
"""The lowest bits of the hash spread releases over time: they need not also choose the lane."""


def _ways(sharing: list[Lane], weights: list[int], others: list[Lane]) -> Ways:
    names = tuple(lane.name for lane in (*sharing, *others))
    if len(sharing) < 2:
        return Ways(names)
    common = gcd(*weights)
    return Ways(names, tuple(weight // common for weight in weights))
