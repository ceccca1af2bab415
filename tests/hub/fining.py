"""Somebody is fined, in a hub of one process: what the tests of carriers' lanes begin with."""

import asyncio
import json
from collections import Counter
from datetime import datetime
from typing import Any

from hub.bootstrap import Hub
from tests.streams.small_hub import ZONE

PATIENCE_S = 60


def event(hub: Hub, kind: str, ref: str, data: dict[str, Any]) -> bytes:
    now = datetime.fromtimestamp(hub.clock.now_ms() / 1000, ZONE).isoformat()
    envelope = {"specversion": "1.0", "id": f"{kind}-{ref}", "source": "test", "type": kind}
    return json.dumps({**envelope, "subject": ref, "time": now, "data": data}).encode()


async def fine(hub: Hub, refs: list[str], kinds: list[str], first: int = 0) -> None:
    """Register somebody for each reference, whose number makes the gateway do what ``kinds`` say,
    and tell each of a violation. Numbers count from ``first``."""
    people = [
        event(
            hub, "hub.recipient.registered.v1", ref,
            {"ref": ref, "kind": "person", "name": "王丽", "phones": [f"138{kind}{n:06d}"]},
        )
        for n, (ref, kind) in enumerate(zip(refs, kinds, strict=True), first)
    ]  # fmt: skip
    when = "2026-11-20T08:30:00+08:00"
    cases = [
        event(
            hub, "gov.traffic.violation.recorded.v1", ref,
            {
                "violation_no": f"{n:016d}", "plate": "闽A12345", "place": "五四路", "fine": 20000,
                "occurred_at": when, "offence": "违反禁止标线指示", "points": 1,
            },
        )
        for n, ref in enumerate(refs, first)
    ]  # fmt: skip
    for told in (people, cases):
        answers = await hub.commands.accept(told)
        assert {answer.status for answer in answers} == {"accepted"}
        await asyncio.sleep(0.5)  # who somebody is was routed before what happened to them


def journalled(hub: Hub) -> Counter[str]:
    with hub.store.readers.connect() as connection:
        rows = connection.exec_driver_sql("SELECT type, count(*) FROM journal GROUP BY type")
        return Counter(dict(map(tuple, rows)))


async def until(hub: Hub, name: str, times: int) -> Counter[str]:
    for _ in range(PATIENCE_S * 10):
        found = journalled(hub)
        if found[name] >= times:
            break
        await asyncio.sleep(0.1)
    return found
