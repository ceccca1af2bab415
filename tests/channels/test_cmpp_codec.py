"""The codec against the specification's own tables, its published hashes, and noise."""

from contextlib import suppress
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import cmpp_codec as codec
from templates.segments import count, split
from tests.channels import cmpp_tables as tables

VERSIONS = {2: codec.CMPP2, 3: codec.CMPP3}
BOTH = st.sampled_from([2, 3])
SEQUENCES = st.integers(1, 0x7FFF_FFFF)
IDS = st.integers(0, 2**64 - 1)
DIGITS = st.text("0123456789", min_size=1, max_size=21)
TEXTS = st.one_of(
    st.text(alphabet="abc XYZ09@[]{}^|~\\\n`", max_size=700),
    st.text(alphabet="烽火，😀𠮷a", max_size=300),
    st.text(st.characters(codec="utf-8"), max_size=400),
)
RESULTS = {2: 1, 3: 4}
"""Octets of a result."""


def form(version: int) -> codec.Form:
    return codec.Form(VERSIONS[version], "901783", "NOTICE", 2, "01", "0")


# What is sent


@given(BOTH, DIGITS, DIGITS, st.lists(st.binary(max_size=140), min_size=1, max_size=4))
def test_a_submit_has_the_fields_of_its_version(
    version: int, sender: str, to: str, parts: list[bytes]
) -> None:
    encoded = codec.Encoded(codec.UCS2, tuple(parts))
    bodies = form(version).bodies(codec.sender_field(sender), to, encoded, b"000001000000000R")
    for place, (body, part) in enumerate(zip(bodies, parts, strict=True), 1):
        fields, rest = tables.read(tables.submit(version), body)
        assert rest == part + bytes(tables.tail(version))
        assert {name: value for name, value in fields.items() if value} == {
            "Pk_total": len(parts), "Pk_number": place, "Registered_Delivery": 1,
            "Service_Id": "NOTICE", "Fee_UserType": 2, "Msg_Fmt": 8, "Msg_src": "901783",
            "FeeType": "01", "FeeCode": "0", "ValId_Time": "000001000000000R", "Src_Id": sender,
            "DestUsr_tl": 1, "Dest_terminal_Id": to,
            **({"TP_udhi": 1} if len(parts) > 1 else {}),
            **({"Msg_Length": len(part)} if part else {}),
        }  # fmt: skip


@pytest.mark.parametrize(("version", "octets"), [(2, 159), (3, 195)])
def test_a_submit_is_as_long_as_others_write_it(version: int, octets: int) -> None:
    (body,) = form(version).bodies(b"12123", "8613800138000", codec.Encoded(8, (b"",)), b"")
    assert len(codec.frame(codec.SUBMIT, 1, body)) == octets


@given(BOTH, SEQUENCES, IDS, st.sampled_from([codec.OK, codec.MALFORMED, codec.FLOW]))
def test_an_answer_to_a_deliver_names_what_it_answers(
    version: int, sequence: int, msg_id: int, result: int
) -> None:
    pdu = codec.deliver_answer(VERSIONS[version], sequence, msg_id, result)
    assert codec.read_head(pdu) == (len(pdu), 0x8000_0005, sequence)
    assert pdu[12:] == msg_id.to_bytes(8, "big") + result.to_bytes(RESULTS[version], "big")


def test_a_connect_proves_that_we_know_the_secret() -> None:
    proof = codec.authenticator("901783", "ICP001", "1124180730")
    assert proof == md5(b"901783" + b"\0" * 9 + b"ICP001" + b"1124180730").digest()
    for version in (codec.CMPP2, codec.CMPP3):
        body = codec.connect_body(version, "901783", proof, "1124180730")
        assert body == b"901783" + proof + bytes([version.number]) + (1_124_180_730).to_bytes(
            4, "big"
        )
    early = codec.connect_body(codec.CMPP2, "9", proof, "0101000000")
    assert early[:6] == b"9\0\0\0\0\0"
    assert int.from_bytes(early[-4:], "big") == 101_000_000


