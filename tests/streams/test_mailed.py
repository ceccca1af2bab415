"""What comes back of a mail, from the report to the next channel, the address and the choices."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from channels.base import Accepted, Collected, Message, Outcome, Receipt, ReportStatus
from preferences import store as preference_store
from preferences.recipient import Recipient
from streams.core import codec
from streams.core import events as e
from streams.core.policy import HOUR_MS
from streams.pipeline.receive import receive
from tests.streams.small_hub import SmallHub, small_hub

EXAMINED = "gov.approval.case.examined.v1"
CASE = {"case_no": "FJ2026-1", "matter": "户口迁移", "by": "鼓楼分局"}
MAILBOX = "wang@example.cn"


class Mailing:
    """A mail server that takes all; ``taken`` is what it was given."""

    name = "sandbox"

    def __init__(self) -> None:
        self.taken: list[tuple[str, Message]] = []

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        self.taken += [(lane, message) for message in messages]
        return [Accepted(f"<{message.attempt}>") for message in messages]

    async def collect(self) -> Collected:
        return Collected((), (), 0, 0)

    async def acknowledge(self, token: int) -> None:
        pass

    async def arrived(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


class Post:
    """A hub that has mailed a case's progress to P1, who has a mailbox and an inbox."""

    def __init__(self, small: SmallHub, mailing: Mailing) -> None:
        self.small = small
        self.mailing = mailing

    @property
    def mail(self) -> Message:
        return next(message for lane, message in self.mailing.taken if lane == "email-a")

    async def report(self, status: ReportStatus, code: str, then: str = "") -> None:
        now_ms = self.small.hub.clock.now_ms()
        receipt = Receipt("email", "", status, code, now_ms, self.mail.attempt, then=then)  # type: ignore[arg-type]
        await receive(self.small.hub.river, [receipt])
        self.small.hub.ring()
        await self.small.pass_time(60_000)

    def story(self) -> list[str]:
        """The names of what was journalled of the leg, from its first attempt on."""
        rows = self.small.hub.store.read([bytes.fromhex(self.mail.attempt.partition(":")[0])])
        return [row.type.partition(".")[0] for [*found] in rows.values() for row in found]

    def recipient(self) -> Recipient:
        with self.small.hub.store.readers.connect() as connection:
            known = preference_store.load_many(connection, self.small.hub.vault, ["P1"])["P1"]
        assert known.recipient is not None
        return known.recipient

    def suppressed(self) -> str:
        return next(c.suppressed for c in self.recipient().profile.contacts if c.address == MAILBOX)

    def count(self, name: str) -> int:
        """How often it is in the rates of e-mail."""
        with self.small.hub.store.readers.connect() as connection:
            found = connection.exec_driver_sql(
                f"SELECT coalesce(sum({name}), 0) FROM rate WHERE channel = 'email'"
            )
            return int(found.scalar_one())

    def choices(self) -> list[tuple[str, str]]:
        rows = self.small.hub.store.since(0, 10_000)
        events = [codec.decode(r.type, r.data) for r in rows]
        return [(x.kind, x.by) for x in events if isinstance(x, e.PreferenceChanged)]


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    mailing = Mailing()
    async with small_hub(tmp_path, carrier=lambda clock: mailing) as small:
        await small.register("P1", phones=[])
        await small.pass_time(1_000)
        await small.tell(EXAMINED, "P1", CASE)
        await small.pass_time(1_000)
        yield Post(small, mailing)


async def test_a_bounce_moves_on_and_takes_the_address_out_of_use(post: Post) -> None:
    await post.report("undelivered", "5.1.1", "never")
    assert post.story()[:6] == [
        "Routed", "AttemptIntended", "Accepted", "Undelivered", "Escalated", "AttemptIntended",
    ]  # fmt: skip
    assert post.suppressed() == "5.1.1"
    [leg] = post.small.reading.history("P1")
    assert leg.channel == "inbox"


