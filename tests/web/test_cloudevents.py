"""The three content modes bring the same event in."""

import json

import pytest

from streams.core import codec
from streams.core.codec import Refusal
from web.cloudevents import BATCH_MAX, mode_of, unpack

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "1",
    "source": "/fines",
    "type": "gov.traffic.violation.paid.v1",
    "time": "2026-11-24T09:30:00+08:00",
    "subject": "P1",
}
DATA = {"violation_no": "35010"}
EVENT = json.dumps({**ATTRIBUTES, "data": DATA}).encode()
DEEP = b"[" * 100_000 + b"]" * 100_000
HEADERS = {f"ce-{name}": value for name, value in ATTRIBUTES.items()}


def read(raw: bytes) -> codec.Decoded:
    decoded = codec.decode_event(raw)
    assert isinstance(decoded, codec.Decoded), decoded
    return decoded


def test_all_modes_say_the_same():
    structured = unpack("structured", {}, EVENT)
    batch = unpack("batch", {}, b"[" + EVENT + b"," + EVENT + b"]")
    binary = unpack("binary", HEADERS, json.dumps(DATA).encode())
    assert [len(structured), len(batch), len(binary)] == [1, 2, 1]
    words = {codec.event_words(read(raw).event) for raw in (*structured, *batch)}
    assert len(words) == 1
    said = read(binary[0])
    assert (said.event.subject, json.loads(bytes(said.event.data))) == ("P1", DATA)


@pytest.mark.parametrize(
    ("content_type", "headers", "mode"),
    [
        ("application/cloudevents+json", {}, "structured"),
        ("Application/CloudEvents+JSON; charset=UTF-8", {}, "structured"),
        ("application/cloudevents-batch+json", {}, "batch"),
        ("application/json", {}, "by_shape"),
        ("application/json; charset=utf-8", HEADERS, "binary"),
        ("application/json", {"ce-id": "1"}, "binary"),
        ("application/json; charset=gbk", {}, None),
        ("application/xml", HEADERS, None),
        ("text/plain", {}, None),
        ("", {}, None),
    ],
)
def test_the_content_type_decides(content_type, headers, mode):
    assert mode_of(content_type, headers) == mode


def test_plain_json_is_taken_by_its_shape():
    assert len(unpack("by_shape", {}, b" \n[" + EVENT + b"]")) == 1
    assert unpack("by_shape", {}, EVENT) == [EVENT]


def test_header_values_are_percent_decoded():
    headers = {**HEADERS, "ce-subject": "%E7%8E%8B%E4%B8%BD"}
    assert read(unpack("binary", headers, b"{}")[0]).event.subject == "王丽"


def test_an_unknown_attribute_is_refused_by_name():
    headers = {**HEADERS, "ce-priority": "high"}
    refused = codec.decode_event(unpack("binary", headers, b"{}")[0])
    assert isinstance(refused, Refusal)
    assert refused.field == "priority"


def test_a_header_that_was_forgotten_is_named():
    headers = {name: value for name, value in HEADERS.items() if name != "ce-specversion"}
    assert mode_of("application/json", headers) == "binary"
    refused = codec.decode_event(unpack("binary", headers, b"{}")[0])
    assert refused == Refusal("specversion", "to be present")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{}, "subject": "P2"', b'{} {"subject": "P2"}', b"\xff", b"nothing", DEEP],
)
def test_data_that_is_no_json_cannot_slip_attributes_in(body):
    refused = unpack("binary", HEADERS, body)
    assert isinstance(refused, Refusal)
    assert refused.field == "data"


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"{}", b"[]", b"\xff", DEEP, b"[" + b",".join([b"{}"] * (BATCH_MAX + 1)) + b"]"],
)
def test_what_is_no_batch_is_refused(body):
    refused = unpack("batch", {}, body)
    assert isinstance(refused, Refusal)
    assert refused.field == "event"


def test_a_bad_event_in_a_batch_stays_its_own():
    assert unpack("batch", {}, b'[{"id": 1}, 7, null]') == [b'{"id": 1}', b"7", b"null"]
