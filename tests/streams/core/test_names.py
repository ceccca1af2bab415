"""What things are called: everything that can be named is, in both languages."""

from typing import get_args

import pytest

from channels.carriers import CARRIERS, INTL, PORTED
from channels.push_address import SERVICES
from preferences.rules import CHINA
from streams.core import names
from streams.core.lifecycle import Status
from templates.notice import CHANNELS, LANGUAGES, NoticeClass
from tests.streams.core.samples import NOON

TABLES = {
    "CHANNELS": CHANNELS,
    "CLASSES": get_args(NoticeClass),
    "CARRIERS": (*CARRIERS, INTL, PORTED, *SERVICES),
    "STATUSES": tuple(Status),
    "_LANGUAGES": LANGUAGES,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_one_has_its_name(table: str) -> None:
    assert getattr(names, table).keys() == set(TABLES[table])


@pytest.mark.parametrize("table", TABLES)
def test_every_name_is_in_two_languages(table: str) -> None:
    for zh, en in getattr(names, table).values():
        assert not zh.isascii()
        assert en.isascii()


def test_what_nobody_named_is_called_by_its_own_name() -> None:
    assert names.channel("fax", "zh") == "fax"
    assert names.carrier("", "en") == ""


def test_times_are_by_the_clock_of_a_zone() -> None:
    assert names.moment(NOON, CHINA) == "2026-11-24 12:00"
    assert names.moment(NOON, "America/New_York") == "2026-11-23 23:00"
    assert names.moment(0, CHINA) == ""
    assert names.minute(8 * 60 + 5) == "08:05"


def test_whose_clock_it_is_is_said() -> None:
    assert names.clock_of(CHINA, "zh") == "北京时间"
    assert names.clock_of("Asia/Urumqi", "en") == "Asia/Urumqi time"


def test_half_sentences_make_a_whole_one() -> None:
    assert names.sentence(["甲", "乙"], "zh") == "甲，乙。"
    assert names.sentence(["one", "two"], "en") == "One; two."
