"""The decision: send, hold or suppress, and why. Pure: same arguments, same answer.

``decide`` walks ``STEPS`` in order. Each step looks at the facts, the policy and ``now`` and
either lets the question pass, narrows the channels that are left, or answers. The same list
sends, explains (:func:`trace`) and answers what-if: call it with another policy, another ``now``
or changed facts.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from channels.lanes import pick
from preferences.limits import next_day_ms
from preferences.rules import quiet_until
from streams.core.policy import ClassPolicy, Policy
from streams.core.routing_facts import ChannelFacts, Facts
from templates.notice import ChannelName

Number = int | str


class Verdict(NamedTuple):
    """An answer. ``until_ms`` with hold; channel, lane and carrier with send."""

    kind: Literal["send", "hold", "suppress"]
    reason: str
    numbers: dict[str, Number]
    until_ms: int = 0
    channel: ChannelName = "inbox"
    lane: str = ""
    carrier: str = ""


class Finding(NamedTuple):
    """What one step found: passed, dropped channels, or answered."""

    step: str
    kind: Literal["pass", "drop", "send", "hold", "suppress"]
    reason: str
    numbers: dict[str, Number]


class Question:
    """One decision in progress: the channels still left, and those dropped with their reason."""

    __slots__ = ("dropped", "facts", "left", "now_ms", "policy", "rule")

    def __init__(self, facts: Facts, policy: Policy, now_ms: int) -> None:
        self.facts = facts
        self.policy = policy
        self.rule: ClassPolicy = policy.classes[facts.cls]
        self.now_ms = now_ms
        self.left: list[ChannelFacts] = list(facts.channels)
        self.dropped: list[tuple[ChannelName, str]] = []

    def drop(self, channel: ChannelFacts, reason: str) -> None:
        self.left.remove(channel)
        self.dropped.append((channel.channel, reason))


Step = Callable[[Question], Verdict | None]


def expired(q: Question) -> Verdict | None:
    """Past its expiry nothing is sent, whatever else is true."""
    if q.now_ms < q.facts.expiry_ms:
        return None
    return _suppress("expired", expiry_ms=q.facts.expiry_ms)


def duplicate(q: Question) -> Verdict | None:
    """Another event said the same to them before."""
    if not q.facts.duplicate_of:
        return None
    return _suppress("duplicate", of=q.facts.duplicate_of)


def case_settled(q: Question) -> Verdict | None:
    """The case was paid, filed or withdrawn, at the latest when this event happened."""
    if not q.facts.settled_by:
        return None
    return _suppress("case_settled", by=q.facts.settled_by)


def superseded(q: Question) -> Verdict | None:
    """A newer status of the same case is known."""
    if not q.facts.superseded_by:
        return None
    return _suppress("superseded", by=q.facts.superseded_by)


def recipient_known(q: Question) -> Verdict | None:
    """An unknown recipient may still be registered: wait for it, until the expiry."""
    if q.facts.known:
        return None
    return _hold("recipient_unknown", q.facts.expiry_ms, expiry_ms=q.facts.expiry_ms)


def due(q: Question) -> Verdict | None:
    """A reminder waits for its day."""
    if q.facts.due_ms <= q.now_ms:
        return None
    return _hold("not_due", q.facts.due_ms, due_ms=q.facts.due_ms)


def consent(q: Question) -> Verdict | None:
    """Some categories are sent only to who asked for them."""
    if not q.facts.needs_consent or q.facts.consent_ms:
        return None
    return _suppress("no_consent", category=q.facts.category)


def opted_out(q: Question) -> Verdict | None:
    """Channels the recipient switched off. Where a class cannot be refused altogether, the last
    channel that could reach stays on."""
    if not q.rule.opt_out and not any(_usable(c) and not c.opted_out for c in q.left):
        return None
    return _narrow(q, "opted_out", lambda c: c.opted_out)


def _usable(channel: ChannelFacts) -> bool:
    unfit = channel.unfit or channel.suppressed or channel.tried
    return channel.contact and not unfit


def reachable(q: Question) -> Verdict | None:
    """Channels without a contact point, or one of the wrong kind (a landline for a text)."""
    return _narrow(q, "no_contact", lambda c: c.unfit or ("" if c.contact else "no_contact"))


def address_suppressed(q: Question) -> Verdict | None:
    """Addresses that a carrier or mailbox refused for good."""
    return _narrow(q, "address_suppressed", lambda c: c.suppressed)


def untried(q: Question) -> Verdict | None:
    """Channels that already had their tries."""
    return _narrow(q, "all_channels_tried", lambda c: "tried" if c.tried else "")


def quiet_hours(q: Question) -> Verdict | None:
    """Nobody is woken. Expiry wins over deferral: what cannot wait is not sent at night either."""
    start, end = _quiet_window(q)
    if start < 0 or not q.facts.respects_quiet:
        return None
    until = quiet_until(q.now_ms, q.facts.zone, start, end)
    if not until:
        return None
    return _defer(q, "quiet_hours", until, quiet_from=start, quiet_to=end, zone=q.facts.zone)


def frequency_cap(q: Question) -> Verdict | None:
    """At most so many of a class a day; what is over waits for the next day."""
    cap = q.facts.cap if q.facts.cap >= 0 and q.rule.cap else q.rule.cap
    if not q.rule.cap or q.facts.sent_today < cap:
        return None
    _, end = _quiet_window(q)
    until = next_day_ms(q.now_ms, q.facts.zone, max(end, 0))
    return _defer(q, "frequency_cap", until, cap=cap, sent_today=q.facts.sent_today)


def channel_order(q: Question) -> Verdict | None:
    """The policy's order for the class, where it has one, over the order the facts came in."""
    if q.rule.order:
        rank = {channel: i for i, channel in enumerate(q.rule.order)}
        q.left.sort(key=lambda c: rank.get(c.channel, len(rank)))
    return None


