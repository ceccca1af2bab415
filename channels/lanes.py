"""Lanes: which paced connection carries what, how fast, and when it is left alone. Pure.

A *lane* is one connection to a provider with its contract. Each worker that owns a partition of a
lane's topic paces it with a :class:`Pacer` of its own and watches it with a :class:`Breaker`;
nothing is shared between workers, so the contract's rate is divided before it is handed out.

Time is an argument everywhere, in whole milliseconds. Rates are whole milli-permits per second,
which are micro-permits per millisecond: no rounding can add up to more than the contract.
"""

import tomllib
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from channels import cmpp_account, smpp_account
from channels.carrier_terms import Terms
from channels.cmpp_account import Cmpp
from channels.smpp_account import Smpp

ChannelName = Literal["sms", "voice", "email", "push", "inbox"]

DEFAULT_LANES = Path(__file__).with_name("lanes.toml")
"""The lanes a hub starts with: every provider is the sandbox, so nothing leaves the machine."""

ANY = "*"
"""Serves every carrier; tried after the lanes that name the carrier."""

SMPP = "smpp"
CMPP = ("cmpp2", "cmpp3")
"""The providers of lanes that have an account at a carrier: which protocol they speak there."""

RATE_MAX = 100_000
"""Permits a second. No carrier's contract comes near it; a typing error does."""

PERMIT = 1_000_000
"""Micro-permits in one permit."""

NORMAL_SHARE = (4, 5)
URGENT_SHARE = (1, 5)
"""Urgent traffic has its own fifth, so that a backlog of the other kind cannot delay it."""

BURST_MS = 100
"""A bucket holds at most a tenth of a second of its rate (or one permit): carriers count in
windows as short as that."""

HALVE_MS = 1_000
"""One batch brings many refusals for one cause: the rate is halved at most once in this time,
and begins to recover after it."""

RECOVERY_PER_S = 20
"""A twentieth of the full rate comes back each second."""

STEP_BACK_MS = 1_000
"""A clock set back by less earns nothing until it has caught up; by more, the bucket begins anew,
for a lane may not stand still for an hour."""

FLOOR = 20
"""Never below a twentieth of the full rate: a lane at nothing could not find out it is well."""


