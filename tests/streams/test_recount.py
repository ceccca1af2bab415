"""The accounts by projections and by the journal alone are the same, also on a bad day."""

from pathlib import Path

from channels.sandbox_model import Faults
from streams.core.policy import DAY_MS, MINUTE_MS
from streams.journal.base import Store
from streams.projections import following
from streams.recount import counted, folded, recount
from tests.streams.small_hub import SmallHub, small_hub

BAD = Faults(
    not_sent=0.05,
    throttled=0.05,
    transient=0.1,
    bad_recipient=0.05,
    ported=0.1,
    reset=0.02,
    answer_lost=0.08,
    undelivered=0.1,
    receipt_lost=0.1,
    receipt_repeated=0.1,
    receipt_early=0.05,
    conflicting=0.1,
)


async def bad_days(small: SmallHub) -> None:
    for n in range(120):
        await small.register(f"P{n}", phones=[f"13{n % 10}0000{n:04d}"])
    for n in range(120):
        await small.violation(f"P{n}", f"{n:016d}")
    await small.pass_time(5 * MINUTE_MS)
    for n in range(0, 120, 3):
        paid = {
            "violation_no": f"{n:016d}", "plate": "闽A12345", "amount": 20000,
            "paid_at": "2026-11-24T10:00:00+08:00", "receipt_no": "1",
        }  # fmt: skip
        await small.tell("gov.traffic.violation.paid.v1", f"P{n}", paid)
    await small.pass_time(3 * DAY_MS)


async def test_a_bad_day_is_accounted_for(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, faults=BAD, store=hub_store) as small:
        await bad_days(small)
        store, report = small.hub.store, small.reading.report()
        assert report == recount(store)
        assert report.total.notifications == 160
        assert report.total.delivered > 100
        assert report.total.unconfirmed
        with store.readers.connect() as connection:
            standing = counted(connection)
            assert standing == folded(store)
        for _ in following.rebuild(store, "legs", 97):
            pass
        with store.readers.connect() as connection:
            assert counted(connection) == standing


async def test_accounts_are_compared_at_the_row_they_reach(
    tmp_path: Path, hub_store: Store
) -> None:
    """A running hub goes on while the journal is counted."""
    async with small_hub(tmp_path, store=hub_store) as small:
        await small.register("P1")
        await small.violation("P1", "1")
        await small.pass_time(MINUTE_MS)
        known, reached = small.reading.accounts()
        assert known.total.delivered == 1
        await small.violation("P1", "2")
        await small.pass_time(MINUTE_MS)
        assert recount(small.hub.store, reached) == known
        assert recount(small.hub.store).total.notifications == 2
