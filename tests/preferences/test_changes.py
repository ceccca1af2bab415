"""What a citizen may change."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preferences.changes import (
    CAP_MAX,
    PROOF_MAX,
    Change,
    Choice,
    GiveConsent,
    LearnCarrier,
    Offer,
    SetCaps,
    SetLanguage,
    SetOrder,
    SetQuietHours,
    SuppressAddress,
    SwitchCategory,
    UnsuppressAddress,
    WithdrawConsent,
    apply,
    mark,
)
from preferences.fault import Fault
from preferences.recipient import Consent, ContactPoint, Preferences
from preferences.rules import opted_out

OFFER = Offer(
    categories={
        "penalty": ("sms", "voice"),
        "tips": ("sms", "push", "email"),
        "weather": ("push",),
    },
    kept=("penalty",),
    capped=("status", "reminder"),
    languages=("zh", "en"),
)
NOW = 1_795_500_000_000
NOTHING = Preferences()  # nothing chosen yet


def chosen(choice: Choice, before: Preferences = NOTHING) -> Preferences:
    after = apply(before, choice, OFFER, NOW)
    assert isinstance(after, Preferences)
    return after


def refused(choice: Choice, before: Preferences = NOTHING) -> Fault:
    fault = apply(before, choice, OFFER, NOW)
    assert isinstance(fault, Fault)
    return fault


def test_a_change_is_one_version_on_and_no_change_is_none() -> None:
    once = chosen(SetLanguage("en"))
    assert (once.version, once.language) == (1, "en")
    assert chosen(SetLanguage("en"), once) is once


def test_switching_off_and_on_again() -> None:
    off = chosen(SwitchCategory("tips", "sms", on=False))
    assert off.off == ("tips/sms",)
    assert chosen(SwitchCategory("tips", "sms", on=True), off).off == ()


def test_a_wider_pair_swallows_a_narrower_one() -> None:
    off = chosen(SwitchCategory("tips", "sms", on=False))
    wide = chosen(SwitchCategory("tips", "*", on=False), off)
    assert wide.off == ("tips/*",)
    assert chosen(SwitchCategory("tips", "email", on=False), wide) is wide


def test_switching_on_leaves_the_rest_of_a_wider_pair_off() -> None:
    wide = chosen(SwitchCategory("*", "sms", on=False))
    assert chosen(SwitchCategory("tips", "sms", on=True), wide).off == ("penalty/sms",)


def test_what_is_kept_stays_on_in_one_channel() -> None:
    no_sms = chosen(SwitchCategory("penalty", "sms", on=False))
    assert refused(SwitchCategory("penalty", "voice", on=False), no_sms) == Fault(
        "channel", "one channel stays on for penalty"
    )
    assert refused(SwitchCategory("penalty", "*", on=False)).field == "channel"
    assert refused(SwitchCategory("*", "*", on=False)).field == "channel"


def test_what_the_offer_silenced_does_not_block_other_choices() -> None:
    """A catalog may drop a channel after everything else was switched off."""
    silent = Preferences(off=("penalty/sms", "penalty/voice"))
    assert "weather/push" in chosen(SwitchCategory("weather", "push", on=False), silent).off


SWITCHES = st.builds(
    SwitchCategory,
    st.sampled_from(["penalty", "tips", "weather", "*"]),
    st.sampled_from(["sms", "voice", "push", "email", "*"]),
    st.booleans(),
)


@given(st.lists(SWITCHES, max_size=8))
def test_each_pair_is_as_it_was_last_switched(switches: list[SwitchCategory]) -> None:
    preferences, expected = Preferences(), set[tuple[str, str]]()
    pairs = [(cat, channel) for cat, channels in OFFER.categories.items() for channel in channels]
    for switch in switches:
        after = apply(preferences, switch, OFFER, NOW)
        if isinstance(after, Fault):
            continue
        preferences = after
        for cat, channel in pairs:
            if switch.category in ("*", cat) and switch.channel in ("*", channel):
                (expected.discard if switch.on else expected.add)((cat, channel))
    assert {pair for pair in pairs if opted_out(preferences, *pair)} == expected
    assert not {("penalty", "sms"), ("penalty", "voice")} <= expected


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (SwitchCategory("lottery", "sms", on=False), "category"),
        (SwitchCategory("tips", "fax", on=False), "channel"),
        (SetQuietHours(-1, 480), "from_minute"),
        (SetQuietHours(1260, 1440), "to_minute"),
        (SetQuietHours(480, 479), "to_minute"),
        (SetLanguage("tlh"), "language"),
        (SetCaps({"emergency": 1}), "caps.emergency"),
        (SetCaps({"status": CAP_MAX + 1}), "caps.status"),
        (SetCaps({"status": -1}), "caps.status"),
        (SetOrder(("sms", "sms")), "order"),
        (SetOrder(("fax",)), "order"),
        (GiveConsent("lottery", "form 7"), "category"),
        (GiveConsent("tips", ""), "proof"),
        (GiveConsent("tips", "x" * (PROOF_MAX + 1)), "proof"),
        (WithdrawConsent("lottery"), "category"),
    ],
)
def test_a_refusal_names_the_field(choice: Choice, field: str) -> None:
    fault = refused(choice)
    assert fault.field == field
    assert fault.expected


def test_quiet_hours_caps_and_order() -> None:
    assert chosen(SetQuietHours(1320, 420)).quiet_from == 1320
    back = chosen(SetQuietHours(-1, -1), Preferences(quiet_from=1320, quiet_to=420))
    assert (back.quiet_from, back.quiet_to) == (-1, -1)
    assert chosen(SetCaps({"status": 2})).caps == {"status": 2}
    assert chosen(SetOrder(("push", "sms"))).order == ("push", "sms")


def test_consent_keeps_its_proof_when_it_is_withdrawn() -> None:
    agreed = chosen(GiveConsent("tips", "form 7"))
    assert agreed.consents == (Consent("tips", True, NOW, "form 7"),)
    assert chosen(GiveConsent("tips", "form 7"), agreed) is agreed
    ended = chosen(WithdrawConsent("tips"), agreed)
    assert ended.consents == (Consent("tips", False, NOW, "form 7"),)
    assert chosen(WithdrawConsent("weather")).consents == (Consent("weather", False, NOW, ""),)


def test_facts_about_an_address() -> None:
    contact = ContactPoint("phone", "+8613800138000")
    bounced = mark(contact, SuppressAddress("ab", "unallocated"))
    assert bounced.suppressed == "unallocated"
    assert mark(bounced, UnsuppressAddress("ab")) == contact
    assert mark(contact, LearnCarrier("ab", "telecom")).carrier == "telecom"


@pytest.mark.parametrize(
    "change",
    [
        SwitchCategory("tips", "sms", on=False),
        SetQuietHours(0, 1),
        SetLanguage("en"),
        SetCaps({"status": 1}),
        SetOrder(("sms",)),
        GiveConsent("tips", "form"),
        WithdrawConsent("tips"),
        SuppressAddress("ab", "why"),
        UnsuppressAddress("ab"),
        LearnCarrier("ab", "unicom"),
    ],
)
def test_changes_are_journalled_and_closed(change: Change) -> None:
    assert msgspec.json.decode(msgspec.json.encode(change), type=Change) == change
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(msgspec.json.encode(change)[:-1] + b',"more":1}', type=Change)
