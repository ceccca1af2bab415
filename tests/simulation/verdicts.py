"""The invariants that can be judged only at the end of a seed."""

from collections import Counter, defaultdict
from itertools import permutations

from streams.core import events as e
from streams.core.identity import event_key
from streams.core.lifecycle import CATEGORY, NOT_SENT, Journalled, Status, fold
from streams.outcomes import outcomes_after
from streams.projections import following
from tests.simulation.book import Line
from tests.simulation.catalog import ASKED, LEGS, OCCASIONS, POLICY
from tests.simulation.invariants import (
    CHINA_MS,
    DAY_MS,
    ENDED,
    Watch,
    channel_of,
    settles,
)
from tests.simulation.replies import nothing_said_in_vain
from tests.simulation.scenario import Asked
from tests.simulation.topics import PARTITIONS

Place = tuple[bytes, str, str, str, str]
"""Which notification, whatever its stream is called: event, notice, recipient, occasion, leg."""

BURSTS = 2
"""A permit taken before a stall is used after it, beside those of the moment."""


def judge_all(watch: Watch, *, quiet: bool) -> None:
    """Everything that must hold once nothing moves any more."""
    for error in watch.world.scheduler.errors:
        watch.wrong("a step raised", error)
    if not quiet:
        watch.wrong("I1", "the river never comes to rest")
    for check in (
        one_each, no_silent_loss, too_late_is_said, emergencies, caps, paced, reports_joined,
        reports_commute, standing_is_replay, read_models_are_replay, told_back, chain,
        nothing_said_in_vain, nothing_personal, not_by_the_sweep, escalated_in_time, one_at_a_time,
    ):  # fmt: skip
        check(watch)


def one_each(watch: Watch) -> None:
    """I1: every accepted event that matches a notice has one notification per recipient and
    occasion, and each has come to an end."""
    found: Counter[Place] = Counter()
    for stream, head, state in watch.book.legs():
        found[head.event, head.notice, head.recipient, head.occasion, head.leg] += 1
        watch.hits["I1"] += 1
        if not state.terminal:
            watch.wrong("I1", f"{stream[10:].hex()} {head.notice} stays {state.status} for ever")
    expected: set[Place] = set()
    for asked in watch.world.scenario.asked:
        if asked.type in ASKED:
            expected |= _expected(watch, asked, found)
    expected |= watch.words.answers_due()
    for place in expected - found.keys():
        watch.wrong("I1", f"no notification for {place[1:]}")
    for place in found.keys() - expected:
        watch.wrong("I1", f"a notification nobody asked for: {place[1:]}")
    for place, times in found.items():
        if times > 1:
            watch.wrong("I1", f"{times} notifications for {place[1:]}")


def _expected(watch: Watch, asked: Asked, found: Counter[Place]) -> set[Place]:
    notice = ASKED[asked.type]
    key = event_key(asked.source, asked.id)
    refs: tuple[str, ...] = (asked.subject,)
    places: set[Place] = set()
    persons = watch.world.scenario.persons.get(asked.subject, ())
    for occasion in OCCASIONS.get(notice, ("",)):
        for leg in LEGS.get(notice, ("",)):
            refs = (asked.subject,)
            waited = (key, notice, asked.subject, occasion, leg) in found
            if persons:  # known at once, or waited for under the enterprise's own name
                known = [p for p in persons if (key, notice, p, occasion, leg) in found]
                refs = (*persons, asked.subject) if waited and known else persons
                refs = (asked.subject,) if waited and not known else refs
            places |= {(key, notice, ref, occasion, leg) for ref in refs}
    return places


def no_silent_loss(watch: Watch) -> None:
    """I2: what no carrier took ends in a state that says why; a state that says not sent has no
    entry in the ledger."""
    for stream, _, state in watch.book.legs():
        watch.hits["I2"] += 1
        taken = watch.taken.get(stream, [])
        name = stream[10:].hex()
        if taken and state.status in NOT_SENT:
            watch.wrong("I2", f"{name} says {state.status}, the carrier took it")
        if taken or not state.terminal:
            continue
        if state.status not in (*NOT_SENT, Status.UNCONFIRMED):
            watch.wrong("I2", f"{name} says {state.status}, no carrier ever took it")
        elif not state.reason:
            watch.wrong("I2", f"{name} ends {state.status} without a reason")


