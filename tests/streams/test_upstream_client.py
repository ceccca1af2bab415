"""The upstream client without brokers: it refuses what the hub would, and stands alone."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams import upstream_client as client
from streams.core import codec, identity
from streams.core.codec import Refusal
from streams.door import examine
from streams.topics import EVENTS, OUTCOMES
from templates.catalog_files import SEED, read_catalog
from tests.cluster.native_kafka import free_ports

PLAIN: dict[str, Any] = {
    "specversion": "1.0",
    "id": "3501-1",
    "source": "/fujian/traffic",
    "type": "gov.traffic.violation.paid.v1",
    "time": "2026-11-24T09:40:00+08:00",
    "subject": "P1",
    "data": {
        "violation_no": "3501020019876543", "plate": "闽A12345", "amount": 20000,
        "paid_at": "2026-11-24T09:40:00+08:00", "receipt_no": "350100261124000001",
    },
}  # fmt: skip

Elsewhere = Callable[[str], str]

texts = st.text(max_size=300) | st.text("ab", min_size=250, max_size=260)
values = (
    st.none() | st.integers() | texts | st.sampled_from(["1.0", "0.3", "application/json", "a b"])
    | st.sampled_from(["2026-11-24", "2026-11-24T09:40:00Z", "2026-11-24T09:40:00"])
    | st.lists(st.none(), max_size=1) | st.dictionaries(texts, texts, max_size=2)
)  # fmt: skip
fields = st.sampled_from(
    ["specversion", "id", "source", "type", "time", "subject", "region", "data", "traceparent",
     "datacontenttype", "priority"]
)  # fmt: skip


def refused(event: client.Event) -> client.BadEvent:
    with pytest.raises(client.BadEvent) as caught:
        client.check(event)
    return caught.value


def by_the_hub(raw: bytes) -> Refusal | None:
    """What the hub says to the envelope; None when it takes it. Whether an event needs a subject
    is said by the catalog, which no client knows."""
    decoded = codec.decode_event(raw)
    if isinstance(decoded, Refusal):
        return decoded
    read = examine(raw, read_catalog(SEED), frozenset(), lambda plain: plain, decoded.at_ms)
    if not isinstance(read, Refusal) or read.field not in ("subject", "data"):
        return None
    return read if read.field == "data" or decoded.event.subject else None


@given(field=fields, value=values)
@example(field="subject", value="")
@example(field="subject", value="P 1")
@example(field="subject", value="x" * 65)
@example(field="id", value="a\0")
@example(field="id", value="\ud800")
@example(field="traceparent", value="\ud800")
@example(field="data", value={"a": "\ud800"})
@example(field="data", value={"a": float("nan")})
def test_it_refuses_the_envelope_that_the_hub_refuses_and_no_other(
    field: str, value: object
) -> None:
    said = {**PLAIN, field: value}
    raw = json.dumps(said).encode()
    expected = by_the_hub(raw)
    for event in (raw, said):
        if expected is None:
            assert client.check(event).event == identity.event_key(said["source"], said["id"]).hex()
        else:
            bad = refused(event)
            assert bad.field in (expected.field, "event"), (bad, expected)
            assert bad.expected


@pytest.mark.parametrize("field", ["specversion", "id", "source", "type", "time"])
def test_a_missing_field_is_named(field: str) -> None:
    bad = refused({name: value for name, value in PLAIN.items() if name != field})
    assert (bad.field, bad.expected) == (field, "to be present")
    assert field in str(bad)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"\xff", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"id": NaN}']
)
def test_what_is_no_event_at_all_is_refused(raw: bytes) -> None:
    assert refused(raw).field == "event"


def test_what_is_too_long_is_refused() -> None:
    long = {**PLAIN, "data": {"text": "火" * (client.MAX_EVENT_BYTES // 3)}}
    assert refused(long).expected == f"at most {client.MAX_EVENT_BYTES} bytes"


def test_bytes_travel_as_they_are() -> None:
    raw = json.dumps(PLAIN, indent=2).encode()
    assert client.check(raw).value == raw
    assert json.loads(client.check(PLAIN).value) == PLAIN


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({}, b"P1"),
        ({"subject": "王丽"}, "王丽".encode()),
        ({"type": "hub.recipient.registered.v1", "subject": "", "data": {"ref": "P7"}}, b"P7"),
        ({"subject": ""}, client.event_key("/fujian/traffic", "3501-1").encode()),
    ],
)
def test_the_recipient_decides_the_partition(changed: Mapping[str, Any], key: bytes) -> None:
    assert client.check({**PLAIN, **changed}).key == key


@given(source=st.text(), event_id=st.text())
def test_it_names_events_as_the_hub_does(source: str, event_id: str) -> None:
    assert client.event_key(source, event_id) == identity.event_key(source, event_id).hex()


def test_its_limits_and_topics_are_the_hubs() -> None:
    assert (client.EVENTS, client.OUTCOMES) == (EVENTS, OUTCOMES)
    assert client.MAX_EVENT_BYTES == codec.MAX_EVENT_BYTES
    assert client.MAX_NAME_CHARS == codec.MAX_ID_CHARS


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    """Runs a program beside a copy of the file, where there is no hub; answers what it said."""
    assert client.__file__
    (tmp_path / "bring.py").write_bytes(Path(client.__file__).read_bytes())

    def run(program: str) -> str:
        # warnings: kafka-python reads its files by deprecated calls and leaves sockets open
        command = [sys.executable, "-W", "ignore", "-c", program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        return done.stdout + done.stderr

    return run


def test_it_is_one_file_that_runs_anywhere(elsewhere: Elsewhere) -> None:
    said = elsewhere("import bring; print(bring.event_key('/s', '1'))")
    assert said.strip() == client.event_key("/s", "1")


@pytest.mark.parametrize(
    "opened",
    ["UpstreamClient('{}', block_s=0.5)", "OutcomeReader('{}', 'us', bootstrap_timeout_ms=500)"],
)
def test_brokers_that_do_not_answer_are_named(elsewhere: Elsewhere, opened: str) -> None:
    brokers = f"127.0.0.1:{free_ports(1)[0]}"
    said = elsewhere(f"import bring; bring.{opened.format(brokers)}")
    assert f"bring.Unreachable: {brokers}: " in said
