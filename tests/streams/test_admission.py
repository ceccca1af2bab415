"""One door: what comes in, what came before, and what is kept for somebody to mend."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams.admission import Received, Recent
from tests.streams.small_hub import SmallHub, small_hub

EXAMINED = "gov.approval.case.examined.v1"
CASE = {"case_no": "FJ2026-1", "matter": "户口迁移", "by": "鼓楼分局"}


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[SmallHub]:
    async with small_hub(tmp_path) as hub:
        yield hub


async def test_the_same_event_again_is_a_duplicate(small: SmallHub) -> None:
    await small.register("P1")
    event = small.event(EXAMINED, "P1", CASE)
    first, second = await small.commands.accept([event, event])
    assert (first.status, second.status) == ("accepted", "duplicate")
    assert first.key == second.key
    [third] = await small.commands.accept([event])
    assert third.status == "duplicate", "before route has archived it"
    await small.pass_time()
    small.commands._admission._recent = Recent(2)
    [fourth] = await small.commands.accept([event])
    assert fourth == Received("duplicate", first.key), "by the archive"
    assert len(small.reading.history("P1")) == 1


async def test_other_content_under_a_known_id_is_refused(small: SmallHub) -> None:
    await small.register("P1")
    event = small.event(EXAMINED, "P1", CASE, name="one")
    other = small.event(EXAMINED, "P1", {**CASE, "by": "晋安分局"}, name="one")
    first, second = await small.commands.accept([event, other])
    assert (first.status, second.status, second.field) == ("accepted", "refused", "id")
    await small.pass_time()
    [third] = await small.commands.accept([other])
    assert third.field == "id"
    [item] = small.reading.quarantined()
    assert (item.where, item.field, item.event_id) == ("door", "id", "one")
    assert small.reading.quarantined_raw(item.id) == other


async def test_what_cannot_be_read_names_its_field_and_is_kept(small: SmallHub) -> None:
    bad = small.event(EXAMINED, "P1", {**CASE, "colour": "red"})
    answers = await small.commands.accept([bad, b"{", small.event(EXAMINED, "P1", CASE)])
    assert [a.status for a in answers] == ["refused", "refused", "accepted"]
    assert answers[0].field == "data.colour"
    await small.pass_time()
    assert len(small.reading.quarantined()) == 2
    assert {item.field for item in small.reading.quarantined()} == {"data.colour", "event"}


async def test_a_failed_publication_leaves_nothing_known(small: SmallHub) -> None:
    event = small.event(EXAMINED, "P1", CASE)
    topics = small.hub.river.topics
    publish = topics.publish

    async def fail(batches: object) -> None:
        raise OSError("the disk is full")

    topics.publish = fail  # type: ignore[assignment, method-assign]
    with pytest.raises(OSError, match="full"):
        await small.commands.accept([event])
    topics.publish = publish  # type: ignore[method-assign]
    [answer] = await small.commands.accept([event])
    assert answer.status == "accepted"


def test_the_recent_are_bounded() -> None:
    recent = Recent(4)
    for n in range(5):
        recent.add(bytes([n]), b"d%d" % n)
    assert [recent.get(bytes([n])) for n in range(5)] == [None, None, b"d2", b"d3", b"d4"]


async def test_what_may_be_urgent_does_not_wait_behind_the_others(small: SmallHub) -> None:
    await small.register("P1")
    await small.pass_time()
    warning = {
        "warning_no": "G15-20261124-2", "road": "G15沈海高速", "section": "福州往厦门方向莆田段",
        "hazard": "突发团雾", "advice": "请降低车速",
    }  # fmt: skip
    await small.commands.accept(
        [
            small.event(EXAMINED, "P1", CASE),
            small.event("gov.traffic.road.warned.v1", "P1", warning),
        ]
    )
    waiting = {topic: count for topic, (count, _) in small.hub.topics.backlog().items()}
    assert waiting == {"events": 1, "events.urgent": 1}
    await small.pass_time()
    assert len({leg.notice for leg in small.reading.history("P1")}) == 2
