"""From what is known to the facts of one decision: everything it rests on, and nothing personal."""

from typing import Any

import msgspec
from msgspec.structs import replace

from channels.lanes import Lane, Lanes
from preferences.recipient import Consent, ContactPoint, Preferences, Profile, Recipient
from streams.core.gathering import NO_HISTORY, History, chain, contact_for, gather
from streams.core.routing_facts import ChannelFacts, Facts
from templates.notice import Escalation, Notice
from tests.streams.core.legs import HEAD
from tests.streams.core.samples import NOON
from tests.streams.core.test_notices import NOTICE

LANES = Lanes(
    [
        Lane("sms-cmcc", "sms", "p", 100, carriers=("cmcc",), weight=10),
        Lane("sms-any", "sms", "p", 100),
        Lane("email", "email", "p", 100),
        Lane("inbox", "inbox", "inbox", 100),
    ]
)
PHONE = ContactPoint("phone", "+8613800001234")
LANDLINE = ContactPoint("phone", "+8659112345678", landline=True)
GONE = ContactPoint("phone", "+8613800009999", suppressed="absent")
MAIL = ContactPoint("email", "wang@example.cn")
STREAM = bytes(12) + (77).to_bytes(4, "big")


def person(*contacts: ContactPoint, **chosen: Any) -> Recipient:
    return Recipient(Profile("r-1", "person", "王丽", contacts), Preferences(**chosen))


def gathered(
    who: Recipient | None, notice: Notice = NOTICE, history: History = NO_HISTORY
) -> Facts:
    return gather(HEAD, notice, who, history, LANES, STREAM, "zh", NOON)


def channel(name: str, facts: Facts) -> ChannelFacts:
    [one] = [c for c in facts.channels if c.channel == name]
    return one


class TestChain:
    ESCALATING = replace(NOTICE, escalation=Escalation(1, ("push", "email")))

    def test_is_the_notices_channels_then_those_it_escalates_to(self) -> None:
        assert chain(HEAD, NOTICE) == ("sms", "push")
        assert chain(HEAD, self.ESCALATING) == ("sms", "push", "email")

    def test_is_one_channel_for_a_leg_of_its_own(self) -> None:
        assert chain(replace(HEAD, leg="voice"), self.ESCALATING) == ("voice",)

    def test_follows_the_order_a_recipient_chose(self) -> None:
        mixed = replace(NOTICE, channels=("sms", "email", "inbox"))
        facts = gathered(person(PHONE, order=("inbox", "email")), mixed)
        assert [c.channel for c in facts.channels] == ["inbox", "email", "sms"]


class TestContactFor:
    def test_is_the_first_that_nothing_speaks_against(self) -> None:
        who = person(GONE, LANDLINE, PHONE)
        assert contact_for("sms", who) == PHONE
        assert contact_for("voice", who) == LANDLINE

    def test_is_a_spoilt_one_where_there_is_no_other(self) -> None:
        assert contact_for("sms", person(GONE)) == GONE
        assert contact_for("sms", person(LANDLINE)) == LANDLINE

    def test_is_the_one_asked_for_where_it_can_be_used(self) -> None:
        other = ContactPoint("phone", "+8613900139000")
        who = person(PHONE, other, GONE, LANDLINE, MAIL)
        assert contact_for("sms", who, other.address) == other
        assert contact_for("email", who, "Wang@Example.cn") == MAIL
        for wanted in (GONE.address, LANDLINE.address, MAIL.address, "+8613700137000"):
            assert contact_for("sms", who, wanted) == PHONE

    def test_is_none_without_one_of_its_kind(self) -> None:
        assert contact_for("sms", person(MAIL)) is None

    def test_everybody_has_an_inbox(self) -> None:
        assert contact_for("inbox", person()) == ContactPoint("inbox", "r-1")


