"""A dispatcher that dies between a call and its answer, once for every channel.

Its provider counts what it took. What the provider tells afterwards, or is asked, is known; of the
rest nobody can know whether it was taken, and what becomes of it is the class's affair.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.core.codec import decode
from streams.core.events import AttemptIntended, Unconfirmed, Unknown
from streams.core.lifecycle import State, Status
from tests.crash.at_door import HubAtDoor
from tests.crash.books import Books
from tests.crash.providers import (
    AppleDevices,
    Browsers,
    DeclaredPush,
    DeclaredText,
    Inbox,
    MailServer,
    Provider,
    SilentCall,
    SilentText,
    TwilioCall,
    TwilioCallListed,
    TwilioText,
    TwilioTextListed,
    Wechat,
)
from tests.crash.rehearsal import KILLED, Director, settle, wait_until
from tests.crash.upstream import Reported, Upstream

pytestmark = pytest.mark.crash

EVENTS = 16

SETTLED_S = 0.3
"""A request that was on its way at a death is taken by then."""

ORDINARY = ("violation-recorded", "document-posted", "vehicle-inspection-due", "public-notice")
"""Of the classes notice, status, reminder and bulletin."""

REPEATED = {
    "emergency": {"sms", "voice", "email", "push", "inbox"},
    "notice": {"email", "push", "inbox"},
    "status": {"email", "push", "inbox"},
    "reminder": {"email", "push", "inbox"},
    "code": set[str](),
    "bulletin": set[str](),
}
"""By class, the channels by which what nobody knows of is sent again. By all others never."""

TAKEN = {"after_intent_commit": 0, "mid_batch_call": 0.5}
"""By where the dispatcher dies, the share of what it has in hand that was taken; else some."""

UNANSWERED = "no answer before the time-out"
REACHED = {Status.DELIVERED, Status.READ}
GONE = {Status.ACCEPTED, *REACHED}

CASES: Sequence[tuple[type[Provider], str, Sequence[str]]] = (
    (DeclaredText, "after_intent_commit", ORDINARY),
    (DeclaredText, "after_call", ORDINARY),
    (SilentText, "mid_batch_call", ORDINARY),
    (SilentText, "mid_batch_call", ["weather-warning"]),
    (SilentCall, "mid_batch_call", ["weather-warning"]),
    (DeclaredPush, "mid_batch_call", ["question-answered"]),
    (TwilioText, "mid_batch_call", ORDINARY),
    (TwilioTextListed, "mid_batch_call", ORDINARY),
    (TwilioTextListed, "mid_batch_call", ["verification-code"]),
    (TwilioCall, "mid_batch_call", ["violation-recorded"]),
    (TwilioCallListed, "before_outcome_commit", ["violation-recorded"]),
    (MailServer, "mid_batch_call", ["violation-recorded", "document-ready", "satisfaction-survey"]),
    (MailServer, "before_outcome_commit", ["violation-recorded", "satisfaction-survey"]),
    (Browsers, "mid_batch_call", ["question-answered", "licence-renewal-due", "public-notice"]),
    (Browsers, "after_call", ["weather-warning"]),
    (AppleDevices, "mid_batch_call", ["question-answered", "vehicle-inspection-due"]),
    (AppleDevices, "before_outcome_commit", ["weather-warning"]),
    (Wechat, "mid_batch_call", ["plate-application-progress"]),
    (Inbox, "mid_batch_call", ORDINARY),
)
"""What takes the messages, where the dispatcher dies, and what the messages are."""


class ChannelBooks(Books):
    """Those of the legs that go by one channel."""

    def __init__(self, hub: HubAtDoor, channel: str, accepted: list[Reported]) -> None:
        super().__init__(hub.store, Path(), accepted)
        self._channel = channel

    def legs(self) -> dict[bytes, State]:
        return {
            stream: state
            for stream, state in self.states.items()
            if state.route is not None and state.route.channel == self._channel
        }

    def unsettled(self, but: frozenset[Status] = frozenset()) -> dict[bytes, State]:
        return {s: state for s, state in super().unsettled(but).items() if s in self.legs()}

    def sent(self, but: frozenset[bytes]) -> bool:
        """Whether every leg but these was answered."""
        self.read_on()
        rest = [state for stream, state in self.legs().items() if stream not in but]
        return len(self.legs()) == EVENTS and all(state.status in GONE for state in rest)

    def lanes(self, stream: bytes) -> list[str]:
        """Those that a leg was handed to, one after the other."""
        events = [decode(row.type, row.data) for row in self.rows[stream]]
        return [event.lane for event in events if isinstance(event, AttemptIntended)]

    def doubts(self, stream: bytes) -> list[str]:
        """What was seen each time that nobody knew, and why that was the end of it."""
        events = [decode(row.type, row.data) for row in self.rows[stream]]
        seen = [event.evidence for event in events if isinstance(event, Unknown)]
        return seen + [event.reason for event in events if isinstance(event, Unconfirmed)]


class Before(NamedTuple):
    """At a death: the legs with an intent and no answer, and how often each was taken."""

    in_hand: frozenset[bytes]
    taken: Counter[str]


class Right(NamedTuple):
    """How a leg may stand, after how many intents, taken how often, with which doubts."""

    statuses: Collection[Status]
    intents: int
    taken: int
    doubts: Collection[list[str]]


def right(provider: Provider, stream: bytes, cls: str, before: Before) -> Right:
    """For a leg of this class, by what was in hand at the death."""
    died_with = before.taken[stream.hex()]
    if stream not in before.in_hand:
        return Right(GONE, 1, 1, [[]])
    if died_with and provider.tells:
        return Right(REACHED, 1, 1, [[], [UNANSWERED]])
    if provider.channel in REPEATED[cls]:
        return Right(GONE, 2, died_with + 1, [[UNANSWERED]])
    return Right({Status.UNCONFIRMED}, 1, died_with, [[UNANSWERED, "horizon"]])


def faults(books: ChannelBooks, provider: Provider, before: Before) -> Iterator[str]:
    """Where a leg is not as its class says."""
    taken = provider.taken()
    for stream, state in books.legs().items():
        assert state.head is not None
        due = right(provider, stream, state.head.cls, before)
        lanes, times, doubts = books.lanes(stream), taken[stream.hex()], books.doubts(stream)
        fits = state.status in due.statuses and doubts in due.doubts
        if not fits or (len(lanes), times) != (due.intents, due.taken):
            yield f"{state.head.notice} is {state.status}: {lanes}, taken {times} times, {doubts}"
        if provider.channel in ("sms", "voice") and len(set(lanes)) != len(lanes):
            yield f"{state.head.notice} was repeated on the same lane"


@pytest.fixture
def director(tmp_path: Path) -> Director:
    return Director(tmp_path / "clock")


@pytest.fixture
def hub(tmp_path: Path, director: Director) -> Iterator[HubAtDoor]:
    hub = HubAtDoor(tmp_path, tmp_path / "clock")
    yield hub
    hub.close()


@pytest.fixture
def provider(request: pytest.FixtureRequest, tmp_path: Path, hub: HubAtDoor) -> Iterator[Provider]:
    provider: Provider = request.param(tmp_path, tmp_path / "clock", hub.url)
    hub.connect(provider.lanes(), provider.environment())
    yield provider
    hub.close()  # first: a server waits for who is still connected to it
    provider.close()


@pytest.mark.parametrize(
    ("provider", "point", "notices"),
    CASES,
    indirect=["provider"],
    ids=[f"{made.__name__}-{point}-{notices[0]}" for made, point, notices in CASES],
)
def test_what_was_in_hand_is_as_its_class_says(
    hub: HubAtDoor, provider: Provider, point: str, notices: Sequence[str], director: Director
) -> None:
    people = Upstream("citizen", notices=notices, reached=provider.reached)
    events = people.report(EVENTS, director.now_ms())
    hub.start(f"{point}:1")
    hub.bring(events)
    wait_until(lambda: hub.died is not None, "its death")
    assert hub.died == KILLED
    time.sleep(SETTLED_S)
    books = ChannelBooks(hub, provider.channel, events)
    books.read_on()
    before = Before(frozenset(s for s in books.legs() if books.lanes(s)), provider.taken())
    assert before.in_hand
    if point in TAKEN:
        assert len(before.taken) == int(len(before.in_hand) * TAKEN[point])
    else:
        assert before.taken  # a slow batch closes before all have answered

    hub.start()
    assert hub.bring(events)  # the answer may have been lost on its way
    wait_until(lambda: books.sent(before.in_hand), "the others to be sent", lambda: str(books))
    provider.report(director)
    settle(books, director, frozenset({Status.ACCEPTED}))
    assert list(faults(books, provider, before)) == []
    assert hub.died is None
