"""CMPP accounts in a lanes file, and what is said of those that cannot be one."""

import pytest

from channels import smpp_account
from channels.cmpp_account import Cmpp, fault_of, sender_fault
from channels.lanes_file import Account, LanesError, load_lanes
from channels.smpp_account import Smpp

PROTOCOLS = {
    "sandbox": None,
    "smpp": Account("smpp", Smpp, smpp_account.fault_of, "sms"),
    **dict.fromkeys(("cmpp2", "cmpp3"), Account("cmpp", Cmpp, fault_of, "sms", sender_fault)),
}

LANE = """
[[lane]]
name = "sms-cmcc"
channel = "{channel}"
provider = "{provider}"
rate_per_s = 100
"""
ACCOUNT = {
    "host": '"127.0.0.1"',
    "port": "7890",
    "source_addr": '"901783"',
    "password_env": '"CMCC_SECRET"',
}


def file(provider: str = "cmpp2", channel: str = "sms", **fields: str) -> str:
    lines = [f"{name} = {value}" for name, value in {**ACCOUNT, **fields}.items() if value]
    lane = LANE.format(provider=provider, channel=channel)
    return lane + "[lane.cmpp]\n" + "\n".join(lines)


@pytest.mark.parametrize("provider", ["cmpp2", "cmpp3"])
def test_what_is_not_said_is_usual(provider: str) -> None:
    lane = load_lanes(file(provider), PROTOCOLS)["sms-cmcc"]
    assert lane.account == Cmpp(
        host="127.0.0.1", port=7890, source_addr="901783", password_env="CMCC_SECRET"
    )
    read = lane.account
    assert (read.window, read.fee_type, read.proof_required) == (16, "01", True)


def test_a_carriers_own_codes_are_read() -> None:
    cmpp = load_lanes(file(codes='{"117" = "content", "9" = "recipient"}'), PROTOCOLS)[
        "sms-cmcc"
    ].account
    assert cmpp is not None
    assert cmpp.own_codes() == {117: "content", 9: "recipient"}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("source_addr", "", "missing required field `source_addr`"),
        ("source_addr", '"9017834"', "sms-cmcc: cmpp.source_addr must be at most 6"),
        ("service_id", '"烽火"', "cmpp.service_id must be ASCII"),
        ("fee_user_type", "4", "cmpp.fee_user_type: Expected `int` <= 3"),
        ("fee_code", '"1000000"', "cmpp.fee_code must be at most 6"),
        ("password_env", '"HUB_KEK"', "cmpp.password_env"),
        ("codes", '{"0x75" = "content"}', "cmpp.codes: '0x75' is no result like 117"),
    ],
)
def test_what_is_wrong_is_named(field: str, value: str, said: str) -> None:
    with pytest.raises(LanesError, match=said):
        load_lanes(file(**{field: value}), PROTOCOLS)


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        ("TRAFFIC", "sender must be digits"),
        ("1234567890123456789012", "sender and its extension must be at most 21"),
    ],
)
def test_a_sender_is_a_service_number(sender: str, said: str) -> None:
    plain = file()
    named = plain.replace("[lane.cmpp]", f'sender = "{sender}"\n[lane.cmpp]')
    with pytest.raises(LanesError, match=f"lane sms-cmcc: {said}"):
        load_lanes(named, PROTOCOLS)


@pytest.mark.parametrize(
    ("provider", "channel", "said"),
    [
        ("smpp", "sms", r"smpp takes no table \[lane.cmpp\]"),
        ("sandbox", "sms", r"sandbox takes no table \[lane.cmpp\]"),
        ("cmpp3", "voice", "cmpp3 carries channel sms only"),
    ],
)
def test_an_account_goes_with_its_protocol(provider: str, channel: str, said: str) -> None:
    with pytest.raises(LanesError, match=said):
        load_lanes(file(provider, channel), PROTOCOLS)