async def test_a_bounce_that_is_no_fault_of_the_address_leaves_it(post: Post) -> None:
    await post.report("undelivered", "5.3.0")
    assert "Escalated" in post.story()
    assert post.suppressed() == ""


async def test_a_delay_waits(post: Post) -> None:
    await post.report("delayed", "4.4.1")
    assert post.story() == ["Routed", "AttemptIntended", "Accepted", "Reported"]
    [leg] = post.small.reading.history("P1")
    assert (leg.channel, leg.status) == ("email", "accepted")


async def test_relayed_is_not_delivered_and_a_later_bounce_wins(post: Post) -> None:
    await post.report("relayed", "2.0.0")
    [leg] = post.small.reading.history("P1")
    assert leg.status == "accepted"
    assert (post.count("delivered"), post.count("accepted")) == (0, 1)
    await post.report("undelivered", "5.1.1", "never")
    assert post.story()[2:6] == ["Accepted", "Reported", "Undelivered", "Escalated"]
    assert (post.count("undelivered"), post.count("accepted")) == (1, 1)


async def test_a_bounce_counts_after_everybody_stopped_waiting_for_it(post: Post) -> None:
    await post.report("relayed", "2.0.0")
    await post.small.pass_time(50 * HOUR_MS)
    assert post.story()[-1] == "NoReceipt"
    await post.report("undelivered", "5.1.1", "never")
    assert "Undelivered" in post.story()
    assert post.count("undelivered") == 1
    assert post.suppressed() == "5.1.1"


async def test_the_same_report_again_changes_nothing(post: Post) -> None:
    for _ in range(2):
        await post.report("relayed", "2.0.0")
        await post.report("undelivered", "5.1.1", "never")
    assert post.story().count("Reported") == post.story().count("Undelivered") == 1


async def test_a_complaint_switches_the_category_off_as_a_choice(post: Post) -> None:
    await post.report("complaint", "abuse")
    await post.report("complaint", "abuse")
    assert post.recipient().preferences.off == ("approval/email",)
    assert post.choices() == [("switch_category", "email:complaint")]
    assert post.story()[-1] == "Reported"
    assert post.suppressed() == ""
    await post.small.tell(EXAMINED, "P1", {**CASE, "case_no": "FJ2026-2"})
    await post.small.pass_time(1_000)
    assert [lane for lane, _ in post.mailing.taken] == ["email-a"], "no mail of it any more"


async def test_a_complaint_is_about_the_mail_whatever_came_after_it(post: Post) -> None:
    await post.report("undelivered", "5.3.0")
    assert post.story()[-1] != "Undelivered", "another channel was taken"
    await post.report("complaint", "abuse")
    assert post.recipient().preferences.off == ("approval/email",)


async def test_a_report_about_nothing_we_sent_changes_nothing(post: Post) -> None:
    before = post.small.hub.store.head()
    for status in ("undelivered", "complaint", "relayed"):
        receipt = Receipt("email", "", status, "5.1.1", 7, "ab" * 16 + ":2")  # type: ignore[arg-type]
        await receive(post.small.hub.river, [receipt])
    assert post.small.hub.store.head() == before


async def test_only_what_may_be_refused_carries_a_link_to_refuse_it(tmp_path: Path) -> None:
    mailing = Mailing()
    async with small_hub(tmp_path, carrier=lambda clock: mailing) as small:
        small.hub.river.unsubscribing = lambda ref, category, channel, now_ms: (
            f"https://hub.example/u/{ref}.{category}.{channel}"
        )
        await small.register("P1", phones=[])
        await small.pass_time(1_000)
        await small.tell(EXAMINED, "P1", CASE)
        await small.violation("P1")
        await small.pass_time(1_000)
    links = sorted(m.unsubscribe for lane, m in mailing.taken if lane == "email-a")
    assert links == ["", "https://hub.example/u/P1.approval.email"]