class Lane(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One paced connection. ``rate_per_s`` is the contract's, over all workers.

    ``carriers`` names the networks it serves (``*`` for all); among equals the greater ``weight``
    is tried first. ``segments_max`` is the longest message it takes (0: it counts none).
    """

    name: str
    channel: ChannelName
    provider: str
    rate_per_s: int
    carriers: tuple[str, ...] = (ANY,)
    weight: int = 1
    segments_max: int = 0
    paused: bool = False
    smpp: Smpp | None = None
    """The account at the carrier, where the provider is ``smpp``."""
    cmpp: Cmpp | None = None
    """The same, where it is ``cmpp2`` or ``cmpp3``."""

    @property
    def account(self) -> Terms | None:
        """The account at a carrier, whatever the protocol."""
        return self.smpp or self.cmpp


class LanesError(ValueError):
    """A lanes file that cannot be used; the text says where and why."""


class Lanes:
    """A snapshot of all lanes, for decisions: immutable, and cheap to ask."""

    __slots__ = ("_named", "_open", "_rest")

    def __init__(self, lanes: Iterable[Lane]) -> None:
        ordered = sorted(lanes, key=lambda lane: (-lane.weight, lane.name))
        self._named = {lane.name: lane for lane in ordered}
        running = [lane for lane in ordered if not lane.paused]
        self._rest: dict[str, tuple[str, ...]] = {
            channel: tuple(
                lane.name for lane in running if lane.channel == channel and ANY in lane.carriers
            )
            for channel in {lane.channel for lane in ordered}
        }
        self._open: dict[tuple[str, str], tuple[str, ...]] = {}
        for lane in running:
            for carrier in lane.carriers:
                if carrier != ANY:
                    key = (lane.channel, carrier)
                    self._open[key] = (*self._open.get(key, ()), lane.name)
        for (channel, carrier), names in self._open.items():
            rest = (name for name in self._rest[channel] if name not in names)
            self._open[channel, carrier] = (*names, *rest)

    def open_for(self, channel: str, carrier: str) -> tuple[str, ...]:
        """Names of the lanes that may carry ``channel`` to ``carrier`` now, best first.

        A lane that names the carrier goes before one that takes all; an unknown carrier ("") gets
        only the latter.
        """
        names = self._open.get((channel, carrier))
        return self._rest.get(channel, ()) if names is None else names

    def pausing(self, names: Collection[str]) -> "Lanes":
        """The same lanes with ``names`` paused too: by an operator, or by a breaker."""
        return Lanes(
            msgspec.structs.replace(lane, paused=True) if lane.name in names else lane
            for lane in self
        )

    def __getitem__(self, name: str) -> Lane:
        return self._named[name]

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._named.values())

    def __len__(self) -> int:
        return len(self._named)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    lane: list[Lane]


def load_lanes(toml_text: str) -> Lanes:
    """Read a lanes file: a list of ``[[lane]]`` tables with the fields of :class:`Lane`.

    Raises :class:`LanesError` for text that is no TOML, a field that is unknown, missing or of
    another type, a name given twice, a rate outside 1 to ``RATE_MAX``, or an account at a carrier
    that cannot be one.
    """
    try:
        lanes = msgspec.convert(tomllib.loads(toml_text), _File).lane
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise LanesError(str(error)) from error
    seen: set[str] = set()
    for lane in lanes:
        if lane.name in seen:
            raise LanesError(f"lane {lane.name}: the name is given twice")
        if not 1 <= lane.rate_per_s <= RATE_MAX:
            raise LanesError(f"lane {lane.name}: rate_per_s must be 1 to {RATE_MAX}")
        if fault := _account_fault(lane):
            raise LanesError(f"lane {lane.name}: {fault}")
        seen.add(lane.name)
    return Lanes(lanes)


def _account_fault(lane: Lane) -> str:
    """What is wrong with how the lane reaches its carrier; "" when nothing is."""
    if (lane.provider == SMPP) != (lane.smpp is not None):
        return "provider smpp and a table [lane.smpp] go together"
    if (lane.provider in CMPP) != (lane.cmpp is not None):
        return "provider cmpp2 or cmpp3 and a table [lane.cmpp] go together"
    if lane.account is not None and lane.channel != "sms":
        return f"{lane.provider} carries channel sms only"
    if lane.smpp is not None:
        return smpp_account.fault_of(lane.smpp)
    return cmpp_account.fault_of(lane.cmpp) if lane.cmpp is not None else ""


class Pacer:
    """A token bucket for one partition of one lane's topic.

    Starts empty: a worker that takes a partition over cannot know what its predecessor spent in
    the last tenth of a second, and a full bucket would spend it twice. So in every window of
    ``w`` ms, over all owners of the partition, at most ``rate·w + burst`` permits are taken.
    """

    __slots__ = ("_at_ms", "_base", "_base_ms", "_level", "_rate", "burst", "full")

    def __init__(self, rate_per_s: int, urgent: bool, partitions: int, now_ms: int) -> None:
        """``rate_per_s`` is the lane's contract, ``partitions`` the number of its topic's."""
        assert partitions >= 1
        share, whole = URGENT_SHARE if urgent else NORMAL_SHARE
        self.full = max(1, rate_per_s * 1_000 * share // (whole * partitions))
        """Milli-permits a second when nothing is wrong."""
        self.burst = max(PERMIT, self.full * BURST_MS)
        """Micro-permits the bucket holds at most."""
        self._rate = self._base = self.full
        self._base_ms = self._at_ms = now_ms
        self._level = 0

    def permits(self, now_ms: int) -> int:
        """How many calls may be made now."""
        self._refill(now_ms)
        return self._level // PERMIT

    def take(self, n: int) -> None:
        """Spend ``n`` of the permits last answered."""
        assert 0 <= n * PERMIT <= self._level, "more than was permitted"
        self._level -= n * PERMIT

    def throttled(self, now_ms: int) -> None:
        """The provider refused for rate: half the rate, and an empty bucket."""
        self._refill(now_ms)
        self._level = 0
        if self._base < self.full and now_ms - self._base_ms < HALVE_MS:
            return
        self._base = self._rate = max(self._rate // 2, self.full // FLOOR, 1)
        self._base_ms = now_ms

    def next_ms(self, now_ms: int) -> int:
        """When the next permit is there: ``now_ms`` if it already is."""
        self._refill(now_ms)
        missing = PERMIT - self._level
        return now_ms if missing <= 0 else now_ms - (-missing // self._rate)

    def _refill(self, now_ms: int) -> None:
        """Count the time since the last call at the rate of then, which is never the higher."""
        elapsed = now_ms - self._at_ms
        if elapsed < -STEP_BACK_MS:
            self._level, self._at_ms = 0, now_ms
            self._base_ms = min(self._base_ms, now_ms)
        if elapsed <= 0:
            return
        self._level = min(self.burst, self._level + elapsed * self._rate)
        self._at_ms = now_ms
        recovering = max(0, now_ms - self._base_ms - HALVE_MS)
        regained = self.full * recovering // (RECOVERY_PER_S * 1_000)
        self._rate = min(self.full, self._base + regained)


ERRORS_MAX = 50
ERRORS_WINDOW_S = 60
"""So many errors in a minute open a lane's breaker, however many calls went well."""

HALF_CALLS_MIN = 20
HALF_WINDOW_S = 30
"""Half of at least so many calls in half a minute open it too: a slow lane fails slowly."""

OPEN_MS = 30_000
"""How long an opened breaker lets nothing through before it probes."""

PROBES = 5
"""Calls let through to find out; all of them must go well."""

PROBE_MS = 10_000
"""Probes that were never answered are replaced after this time."""


class Breaker:
    """Watches one lane: ``closed`` calls go, ``open`` none, ``half_open`` a few to find out.

    What counts as an error is the caller's to say: a provider's fault (transient, unknown, refused
    connection, an account's refusal), never a recipient's.
    """

    __slots__ = ("_probes_left", "_probes_ms", "_probes_well", "_seconds", "_until_ms", "state")

    def __init__(self) -> None:
        self.state: Literal["closed", "open", "half_open"] = "closed"
        self._seconds: deque[list[int]] = deque()  # [second, calls, errors], a minute of them
        self._until_ms = 0
        self._probes_left = 0
        self._probes_ms = 0
        self._probes_well = 0

    def allow(self, now_ms: int, wanted: int) -> int:
        """How many of ``wanted`` calls may be made; probes granted count as made."""
        if self.state == "closed":
            return wanted
        if self.state == "open":
            if now_ms < self._until_ms:
                return 0
            self.state, self._probes_well = "half_open", 0
            self._grant_probes(now_ms)
        elif self._probes_left == 0 and now_ms >= self._probes_ms + PROBE_MS:
            self._grant_probes(now_ms)
        granted = min(wanted, self._probes_left)
        self._probes_left -= granted
        return granted

    def next_ms(self, now_ms: int) -> int:
        """When :meth:`allow` may next answer something: ``now_ms`` if it does already."""
        if self.state == "open":
            return max(now_ms, self._until_ms)
        if self.state == "half_open" and self._probes_left == 0:
            return max(now_ms, self._probes_ms + PROBE_MS)
        return now_ms

    def record(self, now_ms: int, calls: int, errors: int) -> None:
        """What came of ``calls`` that were made, of which ``errors`` were the provider's fault."""
        assert 0 <= errors <= calls
        if self.state == "half_open":
            self._judge_probes(now_ms, calls, errors)
            return
        second = now_ms // 1_000
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append([second, 0, 0])
        self._seconds[-1][1] += calls
        self._seconds[-1][2] += errors
        while self._seconds[0][0] <= second - ERRORS_WINDOW_S:
            self._seconds.popleft()
        if self.state == "closed" and errors and self._too_many(second):
            self.trip(now_ms)

    def trip(self, now_ms: int) -> None:
        """Open at once: the provider refused the account or the sender, not a message."""
        self.state, self._until_ms = "open", now_ms + OPEN_MS
        self._seconds.clear()

    def _too_many(self, second: int) -> bool:
        if sum(errors for _, _, errors in self._seconds) >= ERRORS_MAX:
            return True
        recent = [row for row in self._seconds if row[0] > second - HALF_WINDOW_S]
        calls = sum(row[1] for row in recent)
        return calls >= HALF_CALLS_MIN and 2 * sum(row[2] for row in recent) >= calls

    def _grant_probes(self, now_ms: int) -> None:
        self._probes_left, self._probes_ms = PROBES, now_ms

    def _judge_probes(self, now_ms: int, calls: int, errors: int) -> None:
        if errors:
            self.trip(now_ms)
            return
        self._probes_well += calls
        if self._probes_well >= PROBES:
            self.state = "closed"
            self._seconds.clear()  # late answers of the time before
