"""A decision in plain sentences, in Chinese and English: which rule, which numbers, and what
would have had to be different.

Nothing is guessed: the sentence is filled from the numbers the step answered with, and the
counterfactual is ``decide`` run again on the journalled facts with one of them changed. Pure.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec.structs import replace

from preferences.rules import at_local, local_day
from streams.core.policy import DAY_MS, Policy
from streams.core.routing import Finding, Verdict, decide, trace
from streams.core.routing_facts import ChannelFacts, Facts

Language = Literal["zh", "en"]

CHANNEL_NAMES = {
    "zh": {"sms": "短信", "voice": "语音", "email": "邮件", "push": "推送", "inbox": "站内信"},
    "en": {"sms": "SMS", "voice": "voice", "email": "e-mail", "push": "push", "inbox": "inbox"},
}

CLASS_NAMES = {
    "zh": {
        "emergency": "紧急", "code": "验证码", "notice": "告知", "status": "进度",
        "reminder": "提醒", "bulletin": "公告",
    },
    "en": {
        "emergency": "emergency", "code": "code", "notice": "notice", "status": "status",
        "reminder": "reminder", "bulletin": "bulletin",
    },
}  # fmt: skip


class Explained(NamedTuple):
    """One decision, told. ``rule`` is the step that answered, ``policy`` the version it read;
    ``otherwise`` is the counterfactual, empty where nothing the hub knows would change it."""

    rule: str
    reason: str
    policy: int
    at_ms: int
    sentence: str
    otherwise: str
    steps: tuple[str, ...]


class _Case(NamedTuple):
    """The words for one reason, and the one changed fact that asks "what if not"."""

    zh: str
    en: str
    if_zh: str = ""
    if_en: str = ""
    change: Callable[[Facts, Policy, int], tuple[Facts, Policy, int]] | None = None


def explain(facts: Facts, policy: Policy, at_ms: int, language: Language) -> Explained:
    """Tell the decision that these facts had under this policy at this time."""
    findings = trace(facts, policy, at_ms)
    verdict = decide(facts, policy, at_ms)
    last = findings[-1]
    return Explained(
        rule=last.step,
        reason=verdict.reason,
        policy=policy.version,
        at_ms=at_ms,
        sentence=_sentence(verdict, facts, at_ms, language),
        otherwise=_otherwise(verdict, facts, policy, at_ms, language),
        steps=tuple(_step(f, language) for f in findings),
    )


def _sentence(verdict: Verdict, facts: Facts, at_ms: int, language: Language) -> str:
    case = CASES[verdict.reason]
    words = _words(verdict, facts, at_ms, language)
    return (case.zh if language == "zh" else case.en).format(**words)


def _otherwise(
    verdict: Verdict, facts: Facts, policy: Policy, at_ms: int, language: Language
) -> str:
    """Run the decision with the one fact changed that stood in the way."""
    case = CASES[verdict.reason]
    if case.change is None:
        return ""
    changed = case.change(facts, policy, at_ms)
    answer = decide(*changed)
    if answer.kind == verdict.kind and answer.reason == verdict.reason:
        return ""
    condition = case.if_zh if language == "zh" else case.if_en
    condition = condition.format(**_words(verdict, facts, at_ms, language))
    outcome = _outcome(answer, changed[0], changed[2], language)
    return f"{condition}，{outcome}。" if language == "zh" else f"{condition}, {outcome}."


def _outcome(answer: Verdict, facts: Facts, at_ms: int, language: Language) -> str:
    channel = CHANNEL_NAMES[language][answer.channel]
    until = clock_time(answer.until_ms, facts.zone)
    why = REASON_NAMES[answer.reason][0 if language == "zh" else 1]
    if language == "zh":
        return {
            "send": f"就会通过{channel}（通道 {answer.lane}）发送",
            "hold": f"就会因“{why}”等到 {until}",
            "suppress": f"仍会因“{why}”不发送",
        }[answer.kind]
    return {
        "send": f"it would have gone out by {channel} through {answer.lane}",
        "hold": f"it would have waited until {until} ({why})",
        "suppress": f"it would still not have been sent ({why})",
    }[answer.kind]


def _step(finding: Finding, language: Language) -> str:
    """One line of the walk through the rules."""
    name = STEP_NAMES[finding.step][0 if language == "zh" else 1]
    if finding.kind == "pass":
        return f"{name}：通过" if language == "zh" else f"{name}: passed"
    if finding.kind == "drop":
        names = CHANNEL_NAMES[language]
        dropped = "、".join(names.get(c, c) for c in finding.numbers)
        if language == "zh":
            return f"{name}：排除{dropped}"
        return f"{name}: left out {dropped.replace('、', ', ')}"
    answer = REASON_NAMES[finding.reason][0 if language == "zh" else 1]
    return f"{name}：{answer}" if language == "zh" else f"{name}: {answer}"


def _words(verdict: Verdict, facts: Facts, at_ms: int, language: Language) -> dict[str, str]:
    """Everything a sentence may be filled with."""
    numbers = verdict.numbers
    names = CHANNEL_NAMES[language]
    dropped = [str(names.get(c, c)) for c in numbers if c in names]
    joint = "、" if language == "zh" else ", "
    return {
        "at": clock_time(at_ms, facts.zone),
        "expiry": clock_time(facts.expiry_ms, facts.zone),
        "until": clock_time(verdict.until_ms or int(numbers.get("until_ms", 0)), facts.zone),
        "due": clock_time(facts.due_ms, facts.zone),
        "by": str(numbers.get("by", "")),
        "of": str(numbers.get("of", "")),
        "category": facts.category,
        "cls": CLASS_NAMES[language][facts.cls],
        "zone": facts.zone,
        "quiet_from": minute(numbers.get("quiet_from", 0)),
        "quiet_to": minute(numbers.get("quiet_to", 0)),
        "cap": str(numbers.get("cap", "")),
        "sent": str(numbers.get("sent_today", "")),
        "channels": joint.join(dropped) or joint.join(names[c.channel] for c in facts.channels),
        "channel": names[verdict.channel],
        "lane": verdict.lane,
        "carrier": verdict.carrier or ("无" if language == "zh" else "none"),
    }


def clock_time(at_ms: int, zone: str) -> str:
    """A time as the recipient's clock shows it, to the minute; empty for none."""
    if not at_ms:
        return ""
    day = local_day(at_ms, zone)
    return f"{day} {minute((at_ms - at_local(day, 0, zone)) // 60_000)}"


