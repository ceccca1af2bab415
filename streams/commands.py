"""What people may do: each one transaction, a change and the journal event that says so.

A command answers with what it did, or with the :class:`~preferences.fault.Fault` that says which
value cannot be; it raises only what the journal and the topics raise. ``by`` names who acts, as
audits will read it (``citizen``, ``staff:zhang``, ``sms:stop``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from channels.base import LateAnswer, Receipt, Reply
from channels.inbox import InboxStore
from channels.lanes_file import WEIGHT_MAX
from preferences.changes import Choice, GiveConsent, Offer, WithdrawConsent
from preferences.fault import Fault
from preferences.recipient import Preferences, Profile
from preferences.subscriptions import Subscription
from streams.admission import Admission
from streams.admission import Received as Received
from streams.core import events as e
from streams.core.codec import decode
from streams.core.policy import Policy
from streams.core.standings import LANE, LaneStory, lane_stream
from streams.documents import (
    POLICY,
    POLICY_STREAM,
    TRANSFER,
    WORDING,
    Published,
    transfer_stream,
    with_wordings,
    wording_stream,
)
from streams.journal.base import Group, Unit
from streams.journal.group import Aside
from streams.lane_stories import story_of
from streams.pipeline.answers import Answer, record_answers
from streams.pipeline.choosing import choose, offer_of, reach_again, subscribe
from streams.pipeline.erasing import erase
from streams.pipeline.receive import receive, receive_replies
from streams.pipeline.replies import UNKNOWN, is_known
from streams.pipeline.river import River, entry, found_by_kind, state_of
from streams.policies import read_draft
from streams.removals import REMOVAL, removal_stream, still_needed
from streams.topics import INBOUND
from templates.errors import CatalogRefused
from templates.lint import Finding, lint
from templates.render import Wording
from templates.wording_versions import SEED_VERSION, canonical, content_hash

REASON_MAX = 500
"""Characters of a reason: a sentence or two for the audit."""

Steering = Literal["pause", "resume", "weight", "allow"]


class Commands:
    """All commands, on one river. ``ring`` wakes whoever serves timers and whoever follows the
    journal; ``aside`` runs what blocks where it holds up nobody."""

    def __init__(
        self,
        river: River,
        inbox: InboxStore,
        ring: Callable[[], None],
        aside: Aside,
    ) -> None:
        self._river = river
        self._inbox = inbox
        self._ring = ring
        self._aside = aside
        self._admission = Admission(river)

    async def accept(self, raws: Sequence[bytes]) -> list[Received]:
        """The front door: structured CloudEvents in, one answer each, in order. What is answered
        ``accepted`` is durable."""
        answers = await self._admission.accept(raws)
        if any(answer.status == "refused" for answer in answers):
            self._ring()  # what is in quarantine is seen there at once
        return answers

    # Recipients

    def offer(self) -> Offer:
        """What there is to choose from, by the catalog and the policy in force."""
        return offer_of(self._river.documents)

    async def change_preferences(self, ref: str, choice: Choice, by: str) -> Preferences | Fault:
        """As :func:`streams.pipeline.choosing.choose`."""
        answer = await choose(self._river, ref, choice, by)
        self._ring()
        return answer

    async def change_subscription(self, ref: str, change: Subscription, by: str) -> Profile | Fault:
        """As :func:`streams.pipeline.choosing.subscribe`."""
        answer = await subscribe(self._river, ref, change, by)
        self._ring()
        return answer

    async def reach_again(self, kind: str, address: str, by: str) -> None:
        """As :func:`streams.pipeline.choosing.reach_again`."""
        await reach_again(self._river, kind, address, by)
        self._ring()

    async def record_consent(
        self, ref: str, category: str, given: bool, proof: str, by: str
    ) -> Preferences | Fault:
        """Consent to a category that needs it, with where the proof lies; or its end."""
        choice = GiveConsent(category, proof) if given else WithdrawConsent(category)
        return await self.change_preferences(ref, choice, by)

    async def erase_recipient(self, ref: str, by: str, reason: str) -> e.RecipientErased | Fault:
        """As :func:`streams.pipeline.erasing.erase`; it cannot be taken back."""
        if not 0 < len(reason.strip()) <= REASON_MAX:
            return Fault("reason", f"why, in 1 to {REASON_MAX} characters")
        answer = await erase(self._river, ref, by, reason.strip())
        self._ring()
        return answer

    async def remove_archived(self, month: int, by: str, reason: str) -> e.ArchiveRemoved | Fault:
        """Order that the events accepted in a month go from the archive; the same month once more
        answers with the first order. ``store.remove_month`` carries it out."""
        if not 0 < len(reason.strip()) <= REASON_MAX:
            return Fault("reason", f"why, in 1 to {REASON_MAX} characters")
        if fault := still_needed(month, self._river.clock.now_ms()):
            return fault
        stream = removal_stream(month)
        said = e.ArchiveRemoved(month=month, by=by, reason=reason.strip())
        if await self._append(stream, 1, said, REMOVAL):
            return said
        [row] = (await self._river.journal.read([stream]))[stream]
        first = decode(row.type, row.data)
        assert isinstance(first, e.ArchiveRemoved), "nothing else lies in its stream"
        return first

    async def mark_read(self, ref: str, stream: str) -> bool:
        """The recipient opened a message in the inbox: whether this was the first time. Nobody's
        but the recipient's own counts."""
        river, key = self._river, bytes.fromhex(stream)
        rows = (await river.journal.read([key])).get(key)
        state = state_of(rows) if rows else None
        if state is None or state.head is None or state.head.recipient != ref:
            return False
        attempt = next((a for a, r in state.refs.items() if r == stream), 0)
        if not attempt:
            return False
        now_ms = river.clock.now_ms()
        # the fact first: opened once more after a crash between the two, it is only a duplicate
        report = Receipt("inbox", stream, "read", "", now_ms)
        await record_answers(river, [Answer(key, attempt, report, "inbox")])
        self._ring()
        first: bool = await self._aside(self._inbox.mark_read, ref, stream, now_ms)
        return first

    async def take_report(self, report: Receipt | LateAnswer) -> None:
        """What a provider calls back, journalled when this returns: a report, or the answer that
        was waited for."""
        if isinstance(report, Receipt):
            await receive(self._river, [report])
        else:
            await receive(self._river, [], [report])
        self._ring()

    async def take_reports(
        self, reports: Sequence[Receipt | LateAnswer], replies: Sequence[Reply] = ()
    ) -> None:
        """The same for all that one callback tells, and for what people wrote back."""
        receipts = [report for report in reports if isinstance(report, Receipt)]
        late = [report for report in reports if isinstance(report, LateAnswer)]
        await receive(self._river, receipts, late)
        await receive_replies(self._river, replies)
        self._ring()

    # Documents

    async def publish_wording(
        self, notice: str, files: Mapping[str, str], by: str
    ) -> Wording | list[Finding]:
        """Put new wording of a notice in force (its folder's texts by name), if the lint finds
        nothing; else what it found. The same words as those in force are no new version."""
        river = self._river
        files = canonical(files)
        found = lint(notice, files, river.documents.catalog.senders, river.documents.hosts)
        if found:
            return found
        digest = content_hash(notice, files)
        stream = wording_stream(notice)
        while True:
            current = river.documents.wordings.get(notice)
            if current is not None and current.content == digest:
                return current
            version = await self._next(stream)
            published = Published(notice, version + SEED_VERSION, files)
            try:
                with_wordings(river.documents, [published])
            except CatalogRefused as error:
                reason = f"{error.key} {error.reason}"
                return [Finding("notice.toml", 1, reason, f"与其他通知矛盾：{reason}")]
            said = e.WordingPublished(notice=notice, hash=digest, by=by, files=dict(files))
            if await self._append(stream, version, said, WORDING):
                river.documents = with_wordings(river.documents, [published])
                return river.documents.wordings[notice]

    async def publish_policy(self, toml: str, by: str) -> Policy | Fault:
        """Put a new routing policy in force; its version is the next."""
        river = self._river
        policy = read_draft(toml.encode())
        if isinstance(policy, Fault):
            return policy
        missing = river.documents.policy.classes.keys() - policy.classes.keys()
        if missing:
            return Fault(f"classes.{min(missing)}", "to be present")
        following = river.documents.policy.version + 1
        if policy.version != following:
            return Fault("version", f"the next, {following}")
        said = e.PolicyPublished(policy=policy.version, by=by, text=toml)
        version = await self._next(POLICY_STREAM)
        if not await self._append(POLICY_STREAM, version, said, POLICY):
            return Fault("version", "the next; another policy was published just now")
        river.documents = river.documents._replace(policy=policy)
        return policy

    # Lanes

    async def steer_lane(
        self, lane: str, action: Steering, by: str, reason: str, weight: int = 0, notice: str = ""
    ) -> e.LaneSteered | Fault:
        """Pause a lane, resume it, weigh it (0: as the file does), or allow a notice's wording that
        its carrier refused. It holds in every process within a second or two."""
        river = self._river
        if lane not in river.documents.lanes:
            known = ", ".join(sorted(one.name for one in river.documents.lanes))
            return Fault("lane", f"one of {known}")
        if not 0 < len(reason.strip()) <= REASON_MAX:
            return Fault("reason", f"why, in 1 to {REASON_MAX} characters")
        if action == "weight" and not 0 <= weight <= WEIGHT_MAX:
            return Fault("weight", f"0 to {WEIGHT_MAX}")
        said = e.LaneSteered(
            lane=lane, action=action, by=by, reason=reason.strip(), weight=weight, notice=notice
        )
        while True:
            story = await story_of(river.journal, lane)
            if fault := _idle(story, said):
                return fault
            if await self._append(lane_stream(lane), story.version + 1, said, LANE):
                return said

    async def decide_transfer(self, lane: str, allowed: bool, reason: str, by: str) -> Fault | None:
        """Whether a lane may take numbers of the mainland abroad: never before this says so. To
        say the same again is on record, too: for another reason, by somebody else."""
        river = self._river
        if lane not in river.documents.lanes:
            return Fault("lane", "one of the lanes file")
        if not 0 < len(reason) <= REASON_MAX:
            return Fault("reason", f"why it is decided, in 1 to {REASON_MAX} characters")
        stream = transfer_stream(lane)
        said = e.TransferDecided(lane=lane, allowed=allowed, by=by, reason=reason)
        while not await self._append(stream, await self._next(stream), said, TRANSFER):
            pass  # somebody else decided just now: the last word counts
        before = river.documents.transfers
        after = before | {lane} if allowed else before - {lane}
        river.documents = river.documents._replace(transfers=after)
        return None

    # Quarantine

    async def take_reply(self, reply: Reply) -> None:
        """What somebody wrote to a provider that calls back, durable when this returns."""
        await receive_replies(self._river, [reply])

    async def replay_quarantined(self, item: str, raw: bytes | None, by: str) -> Received | Fault:
        """Bring an item in again, its original bytes or mended ones; the original is kept. What
        would be refused again stays open: the answer says why."""
        found = await self._quarantined(item)
        if isinstance(found, Fault):
            return found
        stream = bytes.fromhex(item)
        original = self._river.hub_key.open(found.sealed, stream)
        again = self._reply_again if found.where == INBOUND else self._admission.accept_again
        answer = await again(original if raw is None else raw)
        if answer.status == "refused":
            return answer
        # published first: a crash between the two leaves it open, and coming twice is harmless
        closed = e.QuarantineClosed(how="replayed", by=by)
        if not await self._append(stream, 2, closed):
            return Fault("item", "an open item; somebody closed it just now")
        return answer

    async def _reply_again(self, raw: bytes) -> Received:
        """Bring in what somebody wrote who was not known then."""
        try:
            reply = msgspec.json.decode(raw, type=Reply)
        except msgspec.MsgspecError as error:
            return Received("refused", "", "reply", "a reply as it was kept", str(error))
        if not await is_known(self._river, reply):
            return Received("refused", "", *UNKNOWN)
        await receive_replies(self._river, [reply])
        return Received("accepted")

    async def drop_quarantined(self, item: str, by: str, reason: str) -> Fault | None:
        """Close an item without bringing it in."""
        if not 0 < len(reason) <= REASON_MAX:
            return Fault("reason", f"why it is dropped, in 1 to {REASON_MAX} characters")
        found = await self._quarantined(item)
        if isinstance(found, Fault):
            return found
        closed = e.QuarantineClosed(how="dropped", by=by, reason=reason)
        if not await self._append(bytes.fromhex(item), 2, closed):
            return Fault("item", "an open item; somebody closed it just now")
        return None

    async def _quarantined(self, item: str) -> e.Quarantined | Fault:
        stream = bytes.fromhex(item)
        rows = (await self._river.journal.read([stream])).get(stream, [])
        first = decode(rows[0].type, rows[0].data) if rows else None
        if not isinstance(first, e.Quarantined):
            return Fault("item", "one that is in quarantine")
        return first if len(rows) == 1 else Fault("item", "an open item; this one is closed")

    # The journal

    async def _next(self, stream: bytes) -> int:
        """The next free version of a stream."""
        rows = (await self._river.journal.read([stream])).get(stream)
        return rows[-1].version + 1 if rows else 1

    async def _append(self, stream: bytes, version: int, event: e.Base, kind: str = "") -> bool:
        """One event at the version it was decided at, in a stream that is found by its ``kind``
        (left out: it was found when it began). False when another came before: nothing is
        written."""
        lookups = (found_by_kind(self._river, kind, stream),) if kind else ()
        unit = Unit((entry(stream, version, event),), lookups)
        committed = await self._river.journal.append(Group([unit]))
        self._ring()
        return committed.won[0]


def _idle(story: LaneStory, said: e.LaneSteered) -> Fault | None:
    """What would change nothing is no news."""
    match said.action:
        case "pause" if story.paused:
            return Fault("lane", "one that is not paused already")
        case "resume" if not story.paused:
            return Fault("lane", "one that an operator paused")
        case "allow" if said.notice not in {notice for notice, _ in story.stopped}:
            return Fault("notice", "one whose wording was stopped on this lane")
        case _:
            return None