def lane_open(q: Question) -> Verdict | None:
    """The first channel whose carrier has an open lane; among lanes that share the work, the one
    that falls to this leg."""
    for channel in q.left:
        if channel.lanes:
            lane = pick(channel.lanes, channel.weights, q.facts.spread)
            return Verdict(
                "send",
                "first_reachable",
                {"channel": channel.channel, "lane": lane, "carrier": channel.carrier},
                channel=channel.channel,
                lane=lane,
                carrier=channel.carrier,
            )
    unsaid = any("wording" in c.barred.values() for c in q.left)
    paused = any("paused" in c.barred.values() for c in q.left)
    reason = "wording_unregistered" if unsaid and not paused else "no_lane"
    until = q.now_ms + (WORDING_RETRY_MS if reason != "no_lane" else NO_LANE_RETRY_MS)
    if until >= q.facts.expiry_ms:
        return _suppress(reason, channels=",".join(c.channel for c in q.left))
    return _hold(reason, until, channels=",".join(c.channel for c in q.left))


STEPS: tuple[Step, ...] = (
    expired,
    duplicate,
    case_settled,
    superseded,
    recipient_known,
    due,
    consent,
    opted_out,
    reachable,
    address_suppressed,
    untried,
    quiet_hours,
    frequency_cap,
    channel_order,
    lane_open,
)

NO_LANE_RETRY_MS = 60_000
"""A paused or broken lane is looked at again after this: soon enough for a notice, cheap enough
for a million of them."""

WORDING_RETRY_MS = 600_000
"""A carrier registers a wording within hours or days, and the lanes file says so then."""

REASONS: tuple[str, ...] = (
    "expired",
    "duplicate",
    "case_settled",
    "superseded",
    "recipient_unknown",
    "not_due",
    "no_consent",
    "opted_out",
    "no_contact",
    "landline",
    "address_suppressed",
    "all_channels_tried",
    "quiet_hours",
    "quiet_hours_past_expiry",
    "frequency_cap",
    "frequency_cap_past_expiry",
    "first_reachable",
    "no_lane",
    "wording_unregistered",
)
"""Every reason ``decide`` can give; each is explained in both languages, which a test counts."""


def decide(facts: Facts, policy: Policy, now_ms: int) -> Verdict:
    """Send, hold or suppress one leg of a notification, and say why."""
    question = Question(facts, policy, now_ms)
    for step in STEPS:
        verdict = step(question)
        if verdict is not None:
            return verdict
    raise AssertionError("the last step answers")


def trace(facts: Facts, policy: Policy, now_ms: int) -> list[Finding]:
    """The same decision, step by step, up to and with the one that answered."""
    question = Question(facts, policy, now_ms)
    findings: list[Finding] = []
    for step in STEPS:
        before = len(question.dropped)
        verdict = step(question)
        dropped = question.dropped[before:]
        if dropped:
            numbers: dict[str, Number] = dict(dropped)
            findings.append(Finding(step.__name__, "drop", step.__name__, numbers))
        if verdict is not None:
            findings.append(Finding(step.__name__, verdict.kind, verdict.reason, verdict.numbers))
            return findings
        if not dropped:
            findings.append(Finding(step.__name__, "pass", "", {}))
    raise AssertionError("the last step answers")


def window_end_ms(facts: Facts, policy: Policy, now_ms: int) -> int:
    """When the next quiet hours of this recipient and class begin (0: never)."""
    rule = policy.classes[facts.cls]
    start, end = _window(facts, rule)
    if start < 0 or not facts.respects_quiet or start == end:
        return 0
    return next_day_ms(now_ms, facts.zone, start, today=True)


def _quiet_window(q: Question) -> tuple[int, int]:
    return _window(q.facts, q.rule)


def _window(facts: Facts, rule: ClassPolicy) -> tuple[int, int]:
    """The recipient's own quiet hours, else the class's; a class without any has none."""
    if rule.quiet_from < 0:
        return -1, -1
    if facts.quiet_from >= 0:
        return facts.quiet_from, facts.quiet_to
    return rule.quiet_from, rule.quiet_to


def _narrow(q: Question, reason: str, fault: Callable[[ChannelFacts], str]) -> Verdict | None:
    """Drop channels with a fault; when none is left the step answers, with the last fault's name
    where that says more than the step's."""
    last = ""
    for channel in q.left[:]:
        if why := fault(channel):
            q.drop(channel, why)
            last = why
    if q.left:
        return None
    answer = last if last in ("landline",) else reason
    return _suppress(answer, **dict(q.dropped))


def _defer(q: Question, reason: str, until: int, **numbers: Number) -> Verdict:
    """Hold until ``until`` and a little more, so that a release does not come all at once; but
    never past the expiry for the sake of that."""
    room = q.facts.expiry_ms - until
    if room <= 0:
        return _suppress(
            f"{reason}_past_expiry", **numbers, until_ms=until, expiry_ms=q.facts.expiry_ms
        )
    until += q.facts.spread % max(min(q.policy.spread_ms, room), 1)
    return _hold(reason, until, **numbers, until_ms=until)


def _hold(reason: str, until_ms: int, /, **numbers: Number) -> Verdict:
    return Verdict("hold", reason, numbers, until_ms=until_ms)


def _suppress(reason: str, **numbers: Number) -> Verdict:
    return Verdict("suppress", reason, numbers)