def minute(of_day: int | str) -> str:
    """A minute of the day as people write it."""
    hours, minutes = divmod(int(of_day), 60)
    return f"{hours:02d}:{minutes:02d}"


# What would have had to be different ---------------------------------------------------------------


def _later_expiry(f: Facts, p: Policy, now: int) -> tuple[Facts, Policy, int]:
    return replace(f, expiry_ms=now + 30 * DAY_MS), p, now


def _not_settled(f: Facts, p: Policy, now: int) -> tuple[Facts, Policy, int]:
    return replace(f, settled_by=""), p, now


def _not_superseded(f: Facts, p: Policy, now: int) -> tuple[Facts, Policy, int]:
    return replace(f, superseded_by=""), p, now


def _not_duplicate(f: Facts, p: Policy, now: int) -> tuple[Facts, Policy, int]:
    return replace(f, duplicate_of=""), p, now


def _consented(f: Facts, p: Policy, now: int) -> tuple[Facts, Policy, int]:
    return replace(f, consent_ms=now), p, now


def _at_due(f: Facts, p: Policy, now: int) -> tuple[Facts, Policy, int]:
    return f, p, f.due_ms


def _daytime(f: Facts, p: Policy, now: int) -> tuple[Facts, Policy, int]:
    return replace(f, respects_quiet=False), p, now


def _below_cap(f: Facts, p: Policy, now: int) -> tuple[Facts, Policy, int]:
    return replace(f, sent_today=0), p, now