@pytest.mark.parametrize(
    ("source", "service", "fee_type", "fee_code", "named"),
    [
        ("9017834", "", "", "", "source_addr"),
        ("1", "烽火", "", "", "service_id"),
        ("1", "", "001", "", "fee_type"),
        ("1", "", "", "0000000", "fee_code"),
    ],
)
def test_what_does_not_fit_is_named(
    source: str, service: str, fee_type: str, fee_code: str, named: str
) -> None:
    with pytest.raises(codec.Malformed, match=named):
        codec.Form(codec.CMPP2, source, service, 2, fee_type, fee_code)


@pytest.mark.parametrize("sender", ["", "+86138", "TRAFFIC", "1" * 22])
def test_a_sender_is_a_service_number(sender: str) -> None:
    with pytest.raises(codec.Malformed, match="sender"):
        codec.sender_field(sender)


# Texts


@given(TEXTS.filter(bool))
def test_the_parts_are_those_that_the_catalog_counts(text: str) -> None:
    counted = count(text)
    encoded = codec.encode_text(split(text), 0xABCD)
    assert encoded.coding == (codec.ASCII if text.isascii() else codec.UCS2)
    assert joined(encoded) == text
    if text.isascii() or counted.encoding == "ucs2":
        assert len(encoded.parts) == counted.segments
    for part in encoded.parts:
        # octets of Msg_Content; in ASCII a character takes seven bits on the air
        assert len(part) <= (160 if encoded.coding == codec.ASCII else 140)


def test_a_text_counted_in_an_alphabet_that_cmpp_has_not_is_cut_anew() -> None:
    text = "é" * 160
    assert count(text).segments == 1
    encoded = codec.encode_text(split(text), 7)
    assert encoded.coding == codec.UCS2
    assert [len(part) for part in encoded.parts] == [7 + 132, 7 + 132, 7 + 56]
    assert joined(encoded) == text


def test_an_odd_place_does_not_part_a_pair() -> None:
    text = "é" * 65 + "€" * 65 + "é"
    pairs = text.replace("€", "😀")
    for one in (text, pairs):
        assert joined(codec.encode_text([one], 1)) == one
        assert "\ufffd" not in "".join(
            part[7:].decode("utf-16-be", "replace") for part in codec.encode_text([one], 1).parts
        )


def test_parts_begin_with_a_reference_of_sixteen_bits() -> None:
    parts = codec.encode_text(["烽" * 66, "火"], 0x1_ABCD).parts
    assert [part[:7].hex() for part in parts] == ["060804abcd0201", "060804abcd0202"]


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [
        (codec.ASCII, b"TD", "TD"),
        (codec.UCS2, "退订😀".encode("utf-16-be"), "退订😀"),
        (codec.GBK, "退订TD".encode("gbk"), "退订TD"),
        (4, b"\x01\xff", "\x01\ufffd"),
        (codec.UCS2, b"\x90\x00\x8b", "\u9000\ufffd"),
    ],
)
def test_what_somebody_wrote(coding: int, octets: bytes, text: str) -> None:
    assert codec.decode_text(coding, False, octets) == text
    assert codec.decode_text(coding, True, b"\x05\x00\x03\x07\x02\x01" + octets) == text


# What is read


@given(
    BOTH, SEQUENCES, IDS, DIGITS, DIGITS, st.integers(0, 255), st.binary(max_size=255),
    st.sampled_from([0, 1, 0x40]),
)  # fmt: skip
def test_a_deliver_is_read(
    version: int, sequence: int, msg_id: int, to: str, source: str, coding: int, content: bytes,
    udhi: int,
) -> None:  # fmt: skip
    fields = {
        "Msg_Id": msg_id, "Dest_Id": to, "Service_Id": "NOTICE", "TP_udhi": udhi, "Msg_Fmt": coding,
        "Src_terminal_Id": source, "Msg_Length": len(content),
    }  # fmt: skip
    body = tables.write(tables.deliver(version), fields) + content + bytes(tables.tail(version))
    pdu = codec.frame(codec.DELIVER, sequence, body)
    read = codec.read_carried(VERSIONS[version], pdu)
    assert read == (msg_id, read.to, read.source, False, udhi > 0, coding, content)
    assert (codec.read_text(read.to), codec.read_text(read.source)) == (to, source)
    assert codec.read_msg_id(pdu) == msg_id


