"""The two declarations of a catalog."""

import pytest

from templates.errors import CatalogRefused
from templates.notice import Escalation, Occasion
from templates.notice_toml import parse_notice, parse_senders

GOOD = """
[notice]
class = "reminder"
category = "permit-filing"
service = "precursor"
title = { zh = "提醒", en = "Reminder" }
sender = "precursor"
to = "contacts:filing"
channels = ["sms", "inbox"]
expiry = "24h"
due = "file_by"
occasions = ["T-15", "T+1"]
at = "09:30"
[notice.escalation]
after = "30m"
to = ["inbox"]

[[event]]
type = "gov.test.sold.v1"
role = "trigger"
correlation = "sale_no"
[event.data]
sale_no = { type = "text", max = 24 }
file_by = { type = "date" }
remark = { type = "text", required = false }

[[event]]
type = "gov.test.filed.v1"
role = "stop"
correlation = "sale_no"
[event.data]
sale_no = { type = "text", max = 24 }
"""


def test_a_notice() -> None:
    notice, events = parse_notice("filing-reminder", GOOD)
    assert notice.id == "filing-reminder"
    assert notice.expiry_ms == 24 * 3_600_000
    assert notice.triggers == ("gov.test.sold.v1",)
    assert notice.stops == ("gov.test.filed.v1",)
    assert notice.due_field == "file_by"
    assert notice.occasions == (Occasion("T-15", -15, 570), Occasion("T+1", 1, 570))
    assert notice.escalation == Escalation(1_800_000, ("inbox",))
    assert events["gov.test.sold.v1"].correlation == "sale_no"


def test_a_variable_is_required_when_every_trigger_requires_it() -> None:
    text = GOOD.replace('role = "stop"', 'role = "trigger"').replace('due = "file_by"', "")
    text = text.replace('occasions = ["T-15", "T+1"]', "")
    variables = parse_notice("filing-reminder", text).variables
    assert variables["sale_no"].required
    assert not variables["file_by"].required
    assert not variables["remark"].required


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('class = "reminder"', 'class = "urgent"', "notice.class"),
        ('class = "reminder"', 'class = "reminder"\ncolour = "red"', "notice"),
        ('sender = "precursor"', "", "notice"),
        ('en = "Reminder" }', "}", ""),
        (', en = "Reminder"', "", "notice.title"),
        ('expiry = "24h"', 'expiry = "soon"', "notice.expiry"),
        ('expiry = "24h"', 'expiry = "0h"', "notice.expiry"),
        ('expiry = "24h"', 'expiry = "91d"', "notice.expiry"),
        ('channels = ["sms", "inbox"]', "channels = []", "notice.channels"),
        ('channels = ["sms", "inbox"]', 'channels = ["fax"]', "notice.channels[0]"),
        ('to = "contacts:filing"', 'to = "everybody"', "notice.to"),
        ('to = "contacts:filing"', 'to = "field:owner"', "notice.to"),
        ('"T+1"', '"T"', "notice.occasions"),
        ('"T+1"', '"T+500"', "notice.occasions"),
        ('at = "09:30"', 'at = "25:00"', "notice.at"),
        ('due = "file_by"', 'due = "sale_no"', "notice.due"),
        ('due = "file_by"', "", "notice.due"),
        ('to = ["inbox"]', 'to = ["voice"]', "notice.escalation.to"),
        ('at = "09:30"', 'at = "09:30"\nsupersedes = true', "notice.family"),
        ('at = "09:30"', 'at = "09:30"\nmax_segments = 11', "notice.max_segments"),
        ('at = "09:30"', 'at = "09:30"\nwhen = { colour = "red" }', "notice.when"),
        ('role = "trigger"', 'role = "stop"', "event"),
        ('role = "trigger"', 'role = "cause"', "event[0].role"),
        ("gov.test.filed.v1", "gov.test.sold.v1", "event"),
        ("gov.test.filed.v1", "filed", "event filed"),
        ("remark = {", "name = {", "event gov.test.sold.v1.name"),
        ("remark = {", "Remark = {", "event gov.test.sold.v1.Remark"),
        ('type = "date"', 'type = "day"', "event[0].data[...].type"),
        ('type = "date"', 'type = "date", max = 0', "event gov.test.sold.v1.file_by.max"),
        ('correlation = "sale_no"', 'correlation = "case"', "event gov.test.sold.v1.correlation"),
        ('role = "stop"\ncorrelation = "sale_no"', 'role = "stop"', "event.correlation"),
        ("[notice]", "[notice", ""),
    ],
)
def test_refusals_name_file_and_key(old: str, new: str, key: str) -> None:
    assert old in GOOD
    with pytest.raises(CatalogRefused) as caught:
        parse_notice("filing-reminder", GOOD.replace(old, new))
    assert caught.value.file == "filing-reminder/notice.toml"
    assert caught.value.key == key


def test_an_id_is_hyphenated_words() -> None:
    with pytest.raises(CatalogRefused, match="notice id"):
        parse_notice("Filing_Reminder", GOOD)


SENDER = """
[traffic]
signature = "【交管12123】"
name = { zh = "公安交管", en = "Traffic Police" }
email = "notice@122.gov.cn"
short_number = "12123"
"""


def test_senders() -> None:
    assert parse_senders(SENDER)["traffic"].signature == "【交管12123】"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("【交管12123】", "交管12123"),
        ("【交管12123】", "【交】【管】"),
        (', en = "Traffic Police"', ""),
    ],
)
def test_sender_refusals(old: str, new: str) -> None:
    with pytest.raises(CatalogRefused, match=r"senders\.toml: traffic\."):
        parse_senders(SENDER.replace(old, new))
