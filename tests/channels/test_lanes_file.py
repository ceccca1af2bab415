"""The lanes file: what is wrong with one is said by lane and field."""

import msgspec
import pytest

from channels.lanes import DEFAULT_LANES
from channels.lanes_file import Account, LanesError, load_lanes

LANE = """
[[lane]]
name = "sms-a"
channel = "sms"
provider = "sandbox"
rate_per_s = 10
"""


class Gate(msgspec.Struct, forbid_unknown_fields=True):
    """An account of a protocol that is spoken nowhere."""

    port: int


def fault_of(gate: Gate) -> str:
    return "" if gate.port else "gate.port must be 1 to 65535"


PROTOCOLS = {"sandbox": None, "gate": Account("gate", Gate, fault_of, "sms")}


def test_the_one_a_hub_starts_with_reaches_nobody() -> None:
    lanes = load_lanes(DEFAULT_LANES.read_text(encoding="utf-8"))
    assert {lane.via for lane in lanes} == {"sandbox", "inbox"}
    assert lanes.ways("sms", "cmcc").lanes == ("sms-cmcc", "sms-any")
    assert len(lanes) == 9


def test_what_is_left_out_has_its_default() -> None:
    lane = load_lanes(LANE)["sms-a"]
    assert (lane.carriers, lane.weight, lane.urgent_percent, lane.cost) == (("*",), 1, 20, 0)
    assert lane.via == "sandbox"


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("[[lane]", "array declaration"),
        ("", "lane: at least one"),
        ("lane = 3", "lane: at least one"),
        ("lane = [3]", "the lane at place 1 must be a table"),
        ("[lanes]", "lanes: only"),
        (LANE.replace("rate_per_s = 10", ""), "lane sms-a: .*rate_per_s"),
        (LANE.replace('name = "sms-a"', ""), "the lane at place 1: .*name"),
        (
            LANE.replace('"sms"', '"fax"'),
            "lane sms-a: channel: 'fax' is none of sms, voice, email, push, wechat, inbox$",
        ),
        (LANE.replace("10", "0"), "lane sms-a: rate_per_s must be 1 to 100000"),
        (LANE.replace("10", '"10"'), "lane sms-a: rate_per_s: Expected `int`"),
        (LANE + "tps = 1", "lane sms-a: .*tps"),
        (LANE + "weight = 0", "lane sms-a: weight must be 1 to 1000"),
        (LANE + "segments_max = 256", "lane sms-a: segments_max must be 0 to 255"),
        (LANE + "cost = -1", "lane sms-a: cost must be 0 to"),
        (LANE + "urgent_percent = 100", "lane sms-a: urgent_percent must be 1 to 90"),
        (LANE + "carriers = []", "lane sms-a: carriers must name"),
        (LANE + 'carriers = ["cmc"]', "lane sms-a: carriers: 'cmc' is none of"),
        (
            LANE + 'wording = { fine = "yes" }',
            "lane sms-a: wording.*: 'yes' is none of registered, submitted, refused$",
        ),
        (LANE + "account = 1", "lane sms-a: account is no field"),
        (LANE.replace("sms-a", "Sms.A"), "lane Sms.A: name must be"),
        (LANE * 2, "lane sms-a: the name is given twice"),
        (LANE.replace("sandbox", "nobody"), "lane sms-a: nothing here speaks 'nobody'.* gate"),
        (LANE + 'protocol = "gate"', r"lane sms-a: the table \[lane.gate\] is missing"),
        (LANE + 'protocol = "gate"\ngate = { port = "x" }', "lane sms-a: gate.port: Expected"),
        (LANE + 'protocol = "gate"\ngate = { port = 0 }', "lane sms-a: gate.port must be"),
        (LANE + 'protocol = "gate"\ngate = { port = 1, a = 1 }', "lane sms-a: gate.*`a`"),
        (LANE + "gate = { port = 1 }", r"lane sms-a: sandbox takes no table \[lane.gate\]"),
    ],
)
def test_one_that_cannot_be_used_says_where_and_why(toml: str, reason: str) -> None:
    with pytest.raises(LanesError, match=reason):
        load_lanes(toml, PROTOCOLS)


def test_a_protocol_reads_its_own_table() -> None:
    [lane] = load_lanes(LANE + 'protocol = "gate"\ngate = { port = 7890 }', PROTOCOLS)
    assert (lane.via, lane.account) == ("gate", Gate(7890))


@pytest.mark.parametrize(
    ("by", "channel", "carriers"),
    [
        ("push_web", "push", '["*"]'),
        ("push_web", "push", '["web", "apns"]'),
        ("push_web", "sms", '["web"]'),
        ("push_apns", "push", '["web"]'),
    ],
)
def test_a_push_service_carries_its_own_and_nothing_else(
    by: str, channel: str, carriers: str
) -> None:
    lane = LANE.replace("sandbox", by).replace('"sms"', f'"{channel}"')
    with pytest.raises(LanesError, match=f"lane sms-a: {by} carries channel push and carriers"):
        load_lanes(lane + f"carriers = {carriers}")


def test_a_lane_for_browsers() -> None:
    lane = LANE.replace("sandbox", "push_web").replace('"sms"', '"push"')
    assert [one.via for one in load_lanes(lane + 'carriers = ["web"]')] == ["push_web"]
