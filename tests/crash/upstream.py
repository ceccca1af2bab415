"""What upstream systems report while something dies: people they name inline, several services."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any, NamedTuple

from streams.core.policy import DAY_MS
from templates.catalog_files import SEED, read_catalog

SHANGHAI = timezone(timedelta(hours=8))
START_MS = 1_795_485_600_000
"""2026-11-24 10:00 in Shanghai: a working day, far from quiet hours."""

SOURCE = "upstream"

NOTICES = (
    "violation-recorded", "document-ready", "violation-recorded", "material-missing",
    "violation-recorded", "weather-warning", "violation-recorded", "violation-paid",
)  # fmt: skip
"""In turn. What was recorded is paid now and then: by the event behind the next one of its kind, so
that some is on its way by then."""

PAID_AFTER = len(NOTICES) + 1

PREFIXES = ("138", "130", "133", "186", "189", "150", "177", "192")
"""Numbers of every carrier."""

LANES = """
[[lane]]
name = "{name}"
channel = "{channel}"
provider = "{provider}"
carriers = ["{carrier}"]
rate_per_s = {rate}
weight = 10
segments_max = 10
"""

AMPLE = 2_000
"""Far above what comes: nobody waits for a rate."""

_LANES = (
    ("sms-cmcc", "sms", "sandbox", "cmcc"),
    ("sms-cucc", "sms", "sandbox", "cucc"),
    ("sms-ctcc", "sms", "sandbox", "ctcc"),
    ("sms-cbn", "sms", "sandbox", "cbn"),
    ("voice-a", "voice", "sandbox", "*"),
    ("inbox", "inbox", "inbox", "*"),
)

FAULTS = json.dumps(
    {
        "throttled": 0.01, "transient": 0.06, "undelivered": 0.02, "receipt_repeated": 0.02,
        "receipt_early": 0.02, "receipt_late": 0.02, "slow": 0.02, "receipt_ms": 1_000,
    }
)  # fmt: skip
"""A carrier's usual day. No answer is lost but by those who die over it."""


def lanes(rate: int = AMPLE) -> str:
    """The contracts of all carriers, for so many calls a second."""
    names = ("name", "channel", "provider", "carrier")
    contracts = (dict(zip(names, lane, strict=True)) for lane in _LANES)
    return "".join(LANES.format(rate=rate, **contract) for contract in contracts)


class Reported(NamedTuple):
    """One event: its id, its notice, and the bytes."""

    id: str
    notice: str
    raw: bytes


def by_phone(n: int) -> Mapping[str, Sequence[str]]:
    """How somebody is reached: by a mobile number of some carrier."""
    return {"phones": [f"{PREFIXES[n % len(PREFIXES)]}{n:08d}"]}


class Upstream:
    """Reports one event after another, about somebody else each time; ``name`` makes them its own,
    ``first`` is where the numbers of their people begin, and ``reached`` says how they are.

    What has a day is due tomorrow. An event is repeated, byte for byte, until it is acknowledged.
    """

    def __init__(
        self, name: str, first: int = PAID_AFTER, notices: Sequence[str] = NOTICES,
        reached: Callable[[int], Mapping[str, Sequence[str]]] = by_phone,
    ) -> None:  # fmt: skip
        self._name = name
        self._notices = notices
        self._numbers = count()
        self._first = first
        self._reached = reached
        self._catalog = read_catalog(SEED)

    def report(self, many: int, now_ms: int) -> list[Reported]:
        return list(self._events(many, now_ms))

    def _events(self, many: int, now_ms: int) -> Iterator[Reported]:
        at = _at(now_ms).isoformat()
        for _ in range(many):
            i = next(self._numbers)
            name = self._notices[i % len(self._notices)]
            notice = self._catalog.notices[name]
            kind = notice.triggers[0]
            data: dict[str, Any] = dict(self._catalog.samples[name].data)
            if field := self._catalog.event_types[kind].correlation:
                case = i - PAID_AFTER if name == "violation-paid" else i
                data[field] = f"{self._first + case:014d}"
            if notice.due_field:
                tomorrow_ms = now_ms + DAY_MS
                data[notice.due_field] = _at(tomorrow_ms).date().isoformat()
            ref = f"{self._name}-{i}"
            data["recipient"] = {
                "ref": ref, "kind": "person", "name": "王示例", "region": "350100",
                **self._reached(self._first + i),
            }  # fmt: skip
            event = {
                "specversion": "1.0", "id": ref, "source": SOURCE, "type": kind, "subject": ref,
                "time": at, "data": data,
            }  # fmt: skip
            raw = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
            yield Reported(ref, name, raw)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, SHANGHAI)
