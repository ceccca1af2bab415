"""Bytes to events and back: nothing unread is accepted, and nothing once written is unreadable."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import codec
from streams.core.codec import (
    MAX_EVENT_BYTES,
    MAX_ID_CHARS,
    TYPES,
    UPCASTERS,
    Decoded,
    Refusal,
    UnknownSchemaError,
    data_of,
    decode,
    decode_event,
    encode,
    encode_event,
    event_words,
    named,
    parse_time,
    refusal,
    type_name,
)
from streams.core.events import Base, Event, Expired
from tests import golden
from tests.streams.core.journal_samples import EVERY_EVENT, MOVED

PLAIN: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "urn:gov:traffic",
    "type": "gov.traffic.violation.recorded.v1",
    "time": "2026-11-24T12:00:00+08:00",
    "subject": "r-1",
    "data": {"plate": "闽A12345"},
}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def raw(**changed: Any) -> bytes:
    """An event's bytes; a field set to None is left out."""
    said = {name: value for name, value in {**PLAIN, **changed}.items() if value is not None}
    return json.dumps(said, ensure_ascii=False).encode()


def read(**changed: Any) -> Decoded:
    decoded = decode_event(raw(**changed))
    assert isinstance(decoded, Decoded), decoded
    return decoded


class TestEnvelope:
    def test_is_read_with_its_time_and_its_bytes(self) -> None:
        event, at_ms, bytes_ = read()
        assert (event.id, event.subject, at_ms) == ("1", "r-1", 1_795_492_800_000)
        assert bytes_ == raw()
        assert data_of(event) == {"plate": "闽A12345"}

    def test_what_may_be_left_out(self) -> None:
        event = read(subject=None, data=None).event
        assert (event.subject, event.region, data_of(event)) == ("", "", {})

    def test_comes_back_from_its_own_bytes(self) -> None:
        event = read(region="35", traceparent="00-ab-cd-01").event
        again = decode_event(encode_event(event))
        assert isinstance(again, Decoded)
        assert again.event == event

    @pytest.mark.parametrize(
        ("changed", "field", "expected"),
        [
            ({"id": None}, "id", "to be present"),
            ({"source": None}, "source", "to be present"),
            ({"type": None}, "type", "to be present"),
            ({"time": None}, "time", "to be present"),
            ({"specversion": None}, "specversion", "to be present"),
            ({"specversion": "0.3"}, "specversion", "1.0"),
            ({"id": ""}, "id", "1 to 256 characters"),
            ({"id": "x" * (MAX_ID_CHARS + 1)}, "id", "1 to 256 characters"),
            ({"source": ""}, "source", "1 to 256 characters"),
            ({"type": ""}, "type", "1 to 256 characters"),
            ({"subject": "x" * (MAX_ID_CHARS + 1)}, "subject", "at most 256 characters"),
            ({"region": "x" * (MAX_ID_CHARS + 1)}, "region", "at most 256 characters"),
            ({"id": "a\0"}, "id", "printable"),
            ({"source": "a\nb"}, "source", "printable"),
            ({"type": "\u200b"}, "type", "printable"),
            ({"region": "35\0"}, "region", "printable"),
            ({"id": 1}, "id", "text"),
            ({"datacontenttype": "text/xml"}, "datacontenttype", "application/json"),
            ({"data_base64": "AA=="}, "data_base64", "no such field"),
            ({"dataschema": "urn:x"}, "dataschema", "no such field"),
            ({"time": "2026-11-24"}, "time", "RFC 3339"),
            ({"time": "2026-11-24T12:00:00"}, "time", "RFC 3339"),
            ({"time": "yesterday"}, "time", "RFC 3339"),
        ],
    )
    def test_a_refusal_names_the_field_and_what_was_expected(
        self, changed: dict[str, Any], field: str, expected: str
    ) -> None:
        refused = decode_event(raw(**changed))
        assert isinstance(refused, Refusal), refused
        assert refused.field == field
        assert expected in refused.expected

    @pytest.mark.parametrize("bytes_", [b"", b"{", b"[]", b"null", b"\xff", b'{"id": "\xff"}'])
    def test_what_is_no_event_at_all_is_refused(self, bytes_: bytes) -> None:
        refused = decode_event(bytes_)
        assert isinstance(refused, Refusal)
        assert refused.expected

    def test_what_is_nested_too_deeply_is_refused(self) -> None:
        deep = raw(data="DEEP").replace(b'"DEEP"', b"[" * 100_000 + b"]" * 100_000)
        refused = decode_event(deep)
        assert isinstance(refused, Refusal)
        assert (refused.field, refused.got) == ("event", "")

    @pytest.mark.parametrize(
        ("bytes_", "name"),
        [
            (raw(colour="red"), ("urn:gov:traffic", "1")),
            (raw(data="DEEP").replace(b'"DEEP"', b"[" * 100_000 + b"]" * 100_000), ("", "")),
            (raw(id=None), ("", "")),
            (raw(source=""), ("", "")),
            (raw(id="x" * (MAX_ID_CHARS + 1)), ("", "")),
            (raw(source="a\0"), ("", "")),
            (raw(id=7), ("", "")),
            (b"[]", ("", "")),
            (b"\xff", ("", "")),
        ],
    )
    def test_what_was_refused_is_named_where_it_can_be(
        self, bytes_: bytes, name: tuple[str, str]
    ) -> None:
        assert named(bytes_) == name

    def test_what_is_too_long_is_refused_unread(self) -> None:
        refused = decode_event(b" " * (MAX_EVENT_BYTES + 1))
        assert refused == Refusal(
            "event", f"at most {MAX_EVENT_BYTES} bytes", f"{MAX_EVENT_BYTES + 1} bytes"
        )

    def test_a_refusal_is_a_sentence(self) -> None:
        assert str(Refusal("time", "a time", "'x'")) == "time: expected a time, got 'x'"
        assert str(Refusal("time", "to be present")) == "time: expected to be present"

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, bytes_: bytes) -> None:
        assert isinstance(decode_event(bytes_), Decoded | Refusal)

    @given(anything)
    def test_any_json_is_read_or_refused(self, value: Any) -> None:
        assert isinstance(decode_event(json.dumps(value).encode()), Decoded | Refusal)


