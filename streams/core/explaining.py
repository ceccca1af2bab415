"""A decision in plain sentences, in Chinese and English: which rule, which numbers, and what
would have had to be different.

Nothing is guessed: a sentence is filled from the numbers the step answered with, and its
counterfactual is ``decide`` run again on the same facts with one of them changed. Pure.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from streams.core import names
from streams.core.names import Language, Two, moment, say
from streams.core.policy import DAY_MS, Policy
from streams.core.routing import Finding, Verdict, decide, trace
from streams.core.routing_facts import ChannelFacts, Facts


class Explained(msgspec.Struct, frozen=True):
    """One decision, told. ``rule`` is the step that answered, ``policy`` the version it read;
    ``otherwise`` says what one changed fact would have led to."""

    rule: str
    kind: str
    reason: str
    policy: int
    at_ms: int
    heading: str
    sentence: str
    otherwise: str
    steps: tuple[str, ...]


class Counterfactual(NamedTuple):
    """The decision with one fact changed, and what it answers."""

    facts: Facts
    policy: Policy
    at_ms: int
    verdict: Verdict


def explain(facts: Facts, policy: Policy, at_ms: int, language: Language) -> Explained:
    """Tell the decision that these facts had under this policy at this time."""
    findings = trace(facts, policy, at_ms)
    verdict = decide(facts, policy, at_ms)
    rule = findings[-1].step
    words = _words(verdict, facts, policy, at_ms, findings, language)
    other = counterfactual(facts, policy, at_ms)
    condition = say(CONDITIONS[verdict.reason], language).format(**words)
    outcome = _outcome(verdict, other, facts, language)
    return Explained(
        rule=rule,
        kind=verdict.kind,
        reason=verdict.reason,
        policy=policy.version,
        at_ms=at_ms,
        heading=say(HEADING, language).format(
            outcome=say(OUTCOMES[verdict.kind], language), rule=say(STEP_NAMES[rule], language),
            policy=policy.version, **words,
        ),
        sentence=say(_sentence(verdict, facts), language).format(**words),
        otherwise=say((f"{condition}，{outcome}。", f"{condition}, {outcome}."), language),
        steps=tuple(_step(finding, language) for finding in findings),
    )  # fmt: skip


def text(explained: Explained, language: Language) -> str:
    """The whole explanation, to be read from top to bottom."""
    told = [explained.heading, explained.sentence, explained.otherwise, say(WALK, language)]
    return "\n".join([*told, *(f"  {step}" for step in explained.steps)]) + "\n"


def counterfactual(facts: Facts, policy: Policy, at_ms: int) -> Counterfactual:
    """The decision again, without what stood in the way."""
    changed, then_ms = CHANGES[decide(facts, policy, at_ms).reason](facts, policy, at_ms)
    return Counterfactual(changed, policy, then_ms, decide(changed, policy, then_ms))


def reason_name(reason: str, language: Language) -> str:
    """A reason in a few words; a carrier's or provider's own stays as it is."""
    two = REASON_NAMES.get(reason)
    return say(two, language) if two else reason


def plain_name(name: str, zone: str, language: Language) -> str:
    """How the journal names a stop or a newer status, with its time written out."""
    if newer := _NEWER_STATUS.fullmatch(name):
        at = moment(int(newer[1]), zone)
        return say((f"{at} 的进度", f"the status of {at}"), language)
    return name


_NEWER_STATUS = re.compile(r"a status of (\d+)")


def _sentence(verdict: Verdict, facts: Facts) -> Two:
    """The sentence of this answer; some tell whose number it was that counted."""
    name = verdict.reason
    own = {"quiet_hours": facts.quiet_from >= 0, "frequency_cap": facts.cap >= 0}
    if own.get(name.removesuffix("_past_expiry")):
        name += ", own"
    elif name in ("no_lane", "wording_unregistered") and verdict.kind == "suppress":
        name += ", past expiry"
    return SENTENCES[name]


def _outcome(before: Verdict, other: Counterfactual, facts: Facts, language: Language) -> str:
    """What the changed decision answers. What nobody could have known then is not named."""
    answer = other.verdict
    why = reason_name(answer.reason, language)
    again = answer.kind == before.kind
    match answer.kind:
        case "send" if not facts.channels:
            return say(("就会发送", "it would have been sent"), language)
        case "send":
            channel = names.channel(answer.channel, language)
            sent = say((f"就会通过{channel}发送", f"it would have gone out by {channel}"), language)
            lane = say((f"（通道 {answer.lane}）", f" through lane {answer.lane}"), language)
            return sent + (lane if answer.lane else "")
        case "hold":
            until = moment(answer.until_ms, other.facts.zone)
            zh = f"{'仍' if again else '就'}会等到 {until}（{why}）"
            return say((zh, f"it would {_still(again)}have waited until {until} ({why})"), language)
        case "suppress":
            zh = f"{'仍' if again else '就'}不会发送（{why}）"
            return say((zh, f"it would {_still(again)}not have been sent ({why})"), language)


def _still(again: bool) -> str:
    return "still " if again else ""


def _step(finding: Finding, language: Language) -> str:
    """One line of the walk through the rules."""
    name = say(STEP_NAMES[finding.step], language)
    match finding.kind:
        case "pass":
            found = say(("通过", "passed"), language)
        case "drop":
            found = names.clauses(_faults(finding, language), language)
        case _:
            reason = reason_name(finding.reason, language)
            outcome = say(OUTCOMES[finding.kind], language)
            found = say((f"{outcome}（{reason}）", f"{outcome} ({reason})"), language)
    return say((f"{name}：{found}", f"{name}: {found}"), language)


def _faults(finding: Finding, language: Language) -> list[str]:
    """Why a step left channels out, one after the other."""
    kinds = {c: f if finding.step == "reachable" else finding.step
             for c, f in finding.numbers.items()}  # fmt: skip
    return [
        say(FAULTS[str(kinds[channel])], language).format(
            channel=names.channel(channel, language), fault=fault
        )
        for channel, fault in finding.numbers.items()
    ]


def _shut(
    verdict: Verdict, facts: Facts, policy: Policy, findings: Sequence[Finding], language: Language
) -> list[str]:
    """The channels without an open lane that were passed over for the one that was taken."""
    if verdict.kind != "send":
        return []
    dropped = {channel for f in findings if f.kind == "drop" for channel in f.numbers}
    order = policy.classes[facts.cls].order
    rank = {channel: i for i, channel in enumerate(order)}
    ranked = sorted(facts.channels, key=lambda c: rank.get(c.channel, len(rank)))
    left = [c for c in ranked if c.channel not in dropped]
    passed = left[: [c.channel for c in left].index(verdict.channel)]
    return [
        say(FAULTS[_shut_by(c)], language).format(channel=names.channel(c.channel, language))
        for c in passed
    ]


def _shut_by(channel: ChannelFacts) -> str:
    return "lane_open, wording" if "wording" in channel.barred.values() else "lane_open"


def _barred(facts: Facts, lane: str, language: Language) -> str:
    """Which lanes were left out and why: of the channel that ``lane`` is of, or of all."""
    told = [
        say(BARRED[why], language).format(lane=name)
        for channel in facts.channels
        if not lane or lane in channel.lanes
        for name, why in channel.barred.items()
    ]
    return names.clauses(told, language)


def _besides(facts: Facts, verdict: Verdict, language: Language) -> str:
    """A sentence on the lanes that were passed over for the one that was taken."""
    told = _barred(facts, verdict.lane, language) if verdict.lane else ""
    if not told:
        return ""
    return say((f"未使用的通道：{told}。", f" Lanes passed over: {told}."), language)


def _words(
    verdict: Verdict, facts: Facts, policy: Policy, at_ms: int, findings: Sequence[Finding],
    language: Language,
) -> dict[str, str]:  # fmt: skip
    """Everything a sentence may be filled with."""
    numbers = verdict.numbers
    start, end = int(numbers.get("quiet_from", 0)), int(numbers.get("quiet_to", 0))
    faults = [x for f in findings if f.kind == "drop" for x in _faults(f, language)]
    faults += _shut(verdict, facts, policy, findings, language)
    told = names.sentence(faults, language) if faults else ""
    shut = [names.channel(c, language) for c in str(numbers.get("channels", "")).split(",") if c]
    carrier = names.carrier(verdict.carrier, language)
    return {
        "at": moment(at_ms, facts.zone),
        "clock": names.clock_of(facts.zone, language),
        "expiry": moment(facts.expiry_ms, facts.zone),
        "until": moment(verdict.until_ms or int(numbers.get("until_ms", 0)), facts.zone),
        "due": moment(facts.due_ms, facts.zone),
        "by": plain_name(str(numbers.get("by", "")), facts.zone, language),
        "of": str(numbers.get("of", "")),
        "category": facts.category,
        "cls": names.class_of(facts.cls, language),
        "from": names.minute(start),
        "to": say(("次日 " if start > end else " ", ""), language) + names.minute(end),
        "cap": str(numbers.get("cap", "")),
        "sent": str(numbers.get("sent_today", "")),
        "faults": told or say(("没有任何渠道。", "There was no channel."), language),
        "before": told + (" " if told and language == "en" else ""),
        "shut": say(("、", ", "), language).join(shut),
        "channel": names.channel(verdict.channel, language),
        "lane": verdict.lane,
        "lanes": _barred(facts, "", language),
        "besides": _besides(facts, verdict, language),
        "carrier": say((f"（{carrier}）", f" ({carrier})"), language) if carrier else "",
    }  # fmt: skip


# What would have had to be different --------------------------------------------------------------

Change = Callable[[Facts, Policy, int], tuple[Facts, int]]

SOME_LANE = ("",)
"""A lane without a name: which were open was not asked when this was decided."""


def _with(**changed: Any) -> Change:
    return lambda facts, policy, at_ms: (replace(facts, **changed), at_ms)


def _each(change: Callable[[ChannelFacts], ChannelFacts]) -> Change:
    return lambda facts, policy, at_ms: (
        replace(facts, channels=tuple(change(c) for c in facts.channels)),
        at_ms,
    )


def _longer_valid(facts: Facts, policy: Policy, at_ms: int) -> tuple[Facts, int]:
    return replace(facts, expiry_ms=at_ms + 30 * DAY_MS), at_ms


def _when_due(facts: Facts, policy: Policy, at_ms: int) -> tuple[Facts, int]:
    return facts, facts.due_ms


def _consenting(facts: Facts, policy: Policy, at_ms: int) -> tuple[Facts, int]:
    return replace(facts, consent_ms=at_ms), at_ms


def _registered(facts: Facts, policy: Policy, at_ms: int) -> tuple[Facts, int]:
    reached = ChannelFacts("inbox", contact=True, lanes=SOME_LANE)
    return replace(facts, known=True, channels=(reached,)), at_ms


def _below_cap(facts: Facts, policy: Policy, at_ms: int) -> tuple[Facts, int]:
    return replace(facts, sent_today=0, cap=facts.cap or 1), at_ms


def _next_channel(facts: Facts, policy: Policy, at_ms: int) -> tuple[Facts, int]:
    taken = decide(facts, policy, at_ms).channel
    channels = [replace(c, tried=True) if c.channel == taken else c for c in facts.channels]
    return replace(facts, channels=tuple(channels)), at_ms


_reachable = _each(lambda c: replace(c, contact=True, unfit="", lanes=c.lanes or SOME_LANE))

CHANGES: dict[str, Change] = {
    "expired": _longer_valid,
    "duplicate": _with(duplicate_of=""),
    "case_settled": _with(settled_by=""),
    "superseded": _with(superseded_by=""),
    "recipient_unknown": _registered,
    "not_due": _when_due,
    "no_consent": _consenting,
    "opted_out": _each(lambda c: replace(c, opted_out="")),
    "no_contact": _reachable,
    "landline": _reachable,
    "address_suppressed": _each(lambda c: replace(c, suppressed="")),
    "all_channels_tried": _each(lambda c: replace(c, tried=False)),
    "quiet_hours": _with(respects_quiet=False),
    "quiet_hours_past_expiry": _with(respects_quiet=False),
    "frequency_cap": _below_cap,
    "frequency_cap_past_expiry": _below_cap,
    "first_reachable": _next_channel,
    "no_lane": _each(lambda c: replace(c, lanes=SOME_LANE)),
    "wording_unregistered": _each(lambda c: replace(c, lanes=SOME_LANE)),
}
"""By reason: the facts with the one thing changed that stood in the way."""

CONDITIONS: dict[str, Two] = {
    "expired": ("假如有效期更长", "Had it been valid for longer"),
    "duplicate": ("假如不是重复的通知", "Had it not been a repetition"),
    "case_settled": ("假如事项尚未办结", "Had the case not been settled"),
    "superseded": ("假如没有更新的进度", "Had there been no newer status"),
    "recipient_unknown": ("假如收件人已经登记并留有联系方式", "Had the recipient been registered with a contact point"),
    "not_due": ("到了 {due}，如果其他情况不变", "At {due}, if all else stays as it was"),
    "no_consent": ("假如本人已经同意", "Had the recipient consented"),
    "opted_out": ("假如收件人没有关闭", "Had the recipient not switched it off"),
    "no_contact": ("假如登记了联系方式", "Had a contact point been registered"),
    "landline": ("假如登记的是手机号码", "Had the registered number been a mobile one"),
    "address_suppressed": ("假如联系方式有效", "Had the address been good"),
    "all_channels_tried": ("假如渠道还没有试过", "Had the channels not been tried before"),
    "quiet_hours": ("假如不必避开免打扰时段", "Had there been no quiet hours to keep"),
    "quiet_hours_past_expiry": ("假如不必避开免打扰时段", "Had there been no quiet hours to keep"),
    "frequency_cap": ("假如当天没有达到上限", "Had the day's limit not been reached"),
    "frequency_cap_past_expiry": ("假如当天没有达到上限", "Had the day's limit not been reached"),
    "first_reachable": ("假如{channel}此前已经试过而没有送达", "Had {channel} been tried before without success"),
    "no_lane": ("假如有开放的通道", "Had a lane been open"),
    "wording_unregistered": ("假如文案已在某条通道登记", "Had the wording been registered with a lane"),
}  # fmt: skip


# The words ----------------------------------------------------------------------------------------

HEADING: Two = (
    "{at}（{clock}）决定{outcome}，依据“{rule}”规则（策略第 {policy} 版）。",
    "Decided at {at} ({clock}): {outcome}, by the rule “{rule}” of policy version {policy}.",
)

WALK: Two = ("逐条规则：", "Rule by rule:")

OUTCOMES: dict[str, Two] = {
    "send": ("发送", "to be sent"),
    "hold": ("推迟", "to wait"),
    "suppress": ("不发送", "not to be sent"),
}

_NO_CHANNEL: Two = (
    "{faults}没有其他渠道，因此不发送。",
    "{faults} No other channel was left, so it was not sent.",
)

SENTENCES: dict[str, Two] = {
    "expired": (
        "这条消息的有效期到 {expiry}，已经过期，不再发送。",
        "The message was valid until {expiry}, which had passed, so it was not sent.",
    ),
    "duplicate": (
        "事件 {of} 此前已经告知同样的内容，不重复发送。",
        "The event {of} had said the same before, so it was not sent a second time.",
    ),
    "case_settled": (
        "事项已经办结（{by}），不需要再通知。",
        "The case had been settled ({by}), so there was nothing left to tell.",
    ),
    "superseded": (
        "同一事项已有更新的进度（{by}），旧的进度不再发送。",
        "A newer status of the same case was known ({by}), so this older one was not sent.",
    ),
    "recipient_unknown": (
        "收件人还没有登记。消息等待其登记，最迟到 {expiry}。",
        "The recipient was not registered yet. The message waits for that until {expiry} at the latest.",
    ),
    "not_due": (
        "这条提醒定在 {due} 发送，时间未到，等待。",
        "The reminder is set for {due}; until then it waits.",
    ),
    "no_consent": (
        "“{category}”类消息须经本人同意才发送，没有找到同意的记录，因此不发送。",
        "Messages of the category “{category}” are sent only with consent, and none was on record, so it was not sent.",
    ),
    "opted_out": _NO_CHANNEL,
    "no_contact": _NO_CHANNEL,
    "landline": _NO_CHANNEL,
    "address_suppressed": _NO_CHANNEL,
    "all_channels_tried": _NO_CHANNEL,
    "quiet_hours": (
        "{from} 至{to} 之间不发{cls}类消息，以免打扰，推迟到 {until} 发送。",
        "Messages of class {cls} disturb nobody between {from} and {to}; this one was held until {until}.",
    ),
    "quiet_hours, own": (
        "收件人设定 {from} 至{to} 免打扰，推迟到 {until} 发送。",
        "The recipient chose quiet hours from {from} to {to}; the message was held until {until}.",
    ),
    "quiet_hours_past_expiry": (
        "{from} 至{to} 之间不发{cls}类消息，以免打扰；这条消息的有效期到 {expiry}，等不到 {until}，因此不发送。",
        "Messages of class {cls} disturb nobody between {from} and {to}; this one was valid until {expiry} and could not wait until {until}, so it was not sent.",
    ),
    "quiet_hours_past_expiry, own": (
        "收件人设定 {from} 至{to} 免打扰；这条消息的有效期到 {expiry}，等不到 {until}，因此不发送。",
        "The recipient chose quiet hours from {from} to {to}; the message was valid until {expiry} and could not wait until {until}, so it was not sent.",
    ),
    "frequency_cap": (
        "{cls}类消息每人每天最多 {cap} 条，当天已发 {sent} 条，推迟到 {until} 发送。",
        "The limit of {cls} messages to one person is {cap} a day, and {sent} had gone out that day; this one was held until {until}.",
    ),
    "frequency_cap, own": (
        "收件人设定{cls}类消息每天最多 {cap} 条，当天已发 {sent} 条，推迟到 {until} 发送。",
        "The recipient's own limit of {cls} messages is {cap} a day, and {sent} had gone out that day; this one was held until {until}.",
    ),
    "frequency_cap_past_expiry": (
        "{cls}类消息每人每天最多 {cap} 条，当天已发 {sent} 条；这条消息的有效期到 {expiry}，等不到 {until}，因此不发送。",
        "The limit of {cls} messages to one person is {cap} a day, and {sent} had gone out that day; this one was valid until {expiry} and could not wait until {until}, so it was not sent.",
    ),
    "frequency_cap_past_expiry, own": (
        "收件人设定{cls}类消息每天最多 {cap} 条，当天已发 {sent} 条；这条消息的有效期到 {expiry}，等不到 {until}，因此不发送。",
        "The recipient's own limit of {cls} messages is {cap} a day, and {sent} had gone out that day; this one was valid until {expiry} and could not wait until {until}, so it was not sent.",
    ),
    "first_reachable": (
        "{before}{channel}是第一个可用的渠道，由通道 {lane} 发送{carrier}。{besides}",
        "{before}The first channel that could reach the recipient was {channel}; it goes out through lane {lane}{carrier}.{besides}",
    ),
    "no_lane": (
        "{shut}目前没有开放的通道，{until} 再试。",
        "No lane was open for {shut}; it is tried again at {until}.",
    ),
    "no_lane, past expiry": (
        "{shut}目前没有开放的通道；这条消息的有效期到 {expiry}，来不及再试，因此不发送。",
        "No lane was open for {shut}; the message was valid until {expiry}, too short to try again, so it was not sent.",
    ),
    "wording_unregistered": (
        "{shut}的通道都没有登记这份文案，不能经由它们发送（{lanes}），{until} 再试。",
        "The wording is not registered with any lane for {shut} ({lanes}), and goes by none of them before it is; it is tried again at {until}.",
    ),
    "wording_unregistered, past expiry": (
        "{shut}的通道都没有登记这份文案（{lanes}）；这条消息的有效期到 {expiry}，来不及再试，因此不发送。",
        "The wording is not registered with any lane for {shut} ({lanes}); the message was valid until {expiry}, too short to try again, so it was not sent.",
    ),
}  # fmt: skip

FAULTS: dict[str, Two] = {
    "opted_out": ("收件人关闭了{channel}（{fault}）", "the recipient switched off {channel} ({fault})"),
    "no_contact": ("没有登记{channel}的联系方式", "no contact point for {channel} is registered"),
    "landline": ("登记的号码是固定电话，收不到{channel}", "the registered number is a landline, which takes no {channel}"),
    "address_suppressed": ("{channel}的联系方式已被判定无效（{fault}）", "the address for {channel} had been refused for good ({fault})"),
    "untried": ("{channel}已经试过", "{channel} had been tried already"),
    "lane_open": ("{channel}没有开放的通道", "no lane was open for {channel}"),
    "lane_open, wording": ("没有登记了这份文案的{channel}通道", "no lane for {channel} has the wording registered"),
}  # fmt: skip
"""Why a channel was left out: by step, or by what was wrong with its contact point."""

BARRED: dict[str, Two] = {
    "paused": ("{lane} 已暂停", "{lane} is paused"),
    "wording": ("{lane} 没有登记这份文案", "{lane} has not registered the wording"),
    "segments": ("{lane} 不收这么长的消息", "{lane} takes no message as long as this may be"),
    "avoided": ("{lane} 此前没有成功", "{lane} failed it before"),
}
"""Why a lane that serves the number was left out."""

REASON_NAMES: dict[str, Two] = {
    "expired": ("已过期", "expired"),
    "duplicate": ("重复的通知", "a repetition"),
    "case_settled": ("事项已办结", "case settled"),
    "superseded": ("已有更新的进度", "a newer status is known"),
    "recipient_unknown": ("收件人未登记", "recipient not registered"),
    "not_due": ("未到提醒时间", "not due yet"),
    "no_consent": ("未经本人同意", "no consent"),
    "opted_out": ("收件人已关闭", "switched off by the recipient"),
    "no_contact": ("没有联系方式", "no contact point"),
    "landline": ("固定电话收不到短信", "a landline takes no SMS"),
    "address_suppressed": ("联系方式无效", "address refused for good"),
    "all_channels_tried": ("渠道都已试过", "all channels tried"),
    "quiet_hours": ("免打扰时段", "quiet hours"),
    "quiet_hours_past_expiry": ("等不到免打扰时段结束", "expires before quiet hours end"),
    "frequency_cap": ("当天已达上限", "the day's limit is reached"),
    "frequency_cap_past_expiry": ("当天已达上限，等不到次日", "the day's limit is reached, expires before the next"),
    "first_reachable": ("第一个可用的渠道", "the first channel that can reach"),
    "no_lane": ("没有开放的通道", "no lane open"),
    "wording_unregistered": ("文案未登记", "wording not registered"),
    "shifted": ("改走其他通道", "moved to another lane"),
    "content_refused": ("内容无法生成", "the message could not be made"),
    "notice_removed": ("通知已从目录移除", "the notice was removed from the catalog"),
    "erased": ("收件人资料已删除", "the recipient was erased"),
    "handed_over": ("改由联系人接收", "handed over to contact persons"),
    "cancelled": ("已撤销", "cancelled"),
    "horizon": ("等待期已过", "nothing was heard in time"),
    "no_receipt": ("没有收到送达回执", "no receipt came"),
    "retry": ("再次尝试", "tried again"),
    "resent": ("重新发送", "sent again"),
    "decided_again": ("情况有变，重新决定", "decided again, as something changed"),
}  # fmt: skip

STEP_NAMES: dict[str, Two] = {
    "expired": ("有效期", "validity"),
    "duplicate": ("重复通知", "repetition"),
    "case_settled": ("事项办结", "case settled"),
    "superseded": ("更新的进度", "newer status"),
    "recipient_known": ("收件人登记", "registration"),
    "due": ("提醒时间", "due time"),
    "consent": ("本人同意", "consent"),
    "opted_out": ("收件人的开关", "the recipient's switches"),
    "reachable": ("联系方式", "contact points"),
    "address_suppressed": ("无效的联系方式", "refused addresses"),
    "untried": ("已试过的渠道", "channels tried"),
    "quiet_hours": ("免打扰时段", "quiet hours"),
    "frequency_cap": ("每日上限", "daily limit"),
    "channel_order": ("渠道顺序", "channel order"),
    "lane_open": ("第一条开放的通道", "first open lane"),
}
