"""Service 5, the fire service: tips to who agreed, never more than one a day."""

from datetime import datetime
from typing import Any

from preferences.changes import GiveConsent
from tests.journeys.town import SHANGHAI, OpenTown


def tip(number: int) -> dict[str, Any]:
    return {
        "tip_no": f"XF2026-{number}",
        "headline": "冬季用电取暖",
        "tip": "取暖器与可燃物保持一米以上距离，人离开时关闭电源",
    }


async def test_tips_go_to_who_agreed_and_to_nobody_else(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=["13312340001"])
        await here.register("P2", phones=["13312340002"])
        await here.choose("P1", GiveConsent("fire-safety", "柜台签字单 2026-0017"))
        for ref in ("P1", "P2"):
            await here.post("gov.fire.tip.published.v1", ref, tip(1))
        await here.pass_(hours=1)
        assert here.told("P1")[0].status == "delivered"
        [refused] = here.told("P2")
        assert (refused.status, refused.state.reason) == ("suppressed", "no_consent")


async def test_the_second_tip_of_a_day_waits_for_the_next(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=["13312340001"])
        await here.choose("P1", GiveConsent("fire-safety", "柜台签字单 2026-0017"))
        for number in (1, 2):
            await here.post("gov.fire.tip.published.v1", "P1", tip(number))
        await here.pass_(hours=6)
        first, second = here.told("P1")
        assert first.status == "delivered"
        assert (second.status, second.state.reason) == ("held", "frequency_cap")
        await here.until(datetime(2026, 11, 25, 9, 30, tzinfo=SHANGHAI))
        second = here.told("P1")[1]
        assert second.status == "delivered"
        assert second.intended[0].date().isoformat() == "2026-11-25"
        await here.books_agree()
