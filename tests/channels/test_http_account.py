"""What is wrong with a description is said by lane and field."""

import re
from collections.abc import Callable

import pytest

from channels.lanes_file import LanesError, load_lanes
from hub.lanes_file import PROTOCOLS
from tests.channels.http_bench import SMS, VOICE, declared


def wrong(text: str) -> str:
    with pytest.raises(LanesError) as error:
        load_lanes(text, PROTOCOLS)
    return str(error.value)


def put(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def drop(heading: str) -> Callable[[str], str]:
    """The table under a heading is not there."""
    return lambda text: re.sub(
        rf"^\[{re.escape(heading)}\]\n.*?(?=^\[|\Z)", "", text, flags=re.DOTALL | re.MULTILINE
    )


def test_the_lanes_of_the_guide_are_right() -> None:
    assert declared(SMS).callback is not None
    assert declared(VOICE).callback is not None
    assert declared(SMS).environment() == ("EXAMPLE_KEY", "EXAMPLE_CALLBACK_KEY")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put("http://127.0.0.1:8125", "http://sms.example"), "http.url must begin with https://"),
        (put("http://127.0.0.1:8125", "https://{to}"), "http.url must name a host"),
        (put("http://127.0.0.1:8125", "https://user@sms.example"), "http.url must name a host"),
        (put("http://127.0.0.1:8125", "https://sms.example:x"), "http.url: .* is no address"),
        (put("/v1/messages", "/v1/messages?a=1"), "http.url must hold no query"),
        (put("/v1/messages", "/v1/{to}"), r"http.url: \{to\} has no value here"),
        (put('"{text}"', '"{body}"'), r"http.fields: \{body\} has no value here; there are"),
        (put('"{text}"', '"{text"'), "http.fields: a lone {"),
        (put('"{nonce}"', '"{text}"'), r"http.headers: \{text\} has no value here"),
        (put('"{nonce}"', '"{to}"'), r"http.headers: \{to\} has no value here"),
        (put('"{nonce}"', '"a\\nb"'), "http.headers.X-Nonce must be one line"),
        (put("X-Nonce", "Host"), "http.headers: 'Host' is no header to be given"),
        (put("X-Nonce", '"X Nonce"'), "http.headers: 'X Nonce' is no header to be given"),
        (put('"{nonce}"', '"{secret:other}"'), r"http.headers: \{secret:other\} has no value"),
        (put('"{signature}"', '"x"'), r"http.sign: \{signature\} stands nowhere"),
        (put('"{text}"', '"{text} {signature}"'), r"sign.parts: \{body_sha256\} has no value here"),
        (put('key = "key"', 'key = "other"'), "http.sign.key: there is no secret 'other'"),
        (put('"EXAMPLE_KEY"', '"HUB_KEK"'), "http.secrets.key must be a variable"),
        (put('{ key = "EX', '{ Key = "EX'), "http.secrets: 'Key' must be small letters"),
        (put('"{valid_s|number}"', '"in {valid_s|number}"'), "a filter is one of"),
        (put('= "accepted"', '= "fine"'), r"http.answer.codes.*: 'fine' is none of throttled, "),
        (put('DELIVRD = "delivered"', 'DELIVRD = "here"'),
         r"http.callback.statuses.*'here' is none of delivered, undelivered, .*nothing"),
        (put('"0" = "accepted"', '"0" = "unknown"'), "http.answer.codes must say which code"),
        (put('code = ["/code"]', ""), "answer.codes is given, but answer.code does not say"),
        (put('ref = "/data/id"', 'ref = "data.id"'), "http.answer: 'data.id' is no pointer"),
        (put("[lane.http.answer.codes]", "statuses = {ok = 'accepted'}\n[lane.http.answer.codes]"),
         "http.answer.statuses: 'ok' is no HTTP status"),
        (drop("lane.http.answer"), "http.*answer"),
        (drop("lane.http.callback.check"), "http.callback.*check"),
        (put('status = "/status"', 'status = "status"'), "callback.status: 'status' is no pointer"),
        (drop("lane.http.callback.statuses"), "callback.statuses must say what the words"),
        (put('ref = "/id"', ''), "callback.ref must point at the id that answer.ref points at"),
        (put('given = "header:X-Signature"', 'given = "body"'), "callback.check.given"),
        (put('key = "callback"', 'key = "none"'), "callback.check.key: there is no secret 'none'"),
        (put('parts = ["{header:X-Timestamp}", "{body}"]', 'parts = ["{body}"]'),
         "check.time must stand in check.parts"),
        (put('parts = ["{header:X-Timestamp}", "{body}"]', 'parts = ["{text}"]'),
         r"check.parts: \{text\} has no value here"),
        (put("answer_ms = 5000", "answer_ms = 50"), "http.answer_ms: Expected `int` >= 100"),
        (put("answer_ms = 5000", "answers_ms = 50"), "http: .*answers_ms"),
        (put('channel = "sms"', 'channel = "voice"'), "sms_http carries channel sms only"),
        (put("connections = 16", "[lane.smpp]"), "takes no table"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(change: Callable[[str], str], reason: str) -> None:
    text = change(SMS)
    assert text != SMS
    said = wrong(text)
    assert said.startswith("lane sms-example: ")
    assert re.search(reason, said), said


def test_a_report_that_nothing_ties_to_a_message() -> None:
    text = SMS.replace('notify_url = "{callback}"\n', "")
    assert declared(text).callback is not None  # it is named in the report
    text = text.replace('attempt = "/out_id"\n', "").replace('ref = "/id"\n', "")
    assert "callback.ref or attempt must say which message" in wrong(text)


def test_an_address_for_reports_that_nobody_would_read() -> None:
    text = SMS[: SMS.index("[lane.http.callback]")]
    assert "http.callback is missing" in wrong(text)


def test_a_key_pressed_by_nobody() -> None:
    text = VOICE.replace('notify_url = "{callback}"\n', "").replace('attempt = "/out_id"\n', "")
    assert "callback.digit needs attempt" in wrong(text)


def test_a_form_has_no_tables() -> None:
    text = SMS.replace("connections = 16", 'body = "form"')
    assert "a filter is one of" in wrong(text)  # a form knows no numbers
    text = text.replace('"{valid_s|number}"', "60")
    assert "http.fields: every field of a form must be a text" in wrong(text)


def test_push_is_declared_like_the_others() -> None:
    text = SMS.replace('"sms_http"', '"push_http"').replace('channel = "sms"', 'channel = "push"')
    assert declared(text).callback is not None
