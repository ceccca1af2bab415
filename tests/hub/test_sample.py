"""The sample is made up, fits the catalog, meets every notice, and is the same for a seed."""

import hashlib
from collections import Counter

import pytest

from channels.carriers import Phone, normalise
from hub.sample import Sample, registrations
from hub.sample_cases import DAYS, MINUTES
from hub.sample_people import People
from streams.core.notices import matching
from streams.door import Incoming, examine
from streams.pipeline.answered import ANSWER
from templates.catalog_files import Catalog, read_catalog
from templates.links import OFFICIAL

NOW_MS = 1_795_485_600_000  # 2026-11-24 10:00 in Beijing
SIZE = 600


@pytest.fixture(scope="module")
def people() -> People:
    return People(SIZE, 1)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return read_catalog()


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data).digest()


def _known(raw: bytes, catalog: Catalog, now_ms: int) -> Incoming:
    read = examine(raw, catalog, OFFICIAL, _digest, now_ms)
    assert isinstance(read, Incoming), f"{read}: {raw.decode()}"
    return read


def test_recipients_come_in(people: People, catalog: Catalog) -> None:
    read = [_known(raw, catalog, NOW_MS) for raw in registrations(people, NOW_MS)]
    assert len({one.event.subject for one in read}) == len(people) == SIZE


def test_recipients_are_of_every_kind(people: People) -> None:
    phones = [normalise(one.registration["phones"][0]) for one in people.persons]
    known = [phone for phone in phones if isinstance(phone, Phone)]
    assert len(known) == len(people.persons)
    assert {phone.carrier for phone in known} == {"cmcc", "cucc", "ctcc", "cbn", ""}
    assert any(phone.kind == "landline" for phone in known)
    english = sum(one.registration.get("language") == "en" for one in people.persons)
    assert 0.01 < english / len(people.persons) < 0.06
    assert len({one.region.code for one in people}) > 5
    assert {type(choice).__name__ for one in people for choice in one.choices} == {
        "GiveConsent",
        "SetOrder",
        "SetQuietHours",
        "SwitchCategory",
    }


def test_events_meet_every_notice(people: People, catalog: Catalog) -> None:
    sample = Sample(people, 1, "test")
    met: Counter[str] = Counter()
    for slot in range(3 * DAYS // (10 * MINUTES)):
        now_ms = NOW_MS + slot * 10 * MINUTES
        for raw in sample.take(now_ms, 12):
            event = _known(raw, catalog, now_ms).event
            met.update(notice.id for notice in matching(event, catalog))
    answers = {notice.id for notice in catalog.triggered_by(ANSWER)}  # to what people write back
    assert set(met) == catalog.notices.keys() - answers


def test_the_same_seed_tells_the_same_story(people: People) -> None:
    def story(seed: int) -> list[bytes]:
        sample = Sample(people, seed, "test")
        return [raw for minute in range(60) for raw in sample.take(NOW_MS + minute * MINUTES, 5)]

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_exactly_as_many_come_as_are_asked_for(people: People) -> None:
    sample = Sample(people, 1, "test")
    assert [len(sample.take(NOW_MS, count)) for count in (0, 1, 20, 500)] == [0, 1, 20, 500]
