"""Emergencies: warnings that come while half a million bulletins wait, and one to everybody.

Method of the first: bulletins are queued while no router runs. Then it starts, and when it is in
the midst of them, warnings come at a steady pace; how long they wait is told apart, until they are
decided and from there until a carrier accepts. Method of the second: one event for each recipient,
as fast as the hub takes them; the time until 99 % of the text messages are accepted, taken as it is
for 24 times as many.
"""

import time
from itertools import islice

import msgspec

from bench.cluster.bed import TOLD_S, Bed, say
from bench.cluster.flow import MOST, Watch
from bench.cluster.waits import Waits, accepted, waits
from preferences.recipient import Consent, Preferences
from preferences.store import BATCH_MAX, load_many

CATEGORY = "fire-safety"
NATION = 24_000_000

MIDST_S = 5.0
"""From the router's start to the first warning: a process that has just started reads for the first
time whatever it reads, and a warning in its first second waits for that (p99 1.6 s)."""

_KEYS = "SELECT ref, wrapped_key FROM recipient WHERE ref = ANY(%s)"
_CHOSEN = (
    "UPDATE recipient SET preferences = chosen, preferences_version = 1"
    " FROM unnest(%s::text[], %s::bytea[]) AS each (name, chosen) WHERE ref = name"
)
_COUNTED = (
    "INSERT INTO recipient_change VALUES (1, 1)"
    " ON CONFLICT (one) DO UPDATE SET number = recipient_change.number + 1"
)

_ENDED = (
    "SELECT channel, sum(count) FROM standing WHERE cls = 'emergency'"
    " AND category IN ('accepted', 'delivered', 'undelivered') GROUP BY channel"
)
_LEGS = "SELECT sum(count) FROM standing WHERE cls = 'emergency'"


class Emergency(msgspec.Struct, kw_only=True):
    """``waiting`` is how many records waited on topics at the first warning and at the last;
    ``handed`` is from the decision to the acceptance."""

    bulletins: int
    warnings: int
    per_second: float
    waiting: tuple[int, int]
    accepted: dict[str, Waits]
    decided: Waits
    handed: Waits
    drained_seconds: float


class FanOut(msgspec.Struct, kw_only=True):
    """``nation_minutes``: the same for 24 million, extrapolated."""

    recipients: int
    legs: int
    seconds: float
    per_second: float
    nation_minutes: float


def measure(bed: Bed, bulletins: int, warnings: int, per_second: float) -> Emergency:
    _consent(bed, bulletins)
    bed.waiting()  # brokers are asked in the background, from the first question on
    with (
        bed.upstream(kind="bulletins", count=bulletins) as many,
        bed.upstream(kind="warnings", count=warnings, per_second=per_second) as few,
    ):
        with bed.without("router"):
            many.go()
            assert many.sent().lost == 0, "a bulletin was not acknowledged"
            watch = Watch(bed, few, bed.stands)
        time.sleep(MIDST_S)
        since_ms, first = bed.clock.now_ms(), bed.waiting()
        start_s = time.monotonic()
        few.go()
        sent = few.sent()
        last = bed.waiting()
        say(f"  {warnings:,} warnings sent while {first:,} to {last:,} records waited")
        watch.until_still()
        drained_s = watch.reached_s("delivered", MOST * watch.gained().get("delivered", 0))
    assert sent.lost == 0, f"{sent.lost} warnings were not acknowledged"
    found = [one for one in accepted(bed, since_ms) if one.notice == "weather-warning"]
    channels = sorted({one.channel for one in found})
    return Emergency(
        bulletins=bulletins,
        warnings=warnings,
        per_second=warnings / ((sent.last_ms - sent.first_ms) / 1000),
        waiting=(first, last),
        accepted={
            channel: waits([one.accepted_ms for one in found if one.channel == channel])
            for channel in channels
        },
        decided=waits([one.decided_ms for one in found]),
        handed=waits([one.accepted_ms - one.decided_ms for one in found]),
        drained_seconds=drained_s - start_s,
    )


def fan_out(bed: Bed, count: int) -> FanOut:
    def counts() -> dict[str, int]:
        legs = bed.rows(_LEGS)[0][0] or 0
        return {**{channel: int(n) for channel, n in bed.rows(_ENDED)}, "legs": int(legs)}

    with bed.upstream(kind="warnings", count=count) as upstream:
        watch = Watch(bed, upstream, counts)
        start_s = time.monotonic()
        upstream.go()
        watch.until_still()
        assert upstream.sent().lost == 0, "a warning was not acknowledged"
    gained = watch.gained()
    seconds = watch.reached_s("sms", MOST * gained["sms"]) - start_s
    return FanOut(
        recipients=count,
        legs=gained["legs"],
        seconds=seconds,
        per_second=count / seconds,
        nation_minutes=NATION * seconds / count / 60,
    )


def _consent(bed: Bed, count: int) -> None:
    """Those to whom the next events will go consent to the bulletins; by the database itself, since
    nobody but a citizen consents, and one at a time."""
    assert count <= bed.recipients, "a bulletin a day is all that a recipient may be sent"
    chosen = Preferences(
        version=1, consents=(Consent(CATEGORY, True, bed.clock.now_ms(), "bench"),)
    )
    plain = msgspec.msgpack.encode(chosen)
    numbers = range(bed.numbered, bed.numbered + count)
    refs = (f"B{number % bed.recipients}" for number in numbers)
    told_s, done = time.monotonic(), 0
    while some := [*islice(refs, BATCH_MAX)]:
        with bed.store.transaction() as connection:
            keys = connection.exec_driver_sql(_KEYS, (some,)).all()
            sealed = [bed.vault.unwrap(ref, key).seal(plain, b"preferences") for ref, key in keys]
            connection.exec_driver_sql(_CHOSEN, ([ref for ref, _ in keys], sealed))
            connection.exec_driver_sql(_COUNTED)
        done += len(some)
        if time.monotonic() - told_s > TOLD_S:
            told_s = time.monotonic()
            say(f"  {done:,} of {count:,} have consented")
    with bed.store.readers.connect() as connection:
        [one] = load_many(connection, bed.vault, [f"B{numbers[-1] % bed.recipients}"]).values()
    assert one.preferences == chosen
    bed.tidy()