def too_late_is_said(watch: Watch) -> None:
    """I9: a stop that met a leg which was on its way is on its timeline."""
    legs = watch.book.legs()
    for stop in watch.stops:
        for stream, head, state in legs:
            if not settles(stop.event, head):
                continue
            lines = [x for x in watch.book.streams[stream] if x.commit <= stop.commit]
            before = [x for x in lines if not isinstance(x.event, e.Cancelled)]
            if not before or before[-1].after in ENDED:
                continue
            if (stop.row.stream, stream) in watch.ended_before:
                continue
            watch.hits["I9 too late"] += 1
            if not state.cancelled:
                watch.wrong("I9", f"{stream[10:].hex()} was {before[-1].after}, no stop is on it")


def emergencies(watch: Watch) -> None:
    """I6: each leg of an emergency is tried, and taken at most three times."""
    for stream, head, state in watch.book.legs():
        if head.cls != "emergency":
            continue
        watch.hits["I6"] += 1
        lines = watch.book.streams[stream]
        tried = any(isinstance(x.event, e.AttemptIntended) for x in lines)
        name = f"{stream[10:].hex()} {head.leg}"
        if not tried and state.reason not in ("expired", "no_contact", "address_suppressed"):
            watch.wrong("I6", f"{name} was never tried: {state.status} {state.reason}")
        if len(watch.taken.get(stream, ())) > POLICY.classes["emergency"].tries:
            watch.wrong("I6", f"{name} was taken {len(watch.taken[stream])} times")


def caps(watch: Watch) -> None:
    """I10: no more of a capped class are sent on one day than policy and recipient allow."""
    sent: defaultdict[tuple[str, str, int], set[bytes]] = defaultdict(set)
    for stream, head, _ in watch.book.legs():
        if not POLICY.classes[head.cls].cap:
            continue
        day = -1
        for line in watch.book.streams[stream]:
            if isinstance(line.event, e.Routed | e.Released | e.Escalated):
                day = (line.row.at_ms + CHINA_MS) // DAY_MS
            elif isinstance(line.event, e.AttemptIntended):
                sent[head.recipient, head.cls, day].add(stream)
    for (ref, cls, day), streams in sent.items():
        watch.hits["I10 caps"] += 1
        cap = POLICY.classes[cls].cap  # type: ignore[index]
        if len(streams) > cap:
            watch.wrong(
                "I10", f"{ref} is sent {len(streams)} of class {cls} on day {day}, cap {cap}"
            )


def paced(watch: Watch) -> None:
    """I11: no lane is called faster than its contract, over all partitions and owners."""
    for (lane, urgent), times in watch.calls.items():
        rate = watch.world.documents.lanes[lane].rate_per_s * (0.2 if urgent else 0.8)
        burst = PARTITIONS * BURSTS * max(1.0, rate / PARTITIONS * 0.1)
        times.sort()
        for first, start_ms in enumerate(times):
            watch.hits["I11"] += 1
            for last in range(first + 1, len(times)):
                window_s = (times[last] - start_ms) / 1000
                if last - first + 1 > rate * window_s + burst:
                    n = last - first + 1
                    watch.wrong("I11", f"{lane} is called {n} times in {window_s} s")
                    return


def reports_joined(watch: Watch) -> None:
    """I13: a report that arrived is in its stream if its reference is journalled, and otherwise
    kept as unmatched."""
    unmatched = {
        (x.event.lane, x.event.ref, x.event.status)
        for x in watch.book.lines
        if isinstance(x.event, e.ReceiptUnmatched)
    }
    by_ref = watch.by_ref
    for lane, ref, status in watch.told:
        watch.hits["I13"] += 1
        entry = by_ref[lane, ref]
        attempt, lines = (
            int(entry.attempt[33:]),
            watch.book.streams[bytes.fromhex(entry.attempt[:32])],
        )
        kind = e.Delivered if status == "delivered" else e.Undelivered
        if any(isinstance(x.event, kind) and x.event.attempt == attempt for x in lines):
            continue
        known = any(isinstance(x.event, e.Accepted) and x.event.ref == ref for x in lines)
        if known or (lane, ref, status) not in unmatched:
            watch.wrong("I13", f"a report {status} on {entry.attempt[20:]} was lost")


