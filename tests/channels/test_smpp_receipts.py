"""Receipts as servers write them."""

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from channels.smpp_codec import Carried, read_carried
from channels.smpp_receipts import STATES, Ids, Reader, Report

TEN_PAST_NOON_MS = 1_795_493_400_000
"""2026-11-24 12:10 in a zone of +08:00."""


def read(text: str, ids: Ids = Ids(), **tlvs: bytes) -> Report | None:  # noqa: B008 a value
    named = {int(tag[1:], 16): value for tag, value in tlvs.items()}
    carried = Carried(b"8613800138000", b"12123", 4, 0, text.encode("latin-1"), named)
    return Reader(ids, 480).read(carried)


@pytest.mark.parametrize(
    "text",
    [
        "id:7f3 sub:001 dlvrd:001 submit date:1 done date:2611241210 stat:DELIVRD err:000 text:x",
        "ID:7f3 SUB:001 DLVRD:001 DONE DATE:2611241210 STAT:DELIVRD ERR:000",
        "id:7f3 stat:DELIVRD done date:2611241210 err:000",
        "id: 7f3 submit_date:2611241209 done_date: 261124121000 stat: delivrd err:0",
        "stat:DELIVRD,id:7f3,done date:2611241210",
        "message_id=7f3 status=DELIVRD error=000 done_date=2611241210",
    ],
)
def test_texts_in_use(text: str) -> None:
    assert read(text) == Report("7f3", "delivered", "DELIVRD", TEN_PAST_NOON_MS)


def test_parameters_go_before_the_text() -> None:
    text = (
        "id:no sub:001 dlvrd:000 submit date:2611241209 done date:2611241210 stat:UNDELIV err:012"
    )
    assert read(text, x1E=b"7f3\0", x427=b"\x02") == Report(
        "7f3", "delivered", "DELIVRD 012", TEN_PAST_NOON_MS
    )


def test_parameters_alone_suffice() -> None:
    report = read("", x1E=b"7f3\0", x427=b"\x05", x423=b"\x03\x00\x1b")
    assert report == Report("7f3", "undelivered", "UNDELIV 03001b", 0)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (1, None),
        (2, "delivered"),
        (3, "expired"),
        (4, "undelivered"),
        (5, "undelivered"),
        (6, None),
        (7, None),
        (8, "rejected"),
    ],
)
def test_only_what_is_final_is_reported(state: int, status: str | None) -> None:
    word = STATES[state]
    text = f"id:1 sub:001 dlvrd:000 submit date:1 done date:1 stat:{word} err:000"
    assert read(text) == Report("1", status, word, 0)
    assert read("", x1E=b"1", x427=bytes((state,))) == Report("1", status, word, 0)


def test_a_networks_own_words_and_errors_are_kept() -> None:
    usual = "id:1 sub:001 dlvrd:000 submit date:1 done date:1 stat:{} err:{}"
    assert read(usual.format("MA:0006", "000")) == Report("1", "undelivered", "MA:0006", 0)
    assert read(usual.format("UNDELIV", "27")) == Report("1", "undelivered", "UNDELIV 27", 0)
    assert read(usual.format("DELIVERED", "0")) == Report("1", "delivered", "DELIVERED", 0)


@pytest.mark.parametrize("text", ["", "TD", "no id:", "退订".encode().decode("latin-1")])
def test_what_names_no_id_is_no_receipt(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("ids", "answered", "reported"),
    [
        (Ids("hex", "decimal"), "9df2261", "165618273"),
        (Ids("hex", "decimal"), "09DF2261", "0165618273"),
        (Ids("decimal", "hex"), "165618273", "9DF2261"),
        (Ids(folded=True), "00AB12", "ab12"),
        (Ids(folded=True), "000", "0"),
        (Ids(), "00AB12", "00AB12"),
        (Ids("hex", "decimal"), "not-a-number", "not-a-number"),
    ],
)
def test_ids_that_are_the_same(ids: Ids, answered: str, reported: str) -> None:
    assert ids.of_answer(answered) == ids.of_receipt(reported)


def test_ids_are_texts_unless_told() -> None:
    assert Ids().of_answer("00AB12") != Ids().of_receipt("ab12")


@given(st.binary(max_size=254), st.binary(max_size=12), st.binary(max_size=3))
def test_noise_is_read_or_left(text: bytes, named: bytes, state: bytes) -> None:
    pdu = smpp34.DeliverSm(
        "1", "2", text, esm_class=4, tlvs=[smpp34.Tlv(0x1E, named), smpp34.Tlv(0x427, state)]
    ).encode()
    Reader(Ids("hex", "decimal", True), 0).read(read_carried(pdu))
