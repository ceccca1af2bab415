"""The codec against the specification, another implementation, and noise."""

from contextlib import suppress

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from channels import smpp_codec as codec
from templates.segments import count, split

DIGITS = st.text("0123456789", min_size=1, max_size=20)
SEQUENCES = st.integers(1, 0x7FFF_FFFF)
TEXTS = st.one_of(
    st.text(alphabet="abc XYZ09@£éÅ€[]{}^|~\\\n", max_size=700),
    st.text(alphabet="烽火，😀𠮷a", max_size=300),
    st.text(st.characters(codec="utf-8"), max_size=400),
)
TLVS = st.dictionaries(st.integers(1, 0x3FFF), st.binary(max_size=40), max_size=4)


@given(SEQUENCES, DIGITS, DIGITS, st.sampled_from([0, 8]), st.binary(max_size=254), st.booleans())
def test_another_implementation_reads_what_is_submitted(
    sequence: int, source: str, to: str, coding: int, text: bytes, udh: bool
) -> None:
    validity = codec.relative_time(90_061_000)
    head = codec.submit_head(source)
    body = codec.submit_body(head, to, coding, text, validity, udh)
    read = smpp34.decode(codec.frame(codec.SUBMIT_SM, sequence, body))
    assert isinstance(read, smpp34.SubmitSm)
    assert (read.sequence_number, read.source_addr, read.destination_addr) == (sequence, source, to)
    assert (read.dest_addr_ton, read.dest_addr_npi) == (1, 1)
    assert (read.data_coding, read.short_message) == (coding, text)
    assert read.esm_class == (0x40 if udh else 0)
    assert read.registered_delivery == 1
    assert read.validity_period == "000001010101000R"


@given(SEQUENCES, DIGITS, DIGITS, st.integers(0, 255), st.binary(max_size=254), TLVS)
def test_what_another_implementation_delivers_is_read(
    sequence: int, source: str, to: str, esm_class: int, text: bytes, tlvs: dict[int, bytes]
) -> None:
    tlvs.pop(codec.MESSAGE_PAYLOAD, None)
    written = smpp34.DeliverSm(
        source, to, text, sequence_number=sequence, esm_class=esm_class, data_coding=8,
        tlvs=[smpp34.Tlv(tag, value) for tag, value in tlvs.items()],
    ).encode()  # fmt: skip
    head = codec.read_head(written)
    assert head == (len(written), codec.DELIVER_SM, 0, sequence)
    assert codec.read_carried(written) == codec.Carried(
        source.encode(), to.encode(), esm_class, 8, text, tlvs
    )


def test_a_long_text_may_come_as_payload() -> None:
    payload = smpp34.Tlv(smpp34.TLV_MESSAGE_PAYLOAD, b"long " * 100)
    assert codec.read_carried(smpp34.DeliverSm("1", "2", tlvs=[payload]).encode()).text == (
        b"long " * 100
    )


@given(SEQUENCES, st.sampled_from([codec.OK, codec.TRY_LATER]))
def test_an_acknowledgement_names_what_it_answers(sequence: int, status: int) -> None:
    read = smpp34.decode(codec.acknowledgement(sequence, status))
    assert isinstance(read, smpp34.RawPdu)
    assert (read.command_id, read.command_status) == (0x8000_0005, status)
    assert (read.sequence_number, read.body) == (sequence, b"\0")


@given(TEXTS.filter(bool))
def test_parts_and_alphabet_are_those_that_the_catalog_counts(text: str) -> None:
    counted = count(text)
    encoded = codec.encode_text(split(text), 0xABCD)
    assert len(encoded.parts) == counted.segments
    assert encoded.coding == (codec.GSM7 if counted.encoding == "gsm7" else codec.UCS2)
    for part in encoded.parts:
        header = 7 if counted.segments > 1 else 0
        if encoded.coding == codec.GSM7:  # a septet each, after a header that takes 8 of them
            assert len(part) - header + (8 if header else 0) <= 160
        else:
            assert len(part) <= 140


@given(TEXTS.filter(bool))
def test_a_phone_that_joins_the_parts_reads_the_text(text: str) -> None:
    encoded = codec.encode_text(split(text), 0xABCD)
    read = [
        codec.decode_text(encoded.coding, len(encoded.parts) > 1, part) for part in encoded.parts
    ]
    assert "".join(read) == text
    if len(read) > 1:
        total = len(read)
        headers = [part[:7] for part in encoded.parts]
        assert headers == [bytes((6, 8, 4, 0xAB, 0xCD, total, n + 1)) for n in range(total)]


def test_no_surrogate_pair_is_parted() -> None:
    encoded = codec.encode_text(split("国" * 65 + "😀" + "国" * 10), 1)
    assert [codec.decode_text(8, True, part) for part in encoded.parts] == [
        "国" * 65,
        "😀" + "国" * 10,
    ]


@pytest.mark.parametrize(
    ("ms", "written"),
    [
        (0, b"000000000001000R"),
        (-5, b"000000000001000R"),
        (299_999, b"000000000459000R"),
        (86_400_000 * 3, b"000003000000000R"),
        (86_400_000 * 400, b"000030000000000R"),
    ],
)
def test_a_validity_is_relative_and_bounded(ms: int, written: bytes) -> None:
    assert codec.relative_time(ms) == written


@pytest.mark.parametrize(
    ("source", "head"),
    [
        ("12123", b"\0\x00\x0012123\0"),
        ("+8610690000", b"\0\x01\x018610690000\0"),
        ("Jiaoguan", b"\0\x05\x00Jiaoguan\0"),
        ("", b"\0\x00\x00\0"),
    ],
)
def test_the_sender_says_what_kind_of_address_it_is(source: str, head: bytes) -> None:
    assert codec.submit_head(source) == head


@pytest.mark.parametrize(
    ("system_id", "password", "field"),
    [("烽火", "x", "system_id"), ("a" * 16, "x", "system_id"), ("a", "123456789", "password")],
)
def test_a_bind_that_does_not_fit_names_the_field(
    system_id: str, password: str, field: str
) -> None:
    with pytest.raises(codec.Malformed, match=field):
        codec.bind_body(system_id, password)


@given(st.binary(max_size=300))
def test_noise_in_a_body_is_malformed_or_read(noise: bytes) -> None:
    pdu = codec.frame(codec.DELIVER_SM, 1, noise)
    with suppress(codec.Malformed):
        codec.read_carried(pdu)
    codec.read_message_id(pdu)
    codec.decode_text(0, True, noise)
    codec.decode_text(8, False, noise)
    codec.decode_text(3, True, noise)
    codec.decode_text(4, True, noise)


@given(st.binary(max_size=254), st.integers(0, 400))
def test_a_cut_pdu_is_malformed_or_read(text: bytes, keep: int) -> None:
    whole = smpp34.DeliverSm("13800138000", "12123", text, tlvs=[smpp34.Tlv(0x1E, b"7\0")]).encode()
    cut = whole[: max(16, keep)]
    try:
        read = codec.read_carried(cut)
    except codec.Malformed:
        assert len(cut) < len(whole)
    else:
        assert read.text == text