def reports_commute(watch: Watch) -> None:
    """I13: reports in another order, or repeated, leave the same state; delivered stays so."""
    for stream, _, state in watch.book.legs():
        lines = watch.book.streams[stream]
        if any(isinstance(x.event, e.Delivered) for x in lines):
            watch.hits["I13 delivered"] += 1
            if state.status not in (Status.DELIVERED, Status.READ) and _rests(lines):
                watch.wrong("I13", f"{stream[10:].hex()} was delivered and ends {state.status}")
        if _told_again(lines):
            watch.wrong("I13", f"{stream[10:].hex()} was delivered and is sent again")
        at = [i for i, x in enumerate(lines) if isinstance(x.event, e.Delivered | e.Undelivered)]
        if not 2 <= len(at) <= 4 or at != list(range(at[0], len(lines))):
            continue
        watch.hits["I13 orders"] += 1
        for order in permutations(lines[at[0] :]):
            if _status([*lines[: at[0]], *order, order[0]]) is not state.status:
                watch.wrong("I13", f"{stream[10:].hex()} depends on the order of its reports")
                break


def _rests(lines: list[Line]) -> bool:
    """Nothing was sent anew after the report."""
    last = max(i for i, x in enumerate(lines) if isinstance(x.event, e.Delivered))
    return not any(isinstance(x.event, e.Released | e.Escalated) for x in lines[last:])


def _told_again(lines: list[Line]) -> bool:
    """Sent once more although the way it went last was reported as delivered. What lies in the
    inbox is not read yet, and may be sent by another channel."""
    delivered = False
    channel = ""
    for line in lines:
        if isinstance(line.event, e.Routed | e.Released | e.Escalated):
            if delivered and channel != "inbox":
                return True
            delivered, channel = False, line.event.route.channel
        delivered = delivered or isinstance(line.event, e.Delivered)
    return False


def _status(lines: list[Line]) -> Status:
    return fold(
        Journalled(i + 1, x.row.at_ms, x.event)  # type: ignore[arg-type]
        for i, x in enumerate(lines)
    ).status


def standing_is_replay(watch: Watch) -> None:
    """I14: what was added and subtracted as it came is what a replay finds."""
    replayed: Counter[tuple[str, str]] = Counter()
    for _, head, state in watch.book.legs():
        replayed[head.notice, CATEGORY[state.status]] += 1
    watch.hits["I14 replay"] += 1
    if +watch.standing != replayed:
        watch.wrong("I14", f"followed {dict(+watch.standing)}, replayed {dict(replayed)}")


def read_models_are_replay(watch: Watch) -> None:
    """I14: every read model that followed in steps of any length is, byte for byte, the one that
    is made again from the first row."""
    world = watch.world
    if world.seed % 16 != 3:
        return
    following.create(world.store)
    followed = _read_models(watch)
    while following.Follower(world.store).follow(world.rng.choice((1, 3, 10, 100))):
        followed = _read_models(watch)
    for projection in following.ALL:
        for _ in following.rebuild(world.store, projection.name, 50):
            pass
    watch.hits["I14 read models"] += sum(map(len, followed.values()))
    for table, rows in _read_models(watch).items():
        if rows != followed[table]:
            watch.wrong("I14", f"{table} made again differs from the one that followed")


def _read_models(watch: Watch) -> dict[str, list[str]]:
    """The rows of every table of every read model, in an order of their own."""
    names = [table.name for projection in following.ALL for table in projection.tables]
    return {
        name: sorted(map(repr, watch.world.store.execute(f"SELECT * FROM {name}")))
        for name in names
    }


