"""Every policy that ever was in force, by its version."""

from pathlib import Path

from msgspec.structs import replace

from streams.core.events import PolicyPublished
from streams.core.policy import DEFAULT, Policy, dump
from streams.documents import POLICY, POLICY_STREAM
from streams.policies import published
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
