"""Whether it was Twilio that called, judged by Twilio's own library, and what it said."""

from hashlib import sha256
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from channels.base import Accepted, LateAnswer, Receipt
from channels.twilio_callbacks import FORM, Keys, fields_of, read_call, read_sms

TOKEN, SHARED = "token-of-a-test", "shared-of-a-test"
KEYS = Keys(TOKEN, SHARED)
URL = "https://hub.example/callbacks/twilio/sms/a%20lane/0a/3"
FIELDS = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+15551234567", "Body": ""}
NOW_MS = 1_700_000_000_000


def form(
    fields: dict[str, str] = FIELDS, url: str = URL, key: str = TOKEN, algorithm: str = ""
) -> tuple[dict[str, str], bytes]:
    """Headers and body as Twilio sends them."""
    headers = {
        "content-type": FORM,
        "x-twilio-signature": RequestValidator(key).compute_signature(
            url, fields, algorithm or None
        ),
    }
    if algorithm:
        headers["x-twilio-webhooks-signature-settings"] = f"key=webhooks_1,algorithm={algorithm}"
    return headers, urlencode(fields).encode()


def test_the_example_that_twilio_publishes() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    fields = {
        "CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234",
        "From": "+14158675309", "To": "+18005551212",
    }  # fmt: skip
    headers = {"content-type": FORM, "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}
    assert fields_of(url, headers, urlencode(fields).encode(), Keys("12345")) == fields


def test_a_form_that_is_signed() -> None:
    headers, body = form()
    assert fields_of(URL, headers, body, KEYS) == FIELDS


@pytest.mark.parametrize("signed", ["https://hub.example:443/x", "https://hub.example/x"])
@pytest.mark.parametrize("known", ["https://hub.example:443/x", "https://hub.example/x"])
def test_the_port_may_be_named_or_not(signed: str, known: str) -> None:
    headers, body = form(url=signed)
    assert fields_of(known, headers, body, KEYS) == FIELDS


@pytest.mark.parametrize("algorithm", ["HMAC_SHA256", "HMAC_SHA1"])
def test_a_shared_key_and_its_algorithm(algorithm: str) -> None:
    headers, body = form(key=SHARED, algorithm=algorithm)
    assert fields_of(URL, headers, body, KEYS) == FIELDS
    assert fields_of(URL, headers, body, Keys(TOKEN)) is None


def test_a_form_of_characters_and_of_doubled_fields() -> None:
    fields = [("Body", "你好 & +"), ("Media", "b"), ("Media", "a"), ("Media", "a")]

    class Several(dict[str, str]):
        def getall(self, name: str) -> list[str]:
            return [value for key, value in fields if key == name]

    signature = RequestValidator(TOKEN).compute_signature(URL, Several(fields))
    headers = {"content-type": f"{FORM}; charset=UTF-8", "x-twilio-signature": signature}
    read = fields_of(URL, headers, urlencode(fields).encode(), KEYS)
    assert read == {"Body": "你好 & +", "Media": "a"}


def json_call(body: bytes, hashed: bytes | None = None) -> tuple[str, dict[str, str]]:
    url = f"{URL}?bodySHA256={sha256(hashed if hashed is not None else body).hexdigest()}"
    signature = RequestValidator(TOKEN).compute_signature(url, {})
    return url, {"content-type": "application/json", "x-twilio-signature": signature}


def test_a_body_of_json_by_its_hash() -> None:
    body = b'{"MessageSid":"SM1","MessageStatus":"sent","ErrorCode":null,"n":7}'
    url, headers = json_call(body)
    fields = fields_of(url, headers, body, KEYS)
    assert fields == {"MessageSid": "SM1", "MessageStatus": "sent", "n": "7"}


def test_json_that_is_not_what_was_hashed() -> None:
    url, headers = json_call(b"{}", b"[]")
    assert fields_of(url, headers, b"{}", KEYS) is None


@pytest.mark.parametrize("body", [b"[1]", b"nonsense"])
def test_signed_json_that_is_no_object_says_nothing(body: bytes) -> None:
    url, headers = json_call(body)
    assert fields_of(url, headers, body, KEYS) == {}


def test_json_without_its_hash_is_refused() -> None:
    signature = RequestValidator(TOKEN).compute_signature(URL, {})
    headers = {"content-type": "application/json", "x-twilio-signature": signature}
    assert fields_of(URL, headers, b"{}", KEYS) is None


@pytest.mark.parametrize(
    "change",
    [
        {"x-twilio-signature": ""},
        {"x-twilio-signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        {"x-twilio-signature": "é"},
        {"x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_MD5"},
        {"x-twilio-webhooks-signature-settings": "key=k"},
        {"content-type": "text/plain"},
        {"content-type": ""},
    ],
)
def test_what_is_forged_is_refused(change: dict[str, str]) -> None:
    headers, body = form()
    assert fields_of(URL, headers | change, body, KEYS) is None


def test_what_was_signed_for_elsewhere_or_said_otherwise_is_refused() -> None:
    headers, body = form()
    assert fields_of(URL.replace("/3", "/4"), headers, body, KEYS) is None
    assert fields_of(URL, headers, body.replace(b"delivered", b"failed"), KEYS) is None
    assert fields_of(URL, headers, body + b"&ErrorCode=1", KEYS) is None
    assert fields_of(URL, headers, b"\xff", KEYS) is None
    assert fields_of(URL, headers, body, Keys("")) is None


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ("delivered", "", ("delivered", "delivered", "")),
        ("read", "", ("delivered", "read", "")),
        ("undelivered", "30003", ("undelivered", "30003", "")),
        ("undelivered", "30005", ("undelivered", "30005", "never")),
        ("failed", "", ("undelivered", "failed", "")),
        ("failed", "not a number", ("undelivered", "not a number", "")),
        ("canceled", "", ("undelivered", "canceled", "")),
    ],
)
def test_a_text_message_that_is_over(status: str, code: str, said: tuple[str, str, str]) -> None:
    fields = {"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": code}
    report = read_sms("lane", "0a:3", fields, NOW_MS)
    assert isinstance(report, Receipt)
    assert (report.status, report.code, report.then) == said
    assert (report.lane, report.attempt, report.ref) == ("lane", "0a:3", "SM1")


