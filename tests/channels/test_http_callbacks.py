"""What a declared provider calls back: believed when it proves where it is from, and then read."""

import base64
import contextlib
import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from channels.base import Accepted, LateAnswer, Receipt, Reply
from channels.http_account import Callback, Check
from channels.http_callbacks import Called, Malformed, NoMoreCalls, Told, is_theirs, read
from tests.channels.http_bench import VOICE, declared

NOW_MS = 1_795_485_600_000
SECRETS = {"callback": "shared"}
STREAM = "0123456789abcdef0123456789abcdef"
ATTEMPT = f"{STREAM}:2"
LANE = "sms-example"


def callback(text: str | None = None, **changes: object) -> Callback:
    found = (declared(text) if text else declared()).callback
    assert found is not None
    return replace(found, **changes)


CHECK = callback().check
BODY = b'{"reports":[]}'


def called(
    body: bytes = BODY, at: str = str(NOW_MS), key: str = "shared", **headers: str
) -> Called:
    proof = hmac.new(key.encode(), at.encode() + b"\n" + body, sha256).hexdigest()
    given_headers = {"x-timestamp": at, "x-signature": proof, **headers}
    return Called("hub.example", "/callbacks/http/sms-example", {}, given_headers, body)


# Whose it is ------------------------------------------------------------------------------------


def test_what_is_signed_is_theirs() -> None:
    assert is_theirs(CHECK, SECRETS, called(), NOW_MS)


def test_letters_of_hex_may_be_great() -> None:
    one = called()
    one = one._replace(headers={**one.headers, "x-signature": one.headers["x-signature"].upper()})
    assert is_theirs(CHECK, SECRETS, one, NOW_MS)


@pytest.mark.parametrize(
    "forged",
    [
        called(key="guessed"),
        called()._replace(body=b'{"reports":[1]}'),
        called()._replace(headers={}),
        called()._replace(headers={**called().headers, "x-timestamp": str(NOW_MS + 1)}),
        called()._replace(headers={**called().headers, "x-signature": ""}),
        called()._replace(headers={**called().headers, "x-signature": "ü"}),
    ],
)
def test_what_is_forged_is_not(forged: Called) -> None:
    assert not is_theirs(CHECK, SECRETS, forged, NOW_MS)


@pytest.mark.parametrize("at", [str(NOW_MS - 300_001), str(NOW_MS + 300_001), "", "now", "9" * 20])
def test_what_is_stale_is_not(at: str) -> None:
    assert not is_theirs(CHECK, SECRETS, called(at=at), NOW_MS)


