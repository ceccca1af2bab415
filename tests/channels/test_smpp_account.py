"""Accounts in a lanes file, and what is said of those that cannot be one."""

import pytest

from channels.lanes_file import Account, LanesError, load_lanes
from channels.smpp_account import Smpp, fault_of, sender_fault

PROTOCOLS = {"sandbox": None, "smpp": Account("smpp", Smpp, fault_of, "sms", sender_fault)}

LANE = """
[[lane]]
name = "sms-cmcc"
channel = "sms"
provider = "smpp"
rate_per_s = 100
"""
ACCOUNT = {
    "host": '"127.0.0.1"',
    "port": "2775",
    "system_id": '"fenghuo"',
    "password_env": '"CMCC_PASSWORD"',
}


def file(lane: str = LANE, **fields: str) -> str:
    lines = [f"{name} = {value}" for name, value in {**ACCOUNT, **fields}.items() if value]
    return lane + "[lane.smpp]\n" + "\n".join(lines)


def test_what_is_not_said_is_usual() -> None:
    smpp = load_lanes(file(), PROTOCOLS)["sms-cmcc"].account
    assert smpp == Smpp(
        host="127.0.0.1", port=2775, system_id="fenghuo", password_env="CMCC_PASSWORD"
    )
    assert (smpp.binds, smpp.window, smpp.tls, smpp.answered_id) == (1, 16, False, "text")


def test_a_carriers_own_codes_are_read() -> None:
    smpp = load_lanes(file(codes='{"0x401" = "content", "0x58" = "transient"}'), PROTOCOLS)[
        "sms-cmcc"
    ].account
    assert smpp is not None
    assert smpp.own_codes() == {0x401: "content", 0x58: "transient"}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("host", "", "missing required field `host`"),
        ("port", "0", "smpp.port: Expected `int` >= 1"),
        ("binds", "65", "smpp.binds: Expected `int` <= 64"),
        ("window", "0", "smpp.window"),
        ("password_env", '"HUB_KEK"', "smpp.password_env"),
        ("password", '"secret"', "unknown field `password`"),
        ("system_id", '"a-name-that-is-too-long"', "sms-cmcc: smpp.system_id must be at most 15"),
        ("answered_id", '"octal"', "smpp.answered_id"),
        ("tls_ca", '"ca.pem"', "smpp.tls_ca is given"),
        ("codes", '{"full" = "content"}', "smpp.codes: 'full' is no status"),
        ("codes", '{"0x401" = "bad"}', "smpp.codes"),
    ],
)
def test_what_is_wrong_is_named(field: str, value: str, said: str) -> None:
    with pytest.raises(LanesError, match=said):
        load_lanes(file(**{field: value}), PROTOCOLS)


def sending_as(sender: str) -> str:
    return LANE + f'sender = "{sender}"\n'


@pytest.mark.parametrize(
    ("sender", "fields", "said"),
    [
        ("烽火", {}, "sender must be ASCII"),
        ("123456789012345678901", {}, "sender and its extension must be at most 20"),
        ("12345678901234567890", {"extension_digits": "1"}, "sender and its extension"),
        ("Police", {"extension_digits": "3"}, "extension_digits needs a sender of digits"),
    ],
)
def test_a_sender_that_the_protocol_has_no_room_for_is_named(
    sender: str, fields: dict[str, str], said: str
) -> None:
    with pytest.raises(LanesError, match=f"lane sms-cmcc: {said}"):
        load_lanes(file(sending_as(sender), **fields), PROTOCOLS)


def test_letters_are_a_sender_and_so_is_a_number() -> None:
    for sender in ("Police", "12123", "+8612123"):
        assert load_lanes(file(sending_as(sender)), PROTOCOLS)["sms-cmcc"].sender == sender


def test_provider_and_account_go_together() -> None:
    with pytest.raises(LanesError, match=r"the table \[lane.smpp\] is missing"):
        load_lanes(LANE, PROTOCOLS)
    with pytest.raises(LanesError, match=r"sandbox takes no table \[lane.smpp\]"):
        load_lanes(file(LANE.replace('"smpp"', '"sandbox"')), PROTOCOLS)
    with pytest.raises(LanesError, match="channel sms only"):
        load_lanes(file(LANE.replace('channel = "sms"', 'channel = "voice"')), PROTOCOLS)