def told_back(watch: Watch) -> None:
    """I2 for who asked: what upstream was told last of a leg is how it ended, under the key of its
    event."""
    store = watch.world.store
    told = outcomes_after(store, 0, store.head()).outcomes
    last = {one.notification: (one.event, one.state) for one in told if one.notification}
    ended = {
        stream.hex(): (head.event.hex(), CATEGORY[state.status])
        for stream, head, state in watch.book.legs()
        if state.terminal
    }
    watch.hits["I2 told back"] += len(ended)
    for name in last.keys() | ended.keys():
        if last.get(name) != ended.get(name):
            watch.wrong("I2", f"{name} told as {last.get(name)}, ended as {ended.get(name)}")


_TAMPERINGS = {
    "changed": "UPDATE journal SET data = CAST(data || ' ' AS BLOB) WHERE pos = ?1",
    "deleted": "DELETE FROM journal WHERE pos = ?1",
    "swapped": "UPDATE journal SET pos = -pos WHERE pos IN (?1, ?1 + 1);"
    "UPDATE journal SET pos = 2 * ?1 + 1 + pos WHERE pos < 0",
    "cut off": "DELETE FROM journal WHERE pos >= ?1",
}


def chain(watch: Watch) -> None:
    """I15: the chain verifies, and finds whatever is done to a row."""
    world = watch.world
    if world.seed % 4 != 1 or not watch.book.lines:
        return
    watch.hits["I15"] += 1
    for fault in world.store.verify():
        watch.wrong("I15", f"an untouched journal: {fault}")
    for table in ("journal_no_update", "journal_no_delete"):
        world.store.execute(f"DROP TRIGGER {table}")
    pos = world.rng.randrange(1, len(watch.book.lines) + 1)
    how, script = world.rng.choice(sorted(_TAMPERINGS.items()))
    if how == "swapped" and pos == len(watch.book.lines):
        how, script = "changed", _TAMPERINGS["changed"]
    for statement in script.split(";"):
        world.store.execute(statement, *(pos,) if "?1" in statement else ())
    watch.hits[f"I15 {how}"] += 1
    if not list(world.store.verify()):
        watch.wrong("I15", f"row {pos} was {how}, and nobody notices")


def nothing_personal(watch: Watch) -> None:
    """I18: no name, number, address or plate stands anywhere but sealed."""
    world = watch.world
    secrets = [secret.encode() for secret in world.scenario.secrets]
    places = [x.row.data for x in watch.book.lines]
    places += [row[0] for row in world.store.execute("SELECT data FROM archive")]
    records = [r for p in world.topics.partitions.values() for r in p.records]
    places += [part for record in records for part in (record.key, record.value)]
    everything = b"\0".join(places)
    watch.hits["I18"] += len(places)
    for secret in secrets:
        if secret in everything:
            watch.wrong("I18", f"{secret.decode()} can be read")


def not_by_the_sweep(watch: Watch) -> None:
    """I19: the sweep is the net under everything, and nothing falls into it."""
    watch.hits["I19"] += 1
    if caught := watch.world.swept["caught"]:
        watch.wrong("I19", f"{caught} legs were moved on by nobody but the sweep")


def escalated_in_time(watch: Watch) -> None:
    """I19: a leg is escalated while it is open for that, not closed first and escalated then."""
    for stream, _, _ in watch.book.legs():
        lines = watch.book.streams[stream]
        escalations = [x for x in lines if isinstance(x.event, e.Escalated)]
        if not escalations:
            continue
        watch.hits["I19 escalated"] += 1
        before = lines[: escalations[-1].row.version]
        if any(isinstance(x.event, e.NoReceipt) for x in before):
            watch.wrong("I19", f"{stream[10:].hex()} was closed before it was escalated")


def one_at_a_time(watch: Watch) -> None:
    """I5: nobody is told by two channels at once: whatever is intended, the attempt before it has
    come to an end, or to nothing that is waited for."""
    for stream, _, _ in watch.book.legs():
        open_attempt = 0
        for line in watch.book.streams[stream]:
            if isinstance(line.event, e.AttemptIntended):
                watch.hits["I5 one at a time"] += 1
                if open_attempt:
                    name = stream[10:].hex()
                    watch.wrong("I5", f"{name} is intended while {open_attempt} is under way")
                open_attempt = line.row.version
            elif getattr(line.event, "attempt", 0) == open_attempt:
                open_attempt = 0


__all__ = ["PARTITIONS", "channel_of", "judge_all"]
