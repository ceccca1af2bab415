"""Deterministic names: what is the same gets the same name, and nothing else does."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from streams.core.identity import (
    HASH_BYTES,
    Index,
    digest,
    event_key,
    identity,
    named_stream,
    stream_id,
)

AT = 1_764_000_000_000
words = st.text(max_size=8)
times = st.integers(0, 2**48 - 1)
names = st.tuples(st.binary(max_size=16), words, words, words, words)


class TestDigest:
    def test_where_one_part_ends_and_the_next_begins_matters(self) -> None:
        assert digest("a", "bc") != digest("ab", "c")
        assert digest("ab") != digest("a", "b")
        assert digest("", "a") != digest("a", "")

    @given(st.lists(words, max_size=4), st.lists(words, max_size=4))
    def test_other_parts_have_another_digest(self, one: list[str], other: list[str]) -> None:
        assert (digest(*one) == digest(*other)) == (one == other)

    def test_text_is_its_utf_8(self) -> None:
        assert digest("烽火") == digest("烽火".encode())

    def test_stays_what_it_was(self) -> None:
        """Names are kept for years: whoever changes them loses every stream."""
        assert digest("leg", "a").hex() == "0ce8fe00ca9ceb02513c227e124545e3"
        assert event_key("urn:a", "1").hex() == "63960e347784bc6b13cf115da3010162"
        assert (
            stream_id(AT, b"e", "n", "r", "T-7", "sms").hex() == "019ab697e8008fb2aeadc7a55cb2fe6b"
        )


class TestStreamId:
    @given(times, names)
    def test_is_a_uuid_of_version_8(
        self, at_ms: int, name: tuple[bytes, str, str, str, str]
    ) -> None:
        uuid = UUID(bytes=stream_id(at_ms, *name))
        assert uuid.version == 8
        assert uuid.variant == "specified in RFC 4122"

    @given(times, names)
    def test_begins_with_its_time(self, at_ms: int, name: tuple[bytes, str, str, str, str]) -> None:
        assert int.from_bytes(stream_id(at_ms, *name)[:6], "big") == at_ms

    @given(times, times, names)
    def test_is_the_same_notification_whatever_its_time(
        self, one: int, other: int, name: tuple[bytes, str, str, str, str]
    ) -> None:
        assert identity(stream_id(one, *name)) == identity(stream_id(other, *name))

    @given(names, names)
    def test_another_name_is_another_notification(
        self, one: tuple[bytes, str, str, str, str], other: tuple[bytes, str, str, str, str]
    ) -> None:
        same = identity(stream_id(AT, *one)) == identity(stream_id(AT, *other))
        assert same == (one == other)

    def test_recipient_occasion_and_leg_are_kept_apart(self) -> None:
        apart = {
            stream_id(AT, b"e", "n", "r", "T-7", ""),
            stream_id(AT, b"e", "n", "r", "", "T-7"),
            stream_id(AT, b"e", "n", "rT", "-7", ""),
        }
        assert len({identity(s) for s in apart}) == 3

    def test_the_compared_part_holds_version_variant_and_74_bits(self) -> None:
        ids = [stream_id(AT, bytes([i]), "n", "r") for i in range(200)]
        seen = [int.from_bytes(identity(s), "big") for s in ids]
        ones, zeros = 0, 0
        for value in seen:
            ones |= value
            zeros |= ~value
        free = ones & zeros & ((1 << 8 * HASH_BYTES) - 1)
        assert free.bit_count() == 74


class TestOtherStreams:
    def test_kinds_are_kept_apart(self) -> None:
        assert named_stream("stop", b"e") != named_stream("noted", b"e")
        assert len(named_stream("wording", "violation-recorded")) == 16


class TestIndex:
    def test_every_kind_of_key_is_its_own(self) -> None:
        index = Index(b"secret")
        keys = {
            index.recipient("a"),
            index.case("a"),
            index.stops("a"),
            index.kind("a"),
            index.provider_ref("a", ""),
            index.provider_ref("", "a"),
            index.cap("a", "", ""),
        }
        assert len(keys) == 7

    def test_narrows_a_recipient_to_one_case(self) -> None:
        index = Index(b"secret")
        assert index.within("case_no=1") != index.within("case_no=2")
        assert index.within("") == b""  # what belongs to no case is found among all of theirs

    def test_tells_nothing_without_its_key(self) -> None:
        assert Index(b"one").recipient("r-1") != Index(b"other").recipient("r-1")

    def test_counts_a_day_and_a_class_by_themselves(self) -> None:
        index = Index(b"secret")
        assert index.cap("r", "reminder", "2026-11-24") != index.cap("r", "reminder", "2026-11-25")
        assert index.cap("r", "reminder", "2026-11-24") != index.cap("r", "status", "2026-11-24")
