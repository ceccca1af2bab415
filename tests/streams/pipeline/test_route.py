"""What may lie on the events topic: what our own door sealed, what others wrote, and anything."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.journal.base import Row
from streams.topics import EVENTS, Record
from tests.journeys.town import Town, town

PAID: dict[str, Any] = {
    "violation_no": "3501020019876543", "plate": "闽A12345", "amount": 20000,
    "paid_at": "2026-11-24T09:40:00+08:00", "receipt_no": "350100261124000001",
}  # fmt: skip


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path) as made:
        await made.register("P1", phones=["13312340001"])
        yield made


def event(here: Town, name: str, **more: Any) -> bytes:
    """A structured CloudEvent as an upstream system writes it."""
    said = {
        "specversion": "1.0", "id": name, "source": "upstream", "subject": "P1",
        "type": "gov.traffic.violation.paid.v1", "time": here.now().isoformat(), "data": PAID,
    }  # fmt: skip
    return json.dumps(said | more, ensure_ascii=False).encode()


async def bring(here: Town, *values: bytes, key: bytes = b"P1") -> None:
    """These values onto the topic, in one batch, and time to route and send."""
    await here.hub.river.topics.publish({EVENTS: [Record(key, value) for value in values]})
    await here.pass_(minutes=5)


def sealed(here: Town, raw: bytes) -> bytes:
    return here.hub.river.hub_key.seal(raw, EVENTS.encode())


async def test_plain_and_sealed_events_lie_side_by_side(here: Town) -> None:
    other = event(here, "e2", data=PAID | {"violation_no": "3501020019876544"})
    await bring(here, event(here, "e1"), sealed(here, other))
    assert [told.status for told in here.told("P1")] == ["delivered", "delivered"]


async def test_the_same_event_plain_and_sealed_is_one(here: Town) -> None:
    raw = event(here, "e1")
    await bring(here, raw, sealed(here, raw))
    await bring(here, raw)
    assert len(here.told("P1")) == 1


@pytest.mark.parametrize(
    ("poison", "field"),
    [
        (b"", "event"),
        (b"null", "event"),
        (b"PK\x03\x04 a file", "event"),
        (b"\xff\xfe{}", "event"),
        (b'{"specversion": "1.0"}', "id"),
        (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "event"),
        (b"\x01", "event"),
        (b"\x01" + b"sealed by somebody else" * 3, "event"),
        (b"\x02" + b"sealed in the other way" * 3, "event"),
    ],
)
async def test_poison_is_set_aside_as_it_came_and_the_batch_goes_on(
    here: Town, poison: bytes, field: str
) -> None:
    other = event(here, "e2", data=PAID | {"violation_no": "3501020019876544"})
    await bring(here, event(here, "e1"), poison, other)
    assert len(here.told("P1")) == 2
    [item] = here.hub.reading.quarantined()
    assert (item.where, item.field) == (EVENTS, field)
    assert here.hub.reading.quarantined_raw(item.id) == poison


async def test_poison_that_comes_again_is_set_aside_once(here: Town) -> None:
    await bring(here, b"poison")
    await bring(here, b"poison", event(here, "e1"))
    assert len(here.hub.reading.quarantined()) == 1
    assert len(here.told("P1")) == 1


@pytest.mark.parametrize("key", [b"", b"somebody else", b"\xff\x00"])
async def test_a_key_that_is_not_the_recipient_changes_nothing(here: Town, key: bytes) -> None:
    await bring(here, event(here, "e1"), key=key)
    [told] = here.told("P1")
    assert (told.recipient, told.status) == ("P1", "delivered")


WARNED: dict[str, Any] = {
    "type": "gov.traffic.road.warned.v1",
    "data": {
        "warning_no": "G15-20261124-2", "road": "G15沈海高速", "section": "福州往厦门方向莆田段",
        "hazard": "突发团雾", "advice": "请降低车速",
    },
}  # fmt: skip


async def test_what_one_is_told_of_a_case_does_not_depend_on_how_many_others_are(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in range(2, 8):
        await here.register(f"P{other}", phones=[f"1331234000{other}"])
    await bring(here, *(event(here, f"w{n}", subject=f"P{n}", **WARNED) for n in range(2, 8)))
    journal, read = here.hub.river.journal, set[bytes]()
    reading = journal.read

    async def noting(streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        read.update(streams)
        return await reading(streams)

    monkeypatch.setattr(journal, "read", noting)
    index = here.hub.river.index
    found = await journal.lookup([(index.recipient(f"P{n}"), b"") for n in range(2, 8)])
    others = {stream for streams in found.values() for stream in streams}
    assert len(others) >= 6
    await bring(here, event(here, "w1", **WARNED))
    assert here.told("P1")
    assert others.isdisjoint(read)
