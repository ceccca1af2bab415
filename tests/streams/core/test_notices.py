"""From an event to the notifications it asks for: which notice, whom, on which occasions."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from preferences.recipient import ContactPerson, Profile, Recipient
from preferences.rules import DAY_MS, HOUR_MS, at_local
from streams.core.identity import event_key, identity
from streams.core.notices import (
    DEFAULT_ZONE,
    Upstream,
    days_left,
    matching,
    plan,
    recipients,
    upstream,
)
from streams.core.policy import DEFAULT
from templates.notice import EventType, Notice, Occasion, Variable
from tests.streams.core.legs import HEAD
from tests.streams.core.samples import NOON

NOTICE = Notice(
    id="licence-progress", cls="status", category="licence", title={"zh": "进度", "en": "Progress"},
    sender="traffic", triggers=("licence.moved",), channels=("sms", "push"),
    expiry_ms=3 * DAY_MS, family="licence",
)  # fmt: skip

REMINDER = replace(
    NOTICE, id="licence-due", cls="reminder", triggers=("licence.expiring",), due_field="ends_on",
    occasions=tuple(Occasion(f"T-{days}", -days) for days in (15, 7, 1)), expiry_ms=DAY_MS,
)  # fmt: skip

FAMILY = Recipient(
    Profile(
        "e-1", "enterprise", "化工厂", region="35",
        persons=(
            ContactPerson("filing", "r-1"), ContactPerson("legal", "r-2"),
            ContactPerson("filing", "r-3"),
        ),
    )
)  # fmt: skip


class Declares:
    """As much of a catalog as is asked for."""

    event_types: Mapping[str, EventType] = {
        "licence.moved": EventType("licence.moved", {"case_no": Variable("text")}, "case_no"),
        "weather.warned": EventType("weather.warned", {}),
    }

    def __init__(self, *notices: Notice) -> None:
        self._notices = notices

    def triggered_by(self, event_type: str) -> Iterable[Notice]:
        return [notice for notice in self._notices if event_type in notice.triggers]


def event(kind: str = "licence.moved", at_ms: int = NOON, **data: Any) -> Upstream:
    return upstream("urn:a", "1", kind, "r-1", "", at_ms, data, Declares())


class TestUpstream:
    def test_has_its_archive_key_and_its_case(self) -> None:
        known = event(case_no="C-7")
        assert known.key == event_key("urn:a", "1")
        assert known.correlation == "case_no=C-7"

    def test_without_the_declared_field_it_has_no_case(self) -> None:
        assert event().correlation == ""
        assert event("weather.warned", case_no="C-7").correlation == ""
        assert event("never.declared", case_no="C-7").correlation == ""

    def test_a_case_may_be_number_nought(self) -> None:
        assert event(case_no=0).correlation == "case_no=0"


class TestMatching:
    def test_by_its_type(self) -> None:
        declared = Declares(NOTICE, REMINDER)
        assert matching(event(), declared) == [NOTICE]
        assert matching(event("weather.warned"), declared) == []

    def test_only_when_its_data_say_so(self) -> None:
        refused = replace(NOTICE, id="refused", when={"state": "refused"})
        declared = Declares(NOTICE, refused)
        assert matching(event(state="refused"), declared) == [NOTICE, refused]
        assert matching(event(state="granted"), declared) == [NOTICE]
        assert matching(event(), declared) == [NOTICE]


class TestRecipients:
    def test_the_subject(self) -> None:
        assert recipients(NOTICE, event(), None) == ("r-1",)

    def test_nobody_where_the_event_has_no_subject(self) -> None:
        assert recipients(NOTICE, event()._replace(subject=""), None) == ()

    def test_whom_a_field_names(self) -> None:
        to_officer = replace(NOTICE, to="field:officer")
        assert recipients(to_officer, event(officer="o-1"), None) == ("o-1",)
        assert recipients(to_officer, event(officer=""), None) == ()
        assert recipients(to_officer, event(), None) == ()

    def test_the_contact_persons_of_a_role(self) -> None:
        to_contacts = replace(NOTICE, to="contacts:filing")
        assert recipients(to_contacts, event(), FAMILY) == ("r-1", "r-3")

    def test_an_enterprise_stands_for_persons_it_has_not_named(self) -> None:
        known = event()._replace(subject="e-1")
        to_contacts = replace(NOTICE, to="contacts:safety")
        assert recipients(to_contacts, known, FAMILY) == ("e-1",)
        assert recipients(to_contacts, known, None) == ("e-1",)


class TestPlan:
    def test_one_leg_a_recipient(self) -> None:
        plans = plan(event(case_no="C-7"), NOTICE, ("r-1", "r-2"), DEFAULT, None)
        assert [p.head.recipient for p in plans] == ["r-1", "r-2"]
        head = plans[0].head
        assert (head.notice, head.cls, head.category) == (NOTICE.id, "status", "licence")
        assert (head.event, head.event_ms) == (event_key("urn:a", "1"), NOON)
        assert (head.expiry_ms, head.due_ms) == (NOON + 3 * DAY_MS, 0)
        assert (head.correlation, head.family) == ("case_no=C-7", "licence")
        assert (head.occasion, head.leg) == ("", "")

    def test_one_leg_a_channel_where_the_class_goes_out_on_all(self) -> None:
        warning = replace(NOTICE, cls="emergency")
        plans = plan(event(), warning, ("r-1",), DEFAULT, None)
        assert [p.head.leg for p in plans] == ["sms", "push"]
        assert len({p.stream for p in plans}) == 2

    def test_the_region_is_the_events_own_or_the_recipients(self) -> None:
        profile = FAMILY.profile
        assert plan(event(), NOTICE, ("e-1",), DEFAULT, profile)[0].head.region == "35"
        here = event()._replace(region="11")
        assert plan(here, NOTICE, ("e-1",), DEFAULT, profile)[0].head.region == "11"

    def test_a_retry_with_another_time_is_the_same_notification(self) -> None:
        [one] = plan(event(), NOTICE, ("r-1",), DEFAULT, None)
        [other] = plan(event(at_ms=NOON + 1), NOTICE, ("r-1",), DEFAULT, None)
        assert one.stream != other.stream
        assert identity(one.stream) == identity(other.stream)

    def test_neither_policy_nor_words_are_in_its_name(self) -> None:
        [one] = plan(event(), NOTICE, ("r-1",), DEFAULT, None)
        reworded = replace(NOTICE, title={"zh": "新", "en": "New"}, expiry_ms=1)
        [other] = plan(event(), reworded, ("r-1",), replace(DEFAULT, version=2), None)
        assert one.stream == other.stream


class TestOccasions:
    def due(
        self, ends_on: str, at_ms: int = NOON, profile: Profile | None = None, **how: Any
    ) -> dict[str, int]:
        """When each occasion falls due."""
        notice = replace(REMINDER, **how)
        known = event("licence.expiring", at_ms, ends_on=ends_on)
        plans = plan(known, notice, ("r-1",), DEFAULT, profile)
        assert all(p.head.expiry_ms == p.head.due_ms + notice.expiry_ms for p in plans)
        return {p.head.occasion: p.head.due_ms for p in plans}

    def test_each_is_a_leg_of_its_own_at_nine_of_its_day(self) -> None:
        assert self.due("2026-12-31") == {
            "T-15": at_local("2026-12-16", 9 * 60, DEFAULT_ZONE),
            "T-7": at_local("2026-12-24", 9 * 60, DEFAULT_ZONE),
            "T-1": at_local("2026-12-30", 9 * 60, DEFAULT_ZONE),
        }

    def test_the_day_after_is_one_too(self) -> None:
        late = (Occasion("T+1", 1, 10 * 60),)
        assert self.due("2026-12-31", occasions=late) == {
            "T+1": at_local("2027-01-01", 10 * 60, DEFAULT_ZONE)
        }

    def test_those_whose_day_was_over_before_are_not_planned(self) -> None:
        """The event came at noon of the 24th: five days before the date."""
        assert self.due("2026-11-29").keys() == {"T-1"}
        assert self.due("2026-12-01").keys() == {"T-7", "T-1"}

    def test_one_of_the_same_day_still_is(self) -> None:
        nine = at_local("2026-11-24", 9 * 60, DEFAULT_ZONE)
        assert self.due("2026-11-25", at_ms=NOON) == {"T-1": nine}
        assert self.due("2026-11-25", at_ms=nine + DAY_MS + 1) == {}

    def test_a_date_with_a_time_counts_by_its_day(self) -> None:
        assert self.due("2026-12-31T18:00:00+08:00") == self.due("2026-12-31")

    def test_without_a_date_there_is_none(self) -> None:
        assert self.due("") == {}

    def test_nine_is_by_the_recipients_clock_whatever_clocks_do(self) -> None:
        """Clocks in New York go back on the first of November."""
        zone = "America/New_York"
        there = Profile("r-1", "person", "Li", zone=zone)
        before = at_local("2026-10-01", 0, zone)
        assert self.due("2026-11-02", at_ms=before, profile=there) == {
            "T-15": at_local("2026-10-18", 9 * 60, zone),
            "T-7": at_local("2026-10-26", 9 * 60, zone),
            "T-1": at_local("2026-11-01", 9 * 60, zone),
        }

    def test_their_names_are_by_the_time_of_the_case_event(self) -> None:
        known = event("licence.expiring", ends_on="2026-12-31")
        plans = plan(known, REMINDER, ("r-1",), DEFAULT, None)
        assert {p.stream[:6] for p in plans} == {NOON.to_bytes(6, "big")}


class TestDaysLeft:
    @pytest.mark.parametrize("minute", [0, 1, 9 * 60, 23 * 60 + 59])
    @pytest.mark.parametrize("days", [-1, 0, 1, 7, 8, 15])
    def test_count_from_day_to_day_whatever_the_hour(self, days: int, minute: int) -> None:
        due_ms = at_local("2026-12-10", minute, DEFAULT_ZONE)
        day = f"2026-12-{10 + days:02d}"
        assert days_left(replace(HEAD, due_ms=due_ms), day) == days

    def test_by_the_recipients_own_day(self) -> None:
        zone = "America/Los_Angeles"
        due_ms = at_local("2026-12-10", 9 * 60, zone)
        assert days_left(replace(HEAD, due_ms=due_ms), "2026-12-17", zone) == 7

    def test_are_none_for_what_is_no_reminder(self) -> None:
        assert days_left(HEAD, "2026-12-31") == 0
        assert days_left(replace(HEAD, due_ms=NOON + HOUR_MS), "") == 0