def test_a_time_in_seconds() -> None:
    assert is_theirs(CHECK, SECRETS, called(at=str(NOW_MS // 1_000)), NOW_MS)
    assert not is_theirs(CHECK, SECRETS, called(at=str(NOW_MS // 1_000 - 301)), NOW_MS)


def test_without_a_secret_nobody_is() -> None:
    assert not is_theirs(CHECK, {}, called(key=""), NOW_MS)


def test_the_secret_itself() -> None:
    check = Check(key="callback", given="query:token")
    plain = called()._replace(query={"token": "shared"})
    assert is_theirs(check, SECRETS, plain, NOW_MS)
    assert not is_theirs(check, SECRETS, called()._replace(query={"token": "share"}), NOW_MS)
    assert not is_theirs(check, SECRETS, called(), NOW_MS)


def test_every_part_of_a_call_can_be_signed() -> None:
    parts = ("{host}", "{path}", "{query:n}", "{header:x-n}", "{secret:callback}", "{body_sha256}")
    check = Check(key="callback", given="header:x-proof", parts=parts, join="|", encoding="base64")
    text = f"hub.example|/callbacks/http/sms-example|1|2|shared|{sha256(BODY).hexdigest()}"
    digest = hmac.new(b"shared", text.encode(), sha256).digest()
    proof = base64.b64encode(digest).decode()
    one = called(**{"x-n": "2", "x-proof": proof})._replace(query={"n": "1"})
    assert is_theirs(check, SECRETS, one, NOW_MS)
    assert not is_theirs(check, SECRETS, one._replace(path="/callbacks/http/other"), NOW_MS)


@given(st.binary(max_size=200))
def test_any_bytes_are_signed_as_they_came(body: bytes) -> None:
    assert is_theirs(CHECK, SECRETS, called(body=body), NOW_MS)


# What it says -----------------------------------------------------------------------------------


def told(report: Mapping[str, object], attempt: str = "", **changes: object) -> list[Told]:
    body = json.dumps({"reports": [report]}).encode()
    return read(callback(**changes), LANE, attempt, body, NOW_MS)


NAMED = {"id": "r1", "out_id": ATTEMPT.replace(":", "-")}


@pytest.mark.parametrize(
    ("report", "found"),
    [
        ({"status": "DELIVRD"}, Receipt(LANE, "r1", "delivered", "DELIVRD", NOW_MS, ATTEMPT)),
        ({"status": "EXPIRED"}, Receipt(LANE, "r1", "expired", "EXPIRED", NOW_MS, ATTEMPT)),
        ({"status": "MK:0001"}, Receipt(LANE, "r1", "undelivered", "MK:0001", NOW_MS, ATTEMPT)),
        (
            {"status": "UNDELIV", "reason": "NO_SUCH_NUMBER"},
            Receipt(
                LANE, "r1", "undelivered", "NO_SUCH_NUMBER", NOW_MS, ATTEMPT, then="never"
            ),
        ),
        ({"status": "ACCEPTD"}, LateAnswer(LANE, ATTEMPT, Accepted("r1"))),
    ],
)  # fmt: skip
def test_what_became_of_it(report: dict[str, object], found: Told) -> None:
    assert told({**NAMED, **report}) == [found]


def test_what_was_accepted_is_told_under_its_name_only() -> None:
    unnamed = {"out_id": NAMED["out_id"], "status": "ACCEPTD"}
    assert told(unnamed) == []
    assert told(unnamed, ref="") == [LateAnswer(LANE, ATTEMPT, Accepted(ATTEMPT))]
    assert told({"id": "r1", "status": "ACCEPTD"}) == []


def test_without_a_word_for_others_an_unknown_status_proves_nothing() -> None:
    assert told({**NAMED, "status": "NEW"}, statuses={"DELIVRD": "delivered"}) == []


def test_the_address_names_the_attempt_where_the_report_does_not() -> None:
    (receipt,) = told({"id": "r1", "status": "DELIVRD"}, "00" * 16 + ":3")
    assert isinstance(receipt, Receipt)
    assert receipt.attempt == "00" * 16 + ":3"


def test_a_reference_alone_will_do() -> None:
    (receipt,) = told({"id": 17, "status": "DELIVRD"})
    assert isinstance(receipt, Receipt)
    assert (receipt.ref, receipt.attempt) == ("17", "")


def test_many_reports_in_their_order() -> None:
    body = json.dumps({"reports": [{"id": str(n), "status": "DELIVRD"} for n in range(3)]}).encode()
    found = read(callback(), LANE, "", body, NOW_MS)
    assert [one.ref for one in found if isinstance(one, Receipt)] == ["0", "1", "2"]


def test_one_report_that_is_the_body_as_a_form() -> None:
    body = urlencode({"id": "r1", "status": "DELIVRD"}).encode()
    (found,) = read(callback(body="form", reports=""), LANE, "", body, NOW_MS)
    assert found == Receipt(LANE, "r1", "delivered", "DELIVRD", NOW_MS)


@pytest.mark.parametrize(
    ("number", "source"),
    [
        ("13800138000", "+8613800138000"), ("8613800138000", "+8613800138000"),
        ("+8613800138000", "+8613800138000"), ("0015551230001", "+15551230001"),
        ("wxid", "wxid"),
    ],
)  # fmt: skip
def test_who_replies_is_named_by_an_international_number(number: str, source: str) -> None:
    pointers = {"reply": "/text", "reply_from": "/from", "reply_to": "/to"}
    found = told({"text": "ＴＤ", "from": number, "to": "12123"}, **pointers)
    assert found == [Reply(LANE, source, "12123", "ＴＤ", NOW_MS)]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("1", [Receipt("v", "r1", "read", "1", NOW_MS, ATTEMPT)]),
        ("0", [NoMoreCalls(ATTEMPT, "0")]),
        ("9", []),
        ("", []),
    ],
)
def test_a_key_that_was_pressed(key: str, found: list[Told]) -> None:
    report = {**NAMED, "status": "ANSWERED", "key": key}
    body = json.dumps({"reports": [report]}).encode()
    answered = Receipt("v", "r1", "delivered", "ANSWERED", NOW_MS, ATTEMPT)
    assert read(callback(VOICE), "v", "", body, NOW_MS) == [*found, answered]


def test_busy_is_tried_again() -> None:
    body = json.dumps({"reports": [{**NAMED, "status": "BUSY"}]}).encode()
    (found,) = read(callback(VOICE), "v", "", body, NOW_MS)
    assert found == Receipt("v", "r1", "undelivered", "BUSY", NOW_MS, ATTEMPT, then="again")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<p>", "the body must be json"),
        (b"[" * 100_000, "the body must be json"),
        (b"\xff", "the body must be json"),
        (b"[]", "/reports must be the list"),
        (b'{"reports": {}}', "/reports must be the list"),
        (b'{"reports": [7]}', "/reports must hold objects"),
        (b'{"reports": [{"status": "DELIVRD"}]}', "/id must say which message"),
        (b'{"reports": [{"out_id": "x", "status": "DELIVRD"}]}', "/out_id must be what"),
        (b'{"reports": [{"out_id": "%s-1x"}]}' % STREAM.encode(), "/out_id must be what"),
    ],
)
def test_what_is_not_as_declared_says_the_field(body: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        read(callback(), LANE, "", body, NOW_MS)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["reports", "id", "out_id", "status", "reason", "text"]), x)))  # fmt: skip
def test_any_document_is_read_or_refused(document: object) -> None:
    with contextlib.suppress(Malformed):
        read(callback(), LANE, "", json.dumps(document).encode(), NOW_MS)