class TestChannels:
    def test_its_carrier_is_that_of_the_address_asked_for(self) -> None:
        who = person(PHONE, replace(GONE, suppressed="", carrier="cucc"))
        facts = gather(HEAD, NOTICE, who, NO_HISTORY, LANES, STREAM, "zh", NOON, "", GONE.address)
        assert channel("sms", facts).carrier == "cucc"

    def test_a_good_one_has_its_carrier_and_lanes(self) -> None:
        assert channel("sms", gathered(person(PHONE))) == ChannelFacts(
            "sms", contact=True, carrier="cmcc", lanes=("sms-cmcc", "sms-any")
        )

    def test_what_was_learned_of_a_number_goes_before_its_prefix(self) -> None:
        ported = replace(PHONE, carrier="cucc")
        sms = channel("sms", gathered(person(ported)))
        assert (sms.carrier, sms.lanes) == ("cucc", ("sms-any",))

    def test_one_without_contact_point_says_so(self) -> None:
        assert channel("push", gathered(person(PHONE))) == ChannelFacts("push")

    def test_a_landline_is_unfit_for_text_alone(self) -> None:
        calling = replace(NOTICE, channels=("sms", "voice"))
        facts = gathered(person(LANDLINE), calling)
        assert channel("sms", facts).unfit == "landline"
        assert channel("voice", facts).unfit == ""

    def test_a_refused_address_says_why(self) -> None:
        assert channel("sms", gathered(person(GONE))).suppressed == "absent"

    def test_a_switched_off_one_names_the_switch(self) -> None:
        facts = gathered(person(PHONE, off=("licence/sms",)))
        assert channel("sms", facts).opted_out == "licence/sms"

    def test_those_tried_before_say_so_with_or_without_a_contact_point(self) -> None:
        history = History(tried=frozenset({"sms", "push"}))
        facts = gathered(person(PHONE), history=history)
        assert [c.tried for c in facts.channels] == [True, True]

    def test_a_lane_to_be_avoided_is_left_out_where_there_is_another(self) -> None:
        facts = gathered(person(PHONE), history=History(avoid=frozenset({"sms-cmcc"})))
        assert channel("sms", facts).lanes == ("sms-any",)
        mailing = replace(NOTICE, channels=("email",))
        facts = gathered(person(MAIL), mailing, History(avoid=frozenset({"email"})))
        assert channel("email", facts).lanes == ("email",)


class TestFacts:
    def test_hold_the_leg_the_time_and_a_spread_of_its_own(self) -> None:
        facts = gathered(person(PHONE))
        assert (facts.notice, facts.cls, facts.category) == (
            HEAD.notice, HEAD.cls, HEAD.category,
        )  # fmt: skip
        assert (facts.event_ms, facts.expiry_ms) == (HEAD.event_ms, HEAD.expiry_ms)
        assert (facts.at_ms, facts.spread) == (NOON, 77)

    def test_hold_what_was_found(self) -> None:
        history = History("paid", "a status of 7", "8f3a", 2)
        for who in (person(PHONE), None):
            facts = gathered(who, history=history)
            assert (facts.settled_by, facts.superseded_by, facts.duplicate_of) == history[:3]
        assert gathered(person(PHONE), history=history).sent_today == 2

    def test_hold_what_a_recipient_chose(self) -> None:
        who = person(PHONE, quiet_from=60, quiet_to=120, caps={"reminder": 1}, language="en")
        facts = gathered(who)
        assert (facts.quiet_from, facts.quiet_to, facts.cap, facts.language) == (60, 120, 1, "en")

    def test_hold_the_policys_where_nothing_was_chosen(self) -> None:
        facts = gathered(person(PHONE, caps={"status": 1}))
        assert (facts.quiet_from, facts.cap, facts.language) == (-1, -1, "zh")

    def test_of_somebody_unknown_hold_no_channels(self) -> None:
        facts = gathered(None)
        assert (facts.known, facts.channels, facts.at_ms) == (False, (), NOON)

    def test_hold_consent_where_it_is_needed(self) -> None:
        asking = replace(NOTICE, consent=True)
        agreed = Consent("licence", True, NOON - 1, "form 7")
        assert gathered(person(PHONE, consents=(agreed,)), asking).consent_ms == NOON - 1
        assert gathered(person(PHONE), asking).consent_ms == 0
        assert gathered(person(PHONE, consents=(agreed,))).consent_ms == 0
        withdrawn = Consent("licence", False, NOON, "web")
        assert gathered(person(PHONE, consents=(agreed, withdrawn)), asking).consent_ms == 0

    def test_hold_nothing_personal(self) -> None:
        who = person(PHONE, LANDLINE, GONE, MAIL)
        written = msgspec.json.encode(gathered(who)).decode()
        secrets = [who.profile.name, *(c.address for c in who.profile.contacts)]
        assert not [secret for secret in secrets if secret.strip("+") in written]


def test_a_push_goes_by_who_gave_its_address_out() -> None:
    point = "B" + "A" * 86
    for address, service in (
        (f"https://push.example/1#{point}.{'A' * 22}", "web"),
        ("apns:00ff", "apns"),
        ("a-token", ""),
    ):
        facts = gathered(person(ContactPoint("push", address)))
        assert channel("push", facts).carrier == service