def _each(
    change: Callable[[ChannelFacts], ChannelFacts],
) -> Callable[..., tuple[Facts, Policy, int]]:
    def changed(f: Facts, p: Policy, now: int) -> tuple[Facts, Policy, int]:
        return replace(f, channels=tuple(change(c) for c in f.channels)), p, now

    return changed


_switched_on = _each(lambda c: replace(c, opted_out=""))
_reachable = _each(lambda c: replace(c, contact=True, unfit="", lanes=c.lanes or ("—",)))
_address_good = _each(lambda c: replace(c, suppressed=""))
_untried = _each(lambda c: replace(c, tried=False))
_open_lane = _each(lambda c: replace(c, lanes=("—",)))


CASES: dict[str, _Case] = {
    "expired": _Case(
        "有效期至 {expiry}，决定时（{at}）已过期，因此不再发送。",
        "It was valid until {expiry}; at {at} that had passed, so it was not sent.",
        "如果仍在有效期内", "Had it still been valid", _later_expiry,
    ),
    "duplicate": _Case(
        "同一事项的通知已经存在（{of}），因此不重复发送。",
        "The same notification exists already ({of}), so it was not sent twice.",
        "如果不是重复", "Had it not been a duplicate", _not_duplicate,
    ),
    "case_settled": _Case(
        "事项已办结（事件 {by}），无需再通知。",
        "The case was settled (event {by}), so there was nothing left to tell.",
        "如果事项尚未办结", "Had the case not been settled", _not_settled,
    ),
    "superseded": _Case(
        "同一事项已有更新的进度（{by}），旧的进度不再发送。",
        "A newer status of the same case was known ({by}), so the older one was not sent.",
        "如果没有更新的进度", "Had there been no newer status", _not_superseded,
    ),
    "recipient_unknown": _Case(
        "收件人尚未登记，等待登记，最迟到 {expiry}。",
        "The recipient was not registered; it waits for that until {expiry} at the latest.",
    ),
    "not_due": _Case(
        "提醒时间为 {due}，未到时间，等待。",
        "The reminder is for {due}; it waits for that time.",
        "如果已到提醒时间", "At that time", _at_due,
    ),
    "no_consent": _Case(
        "“{category}”类消息须经本人同意，未找到同意记录，因此不发送。",
        "Messages of “{category}” need consent and none was on record, so it was not sent.",
        "如果本人已同意", "Had consent been given", _consented,
    ),
    "opted_out": _Case(
        "收件人关闭了“{category}”类消息的{channels}，没有其他可用渠道，因此不发送。",
        "The recipient switched off {channels} for “{category}” and no channel was left, so it was not sent.",
        "如果未关闭", "Had they not switched it off", _switched_on,
    ),
    "no_contact": _Case(
        "没有可用的联系方式（{channels}），因此不发送。",
        "There was no contact point for any channel ({channels}), so it was not sent.",
        "如果登记了联系方式", "Had a contact point been registered", _reachable,
    ),
    "landline": _Case(
        "登记的号码是固定电话，不能接收短信，也没有其他渠道，因此不发送。",
        "The registered number is a landline, which takes no text messages, and no other channel was left.",
        "如果登记的是手机号码", "Had it been a mobile number", _reachable,
    ),
    "address_suppressed": _Case(
        "联系方式已被运营商或邮箱确认为无效（{channels}），因此不再发送。",
        "The address was refused for good by a carrier or mailbox ({channels}), so it was not used again.",
        "如果联系方式有效", "Had the address been good", _address_good,
    ),
    "all_channels_tried": _Case(
        "所有渠道都已尝试（{channels}），没有下一个渠道。",
        "Every channel was tried ({channels}); there was no next one.",
        "如果还有未尝试的渠道", "Had a channel been left to try", _untried,
    ),
    "quiet_hours": _Case(
        "当地时间 {at} 处于免打扰时段 {quiet_from}–{quiet_to}（{zone}），推迟到 {until} 发送。",
        "At {at} it was quiet hours, {quiet_from}–{quiet_to} ({zone}); it was held until {until}.",
        "如果不在免打扰时段", "Outside quiet hours", _daytime,
    ),
    "quiet_hours_past_expiry": _Case(
        "当地时间 {at} 处于免打扰时段 {quiet_from}–{quiet_to}（{zone}），而有效期至 {expiry}，等不到时段结束，因此不发送。",
        "At {at} it was quiet hours, {quiet_from}–{quiet_to} ({zone}), and it would have expired at {expiry} before they ended, so it was not sent.",
        "如果不在免打扰时段", "Outside quiet hours", _daytime,
    ),
    "frequency_cap": _Case(
        "{cls}类消息每人每天最多 {cap} 条，当天已发 {sent} 条，推迟到 {until}。",
        "At most {cap} messages of class {cls} go to one person a day and {sent} had gone; it was held until {until}.",
        "如果当天未达上限", "Below the cap", _below_cap,
    ),
    "frequency_cap_past_expiry": _Case(
        "{cls}类消息每人每天最多 {cap} 条，当天已发 {sent} 条，而有效期至 {expiry}，等不到次日，因此不发送。",
        "At most {cap} messages of class {cls} go to one person a day, {sent} had gone, and it would have expired at {expiry} before the next day, so it was not sent.",
        "如果当天未达上限", "Below the cap", _below_cap,
    ),
    "first_reachable": _Case(
        "通过{channel}发送，运营商 {carrier}，通道 {lane}：它是第一个可用的渠道。",
        "Sent by {channel}, carrier {carrier}, through lane {lane}: the first channel that could reach.",
    ),
    "no_lane": _Case(
        "可用渠道（{channels}）目前没有开放的通道，{until} 再试。",
        "No lane was open for {channels}; it is looked at again at {until}.",
        "如果通道开放", "Had a lane been open", _open_lane,
    ),
}  # fmt: skip