class TestData:
    @pytest.mark.parametrize("data", [[1], "text", 7, True])
    def test_is_an_object(self, data: Any) -> None:
        refused = data_of(read(data=data).event)
        assert refused == Refusal("data", "a JSON object", "another value")

    def test_that_cannot_be_read_is_refused(self) -> None:
        broken = Event(
            specversion="1.0", id="1", source="s", type="t", time="", data=msgspec.Raw(b"{")
        )
        refused = data_of(broken)
        assert isinstance(refused, Refusal)
        assert refused.field == "data"


class TestSameness:
    """What makes a second event under an id the same as the first."""

    def test_the_time_it_was_stamped_with_does_not_matter(self) -> None:
        later = read(time="2026-11-24T12:05:00+08:00", traceparent="00-ab-cd-01")
        assert event_words(later.event) == event_words(read().event)

    @pytest.mark.parametrize(
        "changed", [{"type": "t"}, {"subject": "r-2"}, {"region": "35"}, {"data": {}}]
    )
    def test_everything_it_says_does(self, changed: dict[str, Any]) -> None:
        assert event_words(read(**changed).event) != event_words(read().event)

    def test_what_one_field_loses_another_does_not_gain(self) -> None:
        one, other = read(subject="ab", region="c"), read(subject="a", region="bc")
        assert event_words(one.event) != event_words(other.event)


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "ms"),
        [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T08:00:00+08:00", 0),
            ("1970-01-01T00:00:00.0015Z", 2),
            ("1969-12-31T23:59:59-00:00", -1000),
        ],
    )
    def test_with_a_zone_are_read_to_the_millisecond(self, text: str, ms: int) -> None:
        assert parse_time(text) == ms

    @given(st.text(max_size=40))
    def test_anything_else_is_none(self, text: str) -> None:
        assert parse_time(text) is None or isinstance(parse_time(text), int)


def test_whoever_decodes_may_turn_the_decoders_sentence_into_a_refusal() -> None:
    """The whole, where no field is named, is the event."""
    told = "Expected `int`, got `str` - at `$.n`"
    assert refusal(told, "data") == Refusal("data.n", "a whole number", "text")
    assert refusal("Expected `object`, got `array`") == Refusal("event", "an object", "a list")


def moving(events: Mapping[str, Base]) -> list[Base]:
    """The same with their move, where they may have one; and what no pipeline writes yet."""
    moved = [
        msgspec.structs.replace(event, moved=MOVED)
        for event in events.values()
        if "moved" in event.__struct_fields__
    ]
    return [*moved, Expired(reason="late")]


# The journal --------------------------------------------------------------------------------------

JOURNAL = golden.FIXTURES / "journal"


def rows_of(file: Path) -> list[tuple[str, bytes]]:
    """A golden file's rows: (type column, data column)."""
    lines = file.read_bytes().splitlines()
    return [(name.decode(), data) for name, _, data in (line.partition(b" ") for line in lines)]


