"""What is shown is what happened."""

from collections import Counter
from pathlib import Path

import pytest

from streams.core.policy import DAY_MS, HOUR_MS, MINUTE_MS
from streams.journal.base import Store
from streams.reading import POINTS_MAX
from streams.recount import recount
from streams.views import CaseEvent, Leg, Timeline
from tests.streams.small_hub import MORNING, SmallHub, small_hub

RECEIVED = "gov.approval.case.received.v1"
EXAMINED = "gov.approval.case.examined.v1"
APPROVED = "gov.approval.case.approved.v1"
CASE = {"case_no": "FJ2026-1", "matter": "户口迁移", "by": "鼓楼分局"}
CORRELATION = "case_no=FJ2026-1"


async def one_day(small: SmallHub) -> None:
    """Forty people: most are told of a violation, some know it and some cannot be reached."""
    for n in range(40):
        reach = {} if n % 4 else {"phones": []}
        await small.register(f"P{n}", **reach, region=("350100", "350200")[n % 2])
    for n in range(40):
        await small.violation(f"P{n}", f"{n:016d}")
    await small.violation("stranger", "99")
    await small.pass_time(DAY_MS)


async def test_the_accounts_add_up_and_equal_a_recount(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await one_day(small)
        report = small.reading.report()
        assert report == recount(small.hub.store)
        total = report.total
        assert total.notifications == 41
        parts = [getattr(total, name) for name in total.__struct_fields__[1:]]
        assert sum(parts) == total.notifications
        assert total.delivered > 20
        assert total.in_flight >= 1, "the stranger is waited for"
        by = (report.by_channel, report.by_carrier, report.by_notice)
        assert [sum(p.notifications for p in one.values()) for one in by] == [41, 41, 41]
        standing = small.reading.standing()
        assert standing.notifications == sum(standing.categories.values()) == 41
        assert list(standing.categories)[:2] == ["held", "sending"]
        assert {type(count) for count in standing.categories.values()} == {int}


async def test_rates_by_every_name_and_over_any_span(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await one_day(small)
        reading, until_ms = small.reading, MORNING + 2 * DAY_MS
        total = reading.report().total
        for by in ("channel", "carrier", "notice", "lane", "region"):
            lines = reading.delivery(by, MORNING - HOUR_MS, until_ms)
            assert sum(line.rates.delivered for line in lines) == total.delivered
            assert sum(line.rates.routed for line in lines) >= 40
            assert {type(line.rates.routed) for line in lines} == {int}
            rates = [line.delivery_rate for line in lines if line.delivery_rate is not None]
            assert rates
            assert all(0 <= rate <= 1 for rate in rates)
        lanes = reading.delivery("lane", MORNING - HOUR_MS, until_ms)
        assert sum(line.rates.intended for line in lines) == 0
        assert sum(line.rates.intended for line in lanes) >= total.delivered
        channels = {line.name for line in reading.delivery("channel", MORNING, until_ms)}
        assert {"sms", "email", ""} <= channels
        assert reading.delivery("channel", until_ms, until_ms + HOUR_MS) == []


async def test_a_series_has_every_point(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await one_day(small)
        reading, until_ms = small.reading, MORNING + DAY_MS
        minutes = reading.minutes(MORNING, until_ms, HOUR_MS)
        assert [m.start_ms for m in minutes] == list(range(MORNING, until_ms, HOUR_MS))
        whole = sum(m.rates.delivered for m in minutes)
        assert whole == sum(x.rates.delivered for x in reading.delivery("lane", MORNING, until_ms))
        sms = reading.minutes(MORNING, until_ms, HOUR_MS, "channel", "sms")
        assert 0 < sum(m.rates.delivered for m in sms) < whole
        with pytest.raises(ValueError, match="points"):
            reading.minutes(MORNING, MORNING + (POINTS_MAX + 1) * MINUTE_MS)


async def test_the_newest_are_those_that_moved_last(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await one_day(small)
        newest = small.reading.newest(10)
        assert len({change.stream for change in newest}) == 10
        times = [change.at_ms for change in newest]
        assert times == sorted(times, reverse=True)
        everything = small.reading.newest(1_000)
        assert len(everything) == 41
        assert everything[:10] == newest
        found = Counter(change.category for change in everything)
        assert +Counter(small.reading.standing().categories) == found


async def test_a_timeline_tells_every_step(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await small.register("P1")
        await small.violation("P1")
        await small.pass_time(20 * MINUTE_MS)
        timeline = small.reading.timeline(small.stream_of("P1"))
        assert timeline is not None
        types = [moment.type for moment in timeline.moments]
        assert types[:3] == ["Routed", "AttemptIntended", "Accepted"]
        routed, intended, accepted = timeline.moments[:3]
        assert (routed.channel, routed.reason, routed.policy) == ("sms", "first_reachable", 1)
        assert routed.numbers["lane"] == routed.lane == intended.lane
        assert routed.sealed
        assert routed.content is None
        assert accepted.attempt == intended.version
        assert accepted.ref
        assert timeline.attempts == types.count("AttemptIntended")
        open_ = small.reading.timeline(timeline.leg.stream, unseal=True)
        assert open_ is not None
        content = open_.moments[0].content
        assert content is not None
        assert content.to == "+8613800001234"
        assert "闽A12345" in content.text
        assert small.reading.timeline("00" * 16) is None


async def test_what_is_held_says_until_when_and_why(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, MORNING + 13 * HOUR_MS, store=hub_store) as small:
        await small.register("P1")
        await small.violation("P1")
        await small.pass_time(MINUTE_MS)
        timeline = small.reading.timeline(small.stream_of("P1"))
        assert timeline is not None
        [held] = timeline.moments
        assert (held.type, held.reason) == ("Held", "quiet_hours")
        assert held.until_ms == held.numbers["until_ms"] > held.at_ms


async def test_a_payment_that_comes_too_late_shows_so(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await small.register("P1")
        await small.violation("P1", "77")
        await small.pass_time(100)
        paid = {
            "violation_no": "77", "plate": "闽A12345", "amount": 20000,
            "paid_at": "2026-11-24T10:00:00+08:00", "receipt_no": "1",
        }  # fmt: skip
        await small.tell("gov.traffic.violation.paid.v1", "P1", paid)
        await small.pass_time(HOUR_MS)
        legs = [x for x in small.reading.history("P1") if x.notice == "violation-recorded"]
        if legs[0].too_late:
            assert legs[0].category in ("delivered", "accepted", "undelivered")
        else:  # the carrier had reported before
            assert legs[0].category == "delivered"
        case = small.reading.case("violation_no=77")
        assert case is not None
        assert [e.stops for e in case.entries if isinstance(e, CaseEvent)] == [False, True]


async def test_a_case_shows_its_events_with_its_messages(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await small.register("P1")
        await small.tell(RECEIVED, "P1", {**CASE, "promised_date": "2026-12-10"})
        await small.pass_time()
        await small.tell(EXAMINED, "P1", {**CASE, "by": "王科长"})
        await small.pass_time()
        approved = {"by": "李局长", "office": "鼓楼办证大厅", "bring": ["身份证", "户口簿"]}
        await small.tell(APPROVED, "P1", {**CASE, **approved})
        await small.pass_time()
        case = small.reading.case(CORRELATION)
        assert case is not None
        events = [one for one in case.entries if isinstance(one, CaseEvent)]
        assert [one.type for one in events] == [RECEIVED, EXAMINED, APPROVED]
        assert [one.data["by"] for one in events] == ["鼓楼分局", "王科长", "李局长"]
        assert events[2].data["bring"] == "身份证、户口簿"
        assert events[0].data["promised_date"] == "2026-12-10"
        assert events[0].title
        told = [one for one in case.entries if isinstance(one, Timeline)]
        assert len(told) >= 3
        assert isinstance(case.entries[0], CaseEvent)
        times = [
            one.at_ms if isinstance(one, CaseEvent) else one.leg.opened_ms for one in case.entries
        ]
        assert times == sorted(times)
        assert {one.leg.correlation for one in told} == {CORRELATION}
        assert small.reading.case("case_no=none") is None


async def warn(small: SmallHub, people: int) -> None:
    """A warning to a city: one case, an event for each, and of each a leg a channel."""
    warned = {
        "warning_no": "W1", "area": "福州市", "level": "台风橙色", "advice": "减少外出",
        "until": "2026-11-24T20:00:00+08:00",
    }  # fmt: skip
    for n in range(people):
        await small.register(f"P{n}")
        await small.tell("gov.traffic.weather.warned.v1", f"P{n}", warned)
    await small.pass_time(MINUTE_MS)
    await small.tell("gov.traffic.weather.lifted.v1", "P0", {"warning_no": "W1"})
    await small.pass_time(MINUTE_MS)


async def test_a_large_case_is_shown_in_parts(
    tmp_path: Path, hub_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each leg on one of them, and what settled the case on every one; never is more looked up."""
    async with small_hub(tmp_path, store=hub_store) as small:
        await warn(small, people=4)
        whole = small.reading.case("warning_no=W1")
        assert whole is not None
        assert whole.after == ""
        monkeypatch.setattr("streams.reading.CASE_MAX", 5)
        asked, lookup = set[bytes](), hub_store.lookup
        monkeypatch.setattr(
            hub_store, "lookup", lambda keys: asked.update(k for k, _ in keys) or lookup(keys)
        )
        part = small.reading.case("warning_no=W1")
        shown: list[str] = []
        while part is not None:
            assert len(shown) <= len(whole.entries), "it comes to an end"
            legs = [one.leg.stream for one in part.entries if isinstance(one, Timeline)]
            assert len(legs) <= 5
            assert [one for one in part.entries if isinstance(one, CaseEvent) and one.stops]
            shown += sorted(legs)
            part = small.reading.case("warning_no=W1", after=part.after) if part.after else None
        legs = [one.leg.stream for one in whole.entries if isinstance(one, Timeline)]
        assert len(legs) > 10
        assert shown == sorted(legs)
        assert small.hub.river.index.case("warning_no=W1") not in asked


async def test_what_an_event_led_to_is_told_in_parts(
    tmp_path: Path, hub_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await warn(small, people=2)
        whole = small.reading.event("test", "e4")
        assert whole is not None
        assert whole.after == ""
        assert {leg.recipient for leg in whole.notifications} == {"P1"}
        monkeypatch.setattr("streams.reading.CASE_MAX", 2)
        assert len(whole.notifications) > 2
        told: list[Leg] = []
        part = small.reading.event("test", "e4")
        while part is not None:
            assert len(part.notifications) <= 2
            told += part.notifications
            assert len(told) <= len(whole.notifications), "it comes to an end"
            part = small.reading.event("test", "e4", part.after) if part.after else None
        assert told == whole.notifications


async def test_personal_fields_stay_out_unless_unsealed(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await small.register("P1")
        await small.violation("P1", "77")
        await small.pass_time()
        sealed, open_ = (small.reading.case("violation_no=77", unseal) for unseal in (False, True))
        assert sealed is not None
        assert open_ is not None
        assert isinstance(sealed.entries[0], CaseEvent)
        assert isinstance(open_.entries[0], CaseEvent)
        assert "plate" not in sealed.entries[0].data
        assert sealed.entries[0].data["fine"] == "20000"
        assert open_.entries[0].data["plate"] == "闽A12345"


async def test_a_history_is_paged_by_stream(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        await small.register("P1", aliases=["old-1"])
        for n in range(5):
            await small.violation("P1", f"{n}")
            await small.pass_time(MINUTE_MS)
        legs = small.reading.history("P1")
        assert len(legs) == 5
        assert [leg.stream for leg in legs] == sorted((x.stream for x in legs), reverse=True)
        first = small.reading.history("P1", limit=2)
        rest = small.reading.history("P1", limit=10, before=first[-1].stream)
        assert first + rest == legs
        assert small.reading.history("old-1") == legs, "by an alias, too"
        assert small.reading.history("nobody") == []