REASON_NAMES: dict[str, tuple[str, str]] = {
    "expired": ("已过期", "expired"),
    "duplicate": ("重复", "a duplicate"),
    "case_settled": ("事项已办结", "case settled"),
    "superseded": ("已有更新进度", "superseded"),
    "recipient_unknown": ("收件人未登记", "recipient unknown"),
    "not_due": ("未到时间", "not due yet"),
    "no_consent": ("未经同意", "no consent"),
    "opted_out": ("已关闭", "opted out"),
    "no_contact": ("无联系方式", "no contact point"),
    "landline": ("固定电话", "a landline"),
    "address_suppressed": ("联系方式无效", "address suppressed"),
    "all_channels_tried": ("渠道已用尽", "all channels tried"),
    "quiet_hours": ("免打扰时段", "quiet hours"),
    "quiet_hours_past_expiry": ("免打扰时段内过期", "expires within quiet hours"),
    "frequency_cap": ("达到频次上限", "frequency cap"),
    "frequency_cap_past_expiry": ("频次上限内过期", "expires within the frequency cap"),
    "first_reachable": ("第一个可用渠道", "first channel that can reach"),
    "no_lane": ("无开放通道", "no open lane"),
}

STEP_NAMES: dict[str, tuple[str, str]] = {
    "expired": ("有效期", "expiry"),
    "duplicate": ("重复", "duplicate"),
    "case_settled": ("事项办结", "case settled"),
    "superseded": ("进度更新", "superseded"),
    "recipient_known": ("收件人登记", "recipient known"),
    "due": ("到期提醒", "due"),
    "consent": ("同意", "consent"),
    "opted_out": ("退订", "opt-out"),
    "reachable": ("联系方式", "contact point"),
    "address_suppressed": ("无效地址", "suppressed address"),
    "untried": ("已尝试渠道", "channels tried"),
    "quiet_hours": ("免打扰", "quiet hours"),
    "frequency_cap": ("频次上限", "frequency cap"),
    "channel_order": ("渠道顺序", "channel order"),
    "lane_open": ("通道", "lane"),
}
