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
        ('class = "reminder"', 'class = "reminder"\ncolour = "red"', "notice.colour"),
        ('sender = "precursor"', "", "notice.sender"),
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
        ('at = "09:30"', 'at = "09:30"\nwhen = { colour = "red" }', "notice.when.colour"),
        ('role = "trigger"', 'role = "stop"', "event"),
        ('role = "trigger"', 'role = "cause"', "event gov.test.sold.v1.role"),
        ("gov.test.filed.v1", "gov.test.sold.v1", "event gov.test.sold.v1"),
        ("gov.test.filed.v1", "filed", "event filed"),
        ("remark = {", "name = {", "event gov.test.sold.v1.data.name"),
        ("remark = {", "Remark = {", "event gov.test.sold.v1.data.Remark"),
        ('type = "date"', 'type = "day"', "event gov.test.sold.v1.data.file_by.type"),
        ('type = "date"', 'type = "date", max = 0', "event gov.test.sold.v1.data.file_by.max"),
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


MISTAKES = [
    (
        'class = "reminder"',
        'class = "urgent"',
        (
            "notice.class: expected emergency or code or notice or status or reminder or bulletin,"
            " got 'urgent'"
        ),
    ),
    (
        'channels = ["sms", "inbox"]',
        'channels = ["sms", "fax"]',
        "notice.channels[1]: expected sms or voice or email or push or wechat or inbox, got 'fax'",
    ),
    (
        'channels = ["sms", "inbox"]',
        'channels = "sms"',
        "notice.channels: expected a list, got text",
    ),
    (
        'to = ["inbox"]',
        'to = ["sign"]',
        (
            "notice.escalation.to[0]: expected sms or voice or email or push or wechat or inbox,"
            " got 'sign'"
        ),
    ),
    (
        'to = ["inbox"]',
        'to = ["voice"]',
        "notice.escalation.to: expected a channel of the notice (sms or inbox), got 'voice'",
    ),
    ('after = "30m"', "", "notice.escalation.after: expected to be present"),
    (
        'type = "date"',
        'type = "day"',
        (
            "event gov.test.sold.v1.data.file_by.type: expected text or digits or plate or date or"
            " datetime or money or url or phone or integer or list, got 'day'"
        ),
    ),
    (
        "remark = { type = ",
        "remark = { max = ",
        "event gov.test.sold.v1.data.remark.max: expected a whole number, got text",
    ),
    (
        'remark = { type = "text", ',
        "remark = { ",
        "event gov.test.sold.v1.data.remark.type: expected to be present",
    ),
    (
        "required = false",
        'required = "no"',
        "event gov.test.sold.v1.data.remark.required: expected true or false, got text",
    ),
    (
        'role = "trigger"',
        'role = "start"',
        "event gov.test.sold.v1.role: expected trigger or stop, got 'start'",
    ),
    ('type = "gov.test.filed.v1"', "", "event[1].type: expected to be present"),
    (
        'correlation = "sale_no"',
        'correlation = "case"',
        (
            "event gov.test.sold.v1.correlation: expected a field of data"
            " (sale_no or file_by or remark), got 'case'"
        ),
    ),
    ('{ zh = "提醒", en', '{ zh = "提醒", de', "notice.title: expected zh and en, got zh and de"),
    ('zh = "提醒"', "zh = 1", "notice.title.zh: expected text, got a whole number"),
    ('category = "permit-filing"', "", "notice.category: expected to be present"),
    (
        "category = ",
        "kategory = ",
        (
            "notice.kategory: expected no such field; only declared ones are read,"
            " got an unknown field"
        ),
    ),
    ('expiry = "24h"', "expiry = 24", "notice.expiry: expected text, got a whole number"),
    ('expiry = "24h"', 'expiry = "1w"', "notice.expiry: is a number with m, h or d, like 72h"),
    ('"T+1"', '"T+500"', "notice.occasions: T+500 is more than 400 days away"),
    (
        'due = "file_by"',
        'due = "remark"',
        "notice.due: expected a required date of gov.test.sold.v1 (file_by), got 'remark'",
    ),
    (
        'to = "contacts:filing"',
        'to = "field:owner"',
        (
            "notice.to: expected a field of gov.test.sold.v1 (sale_no or file_by or remark),"
            " got 'owner'"
        ),
    ),
    (
        'at = "09:30"',
        'contact_field = "number"',
        (
            "notice.contact_field: expected a field of gov.test.sold.v1"
            " (sale_no or file_by or remark), got 'number'"
        ),
    ),
    ("[notice]", "[notice", "expected TOML: Expected ']' at the end of a table declaration"),
]
"""As whoever writes a notice makes them, and what they are told: the key, what may stand there, and
what stands there."""


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES)
def test_mistakes_are_told_in_the_writers_words(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(CatalogRefused) as caught:
        parse_notice("filing-reminder", GOOD.replace(old, new, 1))
    assert str(caught.value).startswith(f"filing-reminder/notice.toml: {told}")


def test_an_event_that_is_none_is_named_by_its_place() -> None:
    with pytest.raises(CatalogRefused) as caught:
        parse_notice("filing-reminder", f"event = [1]\n{GOOD.partition('[[event]]')[0]}")
    assert caught.value.key == "event[0]"
    assert caught.value.reason == "expected an object, got a whole number"


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
    ("old", "new", "told"),
    [
        ("【交管12123】", "交管12123", "signature: is 【2 to 16 characters】"),
        ("【交管12123】", "【交】【管】", "signature: is 【2 to 16 characters】"),
        (', en = "Traffic Police"', "", "name: expected zh and en, got zh"),
        ('en = "Traffic Police"', "en = 1", "name.en: expected text, got a whole number"),
        ('"12123"', "12123", "short_number: expected text, got a whole number"),
        ('email = "notice@122.gov.cn"', "", "email: expected to be present"),
        ("email", "mail", "mail: expected no such field"),
    ],
)
def test_sender_refusals(old: str, new: str, told: str) -> None:
    assert old in SENDER
    with pytest.raises(CatalogRefused) as caught:
        parse_senders(SENDER.replace(old, new))
    assert str(caught.value).startswith(f"senders.toml: traffic.{told}")