@given(BOTH, IDS, DIGITS, st.sampled_from(["DELIVRD", "MB:1042", "HD:19"]))
def test_a_report_is_read(version: int, msg_id: int, to: str, stat: str) -> None:
    fields = {
        "Msg_Id": msg_id, "Stat": stat, "Submit_time": "2611241807", "Done_time": "2611241808",
        "Dest_terminal_Id": to, "SMSC_sequence": 99,
    }  # fmt: skip
    content = tables.write(tables.report(version), fields)
    assert len(content) == (60 if version == 2 else 71)
    read = codec.read_report(content)
    assert read.msg_id == msg_id
    assert [codec.read_text(field) for field in read[1:]] == [stat, "2611241808", to]


@pytest.mark.parametrize("width", [1, 4])
def test_a_gateway_proves_that_it_knows_the_secret(width: int) -> None:
    ours = codec.authenticator("901783", "ICP001", "1124180730")
    theirs = md5((0).to_bytes(width, "big") + ours + b"ICP001").digest()
    for octets, number in ((1, 0x20), (4, 0x30)):
        body = (0).to_bytes(octets, "big") + theirs + bytes([number])
        answer = codec.read_connected(codec.frame(codec.CONNECT + codec.RESPONSE, 1, body))
        assert answer == (0, theirs)
        assert codec.proves(answer, ours, "ICP001")
        assert not codec.proves(answer, ours, "ICP002")
        assert not codec.proves(answer._replace(proof=bytes(16)), ours, "ICP001")


@given(IDS, st.integers(0, 255))
def test_an_answer_to_a_submit_is_read_in_either_width(msg_id: int, result: int) -> None:
    for octets in (1, 4):
        body = msg_id.to_bytes(8, "big") + result.to_bytes(octets, "big")
        assert codec.read_result(codec.frame(0x8000_0004, 1, body)) == (msg_id, result)


@given(
    st.integers(0, 12), st.integers(0, 31), st.integers(0, 23), st.integers(0, 59),
    st.integers(0, 59), st.integers(0, 2**22 - 1), st.integers(0, 2**16 - 1),
)  # fmt: skip
def test_an_id_is_written_as_carriers_write_it(
    month: int, day: int, hour: int, minute: int, second: int, gateway: int, sequence: int
) -> None:
    bits = "".join((
        f"{month:04b}", f"{day:05b}", f"{hour:05b}", f"{minute:06b}", f"{second:06b}",
        f"{gateway:022b}", f"{sequence:016b}",
    ))  # fmt: skip
    assert codec.written_id(int(bits, 2)) == (
        f"{month:02}{day:02}{hour:02}{minute:02}{second:02}{gateway:07}{sequence:05}"
    )


@given(IDS, IDS)
def test_different_ids_are_written_differently(one: int, other: int) -> None:
    assert (codec.written_id(one) == codec.written_id(other)) == (one == other)


# Noise


@given(BOTH, st.binary(max_size=400))
def test_noise_raises_nothing_but_malformed(version: int, body: bytes) -> None:
    pdu = codec.frame(codec.DELIVER, 1, body)
    for reading in (
        lambda: codec.read_carried(VERSIONS[version], pdu),
        lambda: codec.read_connected(pdu),
        lambda: codec.read_result(pdu),
        lambda: codec.read_report(body),
        lambda: codec.read_msg_id(pdu),
    ):
        with suppress(codec.Malformed):
            reading()


@given(st.integers(0, 255), st.booleans(), st.binary(max_size=160))
def test_no_text_is_beyond_reading(coding: int, udh: bool, text: bytes) -> None:
    assert isinstance(codec.decode_text(coding, udh, text), str)


@given(BOTH, st.binary(max_size=200), st.integers(0, 400))
def test_a_deliver_cut_off_is_malformed(version: int, content: bytes, at: int) -> None:
    fields = {"Dest_Id": "12123", "Msg_Length": len(content)}
    body = tables.write(tables.deliver(version), fields) + content
    if at >= len(body):
        return
    with pytest.raises(codec.Malformed):
        codec.read_carried(VERSIONS[version], codec.frame(codec.DELIVER, 1, body[:at]))


def joined(encoded: codec.Encoded) -> str:
    """What a phone makes of the parts."""
    header = 7 if len(encoded.parts) > 1 else 0
    octets = b"".join(part[header:] for part in encoded.parts)
    if encoded.coding == codec.ASCII:
        return octets.decode("ascii")
    return octets.decode("utf-16-be", "surrogatepass")