@pytest.mark.parametrize("status", ["queued", "accepted", "scheduled", "sending", "sent", "newer"])
def test_a_text_message_on_its_way_was_taken(status: str) -> None:
    fields = {"MessageSid": "SM1", "MessageStatus": status}
    expected = LateAnswer("lane", "0a:3", Accepted("SM1"))
    assert read_sms("lane", "0a:3", fields, NOW_MS) == expected


@pytest.mark.parametrize("fields", [{}, {"MessageSid": "SM1"}, {"MessageStatus": "sent"}])
def test_a_callback_about_nothing(fields: dict[str, str]) -> None:
    assert read_sms("lane", "0a:3", fields, NOW_MS) is None
    assert read_call("lane", "0a:3", fields, NOW_MS) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"CallStatus": "busy"}, ("undelivered", "busy", "again")),
        ({"CallStatus": "no-answer"}, ("undelivered", "no-answer", "again")),
        (
            {"CallStatus": "completed", "AnsweredBy": "machine_end_beep"},
            ("undelivered", "machine_end_beep", "again"),
        ),
        ({"CallStatus": "completed", "AnsweredBy": "fax"}, ("undelivered", "fax", "again")),
        ({"CallStatus": "completed", "AnsweredBy": "human"}, ("delivered", "human", "")),
        (
            {"CallStatus": "failed", "SipResponseCode": "404"},
            ("undelivered", "failed 404", "never"),
        ),
        ({"CallStatus": "failed", "SipResponseCode": "503"}, ("undelivered", "failed 503", "")),
        ({"CallStatus": "failed"}, ("undelivered", "failed", "")),
        ({"CallStatus": "canceled"}, ("undelivered", "canceled", "")),
    ],
)
def test_a_call_that_is_over(fields: dict[str, str], said: tuple[str, str, str]) -> None:
    report = read_call("lane", "0a:3", {"CallSid": "CA1", **fields}, NOW_MS)
    assert isinstance(report, Receipt)
    assert (report.status, report.code, report.then) == said


@pytest.mark.parametrize(
    "fields",
    [
        {"CallStatus": "ringing"},
        {"CallStatus": "in-progress", "AnsweredBy": "human"},
        {"CallStatus": "completed", "AnsweredBy": "unknown"},
        {"CallStatus": "completed"},
    ],
)
def test_a_call_that_proves_nothing_but_that_it_was_taken(fields: dict[str, str]) -> None:
    report = read_call("lane", "0a:3", {"CallSid": "CA1", **fields}, NOW_MS)
    assert report == LateAnswer("lane", "0a:3", Accepted("CA1"))


def test_no_key_is_shown() -> None:
    assert TOKEN not in repr(KEYS)
