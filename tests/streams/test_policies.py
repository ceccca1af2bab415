"""Every policy that ever was in force, by its version."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from preferences.fault import Fault
from streams.core.events import PolicyPublished
from streams.core.policy import DEFAULT, Policy, dump
from streams.documents import POLICY, POLICY_STREAM
from streams.policies import published, read_draft
from tests.streams.core.samples import NOON
from tests.streams.journals import INDEX, journal, write


def event(policy: Policy) -> PolicyPublished:
    return PolicyPublished(policy=policy.version, by="staff:li", text=dump(policy).decode())


def test_a_new_hub_has_the_one_it_began_with(tmp_path: Path) -> None:
    with journal(tmp_path) as store:
        assert published(store, INDEX) == {DEFAULT.version: DEFAULT}


def test_all_that_were_published_stay_known(tmp_path: Path) -> None:
    second, third = (replace(DEFAULT, version=v, receipt_ms=v) for v in (2, 3))
    with journal(tmp_path) as store:
        write(store, POLICY_STREAM, event(second), at_ms=NOON, kind=POLICY)
        write(store, POLICY_STREAM, event(third), at_ms=NOON, kind=POLICY)
        assert published(store, INDEX) == {1: DEFAULT, 2: second, 3: third}


UNDECLARED = "no such field"


class TestDraft:
    def test_any_whole_policy_is_one(self) -> None:
        assert read_draft(dump(DEFAULT)) == DEFAULT

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("version = 2\n[classes.notice]", Fault("classes.emergency", "to be present")),
            ("version = 'two'", Fault("version", "a whole number")),
            ("version = 2", Fault("classes", "to be present")),
            (
                "version = 2\n[classes.notice]\ncap = -1",
                Fault("classes.notice.cap", "a whole number >= 0"),
            ),
            ("version = 2\n[classes.notice]\nlimit = 1", Fault("classes.notice.limit", UNDECLARED)),
            (
                "version = 2\n[classes.notice]\norder = ['fax']",
                Fault("classes.notice.order[0]", "sms or voice or email"),
            ),
            ("version = 2\n[classes.holiday]", Fault("classes", "emergency or code or notice")),
            ("version", Fault("policy", "TOML; Expected '=' after a key in a key/value pair")),
            ("\udcff", Fault("policy", "TOML; 'utf-8' codec can't decode")),
        ],
    )
    def test_one_that_could_not_be_in_force_is_refused(self, text: str, fault: Fault) -> None:
        refused = read_draft(text.encode(errors="surrogateescape"))
        assert isinstance(refused, Fault)
        assert refused.field == fault.field
        assert refused.expected.startswith(fault.expected)