def golden_rows() -> list[tuple[str, bytes]]:
    return [row for file in sorted(JOURNAL.glob("*.jsonl")) for row in rows_of(file)]


class TestJournal:
    @pytest.mark.parametrize("event", EVERY_EVENT.values(), ids=EVERY_EVENT)
    def test_what_is_written_is_what_is_read(self, event: Base) -> None:
        assert decode(*encode(event)) == event

    @pytest.mark.parametrize("name", [type_name(kind) for kind in TYPES.values()])
    def test_rows_of_today_are_kept_for_the_years_to_come(self, name: str) -> None:
        """One file a type and version; a row in it is never changed, only joined by others."""
        written = [encode(event) for event in (*EVERY_EVENT.values(), *moving(EVERY_EVENT))]
        rows = [f"{kind} {data.decode()}" for kind, data in written if kind == name]
        golden.extend(f"journal/{name}.jsonl", rows)

    @pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
    def test_no_field_is_missing(self, kind: type[Base]) -> None:
        rows = [json.loads(data) for name, data in golden_rows() if name == type_name(kind)]
        assert {field for row in rows for field in row} == set(kind.__struct_fields__)

    def test_what_is_read_is_written_the_same_again(self) -> None:
        today = {type_name(kind) for kind in TYPES.values()}
        for name, data in golden_rows():
            if name in today:
                assert encode(decode(name, data)) == (name, data)

    def test_no_version_ever_written_is_missing(self) -> None:
        ever = {
            f"{name}.{version}"
            for name, kind in TYPES.items()
            for version in range(1, kind.SCHEMA + 1)
        }
        assert {file.stem for file in JOURNAL.glob("*.jsonl")} == ever
        assert {name for name, _ in golden_rows()} == ever

    def test_every_row_ever_written_is_read(self) -> None:
        for name, data in golden_rows():
            assert type_name(type(decode(name, data))).partition(".")[0] == name.partition(".")[0]

    @pytest.mark.parametrize(("name", "data"), golden_rows())
    def test_an_unknown_field_is_refused(self, name: str, data: bytes) -> None:
        odd = data[:-1] + (b"," if len(data) > 2 else b"") + b'"odd":1}'
        with pytest.raises(msgspec.ValidationError, match="odd"):
            decode(name, odd)

    @pytest.mark.parametrize(
        "name", ["Routed.99", "Routed", "Routed.x", "Routed.0", "Routed.²", "Nothing.1", "", "."]
    )
    def test_a_type_nobody_knows_is_refused(self, name: str) -> None:
        with pytest.raises(UnknownSchemaError):
            decode(name, b"{}")


class TestUpcasters:
    """Rows of an older version pass through pure steps, one version at a time."""

    class Tale(Base, frozen=True, kw_only=True):
        """A third version: ``words`` was ``text``, and ``by`` came with the second."""

        SCHEMA = 3
        words: str
        by: str
        sealed: bytes = b""

    @pytest.fixture(autouse=True)
    def tale(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(codec.TYPES, "Tale", self.Tale)
        monkeypatch.setitem(UPCASTERS, ("Tale", 1), lambda x: {**x, "by": "nobody"})
        monkeypatch.setitem(UPCASTERS, ("Tale", 2), lambda x: {"words": x["text"], "by": x["by"]})

    def test_lead_from_any_version_to_todays(self) -> None:
        assert decode("Tale.1", b'{"text":"a"}') == self.Tale(words="a", by="nobody")
        assert decode("Tale.2", b'{"text":"a","by":"b"}') == self.Tale(words="a", by="b")

    def test_bytes_survive_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(UPCASTERS, ("Tale", 2), lambda x: {**x, "by": "b"})
        tale = self.Tale(words="a", by="b", sealed=b"\x00\xff")
        assert decode("Tale.2", b'{"words":"a","sealed":"AP8="}') == tale

    def test_an_unknown_field_is_refused_after_them(self) -> None:
        with pytest.raises(msgspec.ValidationError, match="odd"):
            decode("Tale.3", b'{"words":"a","by":"b","odd":1}')

    def test_a_missing_step_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(UPCASTERS, ("Tale", 2))
        with pytest.raises(UnknownSchemaError):
            decode("Tale.1", b'{"text":"a"}')

    def test_there_is_one_for_every_version_but_todays(self) -> None:
        kinds = {name: kind for name, kind in TYPES.items() if name != "Tale"}
        steps = {(name, v) for name, kind in kinds.items() for v in range(1, kind.SCHEMA)}
        assert {step for step in UPCASTERS if step[0] != "Tale"} == steps
