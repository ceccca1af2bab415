"""A message as the request that a description makes of it."""

import base64
import hmac
import json
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec.structs import replace

from channels.base import Message
from channels.http_account import Http, Sign
from channels.http_request import Writer, token_of
from tests.channels.http_bench import SECRETS, declared

NOW_MS = 1_795_485_600_123
ATTEMPT = "0123456789abcdef0123456789abcdef:2"
MESSAGE = Message(
    ATTEMPT, "+8613800138000", '您有"一条"违法 {to}', NOW_MS + 1, sender="12123",
    expiry_ms=NOW_MS + 90_500, subject="标题",
)  # fmt: skip


def writer(**changes: object) -> Writer:
    return Writer("sms-example", replace(declared(), **changes), SECRETS, "https://hub.example/x/")


def body_of(http: Writer, message: Message = MESSAGE) -> dict[str, object]:
    read: dict[str, object] = json.loads(http.write(message, NOW_MS).body)
    return read


def test_the_guides_lane_asks_as_its_provider_reads() -> None:
    written = writer().write(MESSAGE, NOW_MS)
    body = json.loads(written.body)
    token = token_of(SECRETS["callback"], "sms-example", ATTEMPT)
    assert body == {
        "to": "+8613800138000",
        "content": MESSAGE.text,
        "out_id": ATTEMPT.replace(":", "-"),
        "notify_url": "https://hub.example/x/callbacks/http/sms-example/"
        f"{ATTEMPT.replace(':', '/')}/{token}",
        "ttl": 90,
    }
    assert written.url == "http://127.0.0.1:8125/v1/messages"
    headers = written.headers
    signed = "\n".join(
        ["POST", "/v1/messages", str(NOW_MS), headers["X-Nonce"], sha256(written.body).hexdigest()]
    )
    proof = hmac.new(SECRETS["key"].encode(), signed.encode(), sha256).digest()
    assert headers["X-Signature"] == base64.b64encode(proof).decode()
    assert headers["Content-Type"].startswith("application/json")


def test_the_order_of_parts_is_what_is_signed() -> None:
    one, other = ("{time_s}", "{to}"), ("{to}", "{time_s}")
    signatures = {
        writer(sign=Sign(key="key", parts=parts)).write(MESSAGE, NOW_MS).headers["X-Signature"]
        for parts in (one, other)
    }
    assert len(signatures) == 2


def test_a_signature_within_the_body_is_of_the_other_values() -> None:
    sign = Sign(key="key", parts=("{secret:key}", "{to_national}", "{time_s}"), join="&")
    body = body_of(writer(sign=sign, headers={}, fields={"sign": "{signature}"}))
    signed = f"{SECRETS['key']}&13800138000&{NOW_MS // 1_000}"
    assert body["sign"] == hmac.new(b"not-a-secret", signed.encode(), sha256).hexdigest()


def test_a_body_may_be_a_form() -> None:
    written = writer(
        body="form", fields={"mobile": "{to_digits}", "text": "{text}", "at": "{time_iso}"}
    ).write(MESSAGE, NOW_MS)
    assert dict(parse_qsl(written.body.decode())) == {
        "mobile": "8613800138000", "text": MESSAGE.text, "at": "2026-11-24T02:00:00Z",
    }  # fmt: skip
    assert written.headers["Content-Type"].startswith("application/x-www-form-urlencoded")


def test_a_kind_of_its_own() -> None:
    http = writer(headers={"content-type": "application/vnd.example+json"})
    assert http.write(MESSAGE, NOW_MS).headers == {"content-type": "application/vnd.example+json"}


def test_tables_and_lists_within_a_body() -> None:
    fields = {
        "messages": [{"to": ["{to}"], "channel": 4, "urgent": True}],
        "param": '{{"text":{text|json}}}',
        "at": "{time_ms|number}",
    }
    body = body_of(writer(fields=fields))
    assert body["messages"] == [{"to": ["+8613800138000"], "channel": 4, "urgent": True}]
    assert json.loads(str(body["param"])) == {"text": MESSAGE.text}
    assert body["at"] == NOW_MS


def test_the_address_and_its_query() -> None:
    secrets = {"key": "a/b?", "callback": "c"}
    http = replace(
        declared(), url="https://x.example/{secret:key}/send", headers={},
        query={"m": "{to}", "s": "{signature}"}, sign=Sign(key="key", parts=("{host}", "{path}")),
    )  # fmt: skip
    written = Writer("l", http, secrets, "https://hub.example").write(MESSAGE, NOW_MS)
    address = urlsplit(written.url)
    assert address.path == "/a%2Fb%3F/send"
    signed = b"x.example\n/a%2Fb%3F/send"
    proof = hmac.new(b"a/b?", signed, sha256).hexdigest()
    assert dict(parse_qsl(address.query)) == {"m": "+8613800138000", "s": proof}


@pytest.mark.parametrize(
    ("to", "national"),
    [("+8613800138000", "13800138000"), ("+15551230001", "15551230001"), ("a1b2", "a1b2")],
)
def test_numbers_as_a_provider_of_the_mainland_writes_them(to: str, national: str) -> None:
    body = body_of(writer(fields={"n": "{to_national}"}), replace(MESSAGE, to=to))
    assert body == {"n": national}


@pytest.mark.parametrize(
    ("expiry_ms", "valid_s"), [(0, 86_400), (NOW_MS + 10**12, 86_400), (NOW_MS - 5, 1)]
)
def test_how_long_it_is_of_use_is_bounded(expiry_ms: int, valid_s: int) -> None:
    assert body_of(writer(), replace(MESSAGE, expiry_ms=expiry_ms))["ttl"] == valid_s


def test_no_two_requests_have_the_same_nonce() -> None:
    http = writer()
    nonces = {
        http.write(replace(MESSAGE, attempt=f"{n:032x}:1"), NOW_MS + later).headers["X-Nonce"]
        for n in range(3)
        for later in range(3)
    }
    assert len(nonces) == 9


def test_an_address_that_is_called_back_is_nobody_elses() -> None:
    tokens = {
        token_of("k", "a", "00:1"), token_of("k", "b", "00:1"), token_of("k", "a", "00:2"),
        token_of("j", "a", "00:1"),
    }  # fmt: skip
    assert len(tokens) == 4


def test_no_secret_is_in_what_a_lane_says() -> None:
    http: Http = declared()
    assert "not-a-secret" not in repr(http)
