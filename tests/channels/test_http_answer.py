"""What an answer proves, by its lane's description."""

import pytest

from channels.base import Accepted, Outcome, Permanent, Throttled, Transient, Unknown
from channels.http_account import Answer
from channels.http_answer import judge

NOW_MS = 1_795_485_600_000
BARE = Answer()
CODED = Answer(
    ref="/data/id",
    code=("/error/code", "/code"),
    codes={"0": "accepted", "7": "recipient", "8": "throttled", "9": "unknown", "E": "account"},
    statuses={"409": "accepted", "404": "content"},
)


def judged(answer: Answer, status: int, body: str = "", retry_after: str = "") -> Outcome:
    return judge(answer, status, retry_after, body.encode(), "00:1", NOW_MS)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, '{"code": 0, "data": {"id": 17}}', Accepted("17")),
        (200, '{"code": "7"}', Permanent("7", "recipient")),
        (500, '{"code": "7"}', Permanent("7", "recipient")),
        (200, '{"code": "0", "error": {"code": "E"}}', Permanent("E", "account")),
        (200, '{"code": "8"}', Throttled("8")),
        (200, '{"code": "9"}', Unknown("HTTP 200, code 9")),
        (200, '{"code": "new"}', Unknown("HTTP 200, code new")),
        (400, '{"code": "new"}', Transient("new")),
        (500, '{"code": "new"}', Unknown("HTTP 500, code new")),
        (200, '{"code": "0"}', Unknown("accepted, but without an id")),
        (200, '{"code": "0", "data": {"id": "a b"}}', Unknown("accepted, but without an id")),
        (200, "<p>", Unknown("HTTP 200")),
        (200, "[" * 100_000, Unknown("HTTP 200")),
        (409, '{"data": {"id": "x"}}', Accepted("x")),
        (404, "", Permanent("404", "content")),
        (429, "", Throttled("429")),
        (401, "", Permanent("401", "account")),
        (302, "", Unknown("HTTP 302")),
        (503, "", Unknown("HTTP 503")),
    ],
)
def test_codes_then_statuses_then_http(status: int, body: str, outcome: Outcome) -> None:
    assert judged(CODED, status, body) == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Accepted("00:1")),
        (204, Accepted("00:1")),
        (400, Transient("400")),
        (403, Permanent("403", "account")),
        (500, Unknown("HTTP 500")),
    ],
)
def test_where_nothing_but_the_status_is_declared(status: int, outcome: Outcome) -> None:
    assert judged(BARE, status) == outcome


@pytest.mark.parametrize(
    ("header", "wait_ms"),
    [
        ("2", 2_000),
        ("Tue, 24 Nov 2026 02:00:05 GMT", 5_000),
        ("Tue, 24 Nov 2026 01:00:00 GMT", 0),
        ("999999999999", 3_600_000),
        ("soon", 0),
        ("-3", 0),
        ("", 0),
    ],
)
def test_how_long_to_wait(header: str, wait_ms: int) -> None:
    assert judged(BARE, 429, retry_after=header) == Throttled("429", wait_ms)
