"""One journalled event as a sentence, in Chinese and English: what a timeline says. Pure.

A sentence is made of its own row alone, so that rows of any age can be told. Codes and references
of carriers are given as they came.
"""

from collections.abc import Callable
from typing import Any

from preferences.rules import CHINA
from streams.core import events as e
from streams.core import evidence, names
from streams.core.events import Base, Moved, Route
from streams.core.explaining import plain_name, reason_name
from streams.core.names import Language, Two, moment, say


def tell(event: Base, language: Language, zone: str = CHINA, *, too_late: bool = False) -> str:
    """The event as one sentence, with times by the clock of ``zone``. ``too_late``: a stop that
    came when the message was already on its way."""
    name = type(event).__name__
    words = {
        key: value
        for key in event.__struct_fields__
        if isinstance(value := getattr(event, key), str | int)
    }
    if make := _WORDS.get(type(event)):
        words |= make(event, language, zone)
    return say(SENTENCES[_case(event, name, too_late)], language).format(**words)


def _case(event: Base, name: str, too_late: bool) -> str:
    """Which of its sentences an event is told by, where it has more than one."""
    match event:
        case e.Released() | e.Escalated() | e.Failed() | e.Unconfirmed():
            case = f"{name}, {event.reason.partition(':')[0]}"
            return case if case in SENTENCES else name
        case e.Cancelled(reason=reason):
            case = f"{name}, {reason}" if f"{name}, {reason}" in SENTENCES else name
            return f"{case}, too late" if too_late and f"{case}, too late" in SENTENCES else case
        case e.Held(failed=failed) if failed:
            return f"{name}, failed"
        case e.Refused(scope=scope) if scope:
            return f"{name}, {scope}"
        case e.Read(code=code) if code:
            return f"{name}, acknowledged"
        case e.Reported(status=status):
            return f"{name}, {status}"
        case e.TransferDecided(allowed=allowed):
            return f"{name}, {'allowed' if allowed else 'forbidden'}"
        case e.QuarantineClosed(how=how):
            return f"{name}, {how}"
        case e.LaneSteered(action=action):
            return f"{name}, {action}"
        case e.Shifted(reason=reason):
            return f"{name}, {reason}"
        case e.ReplyReceived(done=done):
            return f"{name}, {done}"
        case _:
            return name


# What sentences are filled with -------------------------------------------------------------------

Words = dict[str, str]


def _way(route: Route, language: Language) -> Words:
    """Through which channel, carrier and lane, in which words."""
    carrier = names.carrier(route.carrier, language)
    told = say((f"（{carrier}）", f" ({carrier})"), language) if carrier else ""
    plural = "" if route.segments == 1 else "s"
    parts = (f"，计 {route.segments} 条", f", {route.segments} segment{plural}")
    return {
        "channel": names.channel(route.channel, language),
        "lane": route.lane + told,
        "wording": route.wording,
        "language": names.tongue(route.language, language),
        "segments": say(parts, language) if route.segments else "",
    }


def _sent(event: Any, language: Language, zone: str) -> Words:
    """Of what is sent now; ``code`` is the carrier's, behind the reason's own name."""
    reason, _, code = event.reason.partition(":")
    return {
        **_way(event.route, language),
        "code": code,
        "why": reason_name(reason, language),
        "way": say(WAY, language).format(**_way(event.route, language)),
    }


def _held(event: e.Held, language: Language, zone: str) -> Words:
    return {
        "why": reason_name(event.reason, language),
        "until": moment(event.until_ms, zone),
        "failed": _failure(event.failed, language),
    }


def _suppressed(event: e.Suppressed, language: Language, zone: str) -> Words:
    return {"why": reason_name(event.reason, language)}


def _intended(event: e.AttemptIntended, language: Language, zone: str) -> Words:
    return {"before": _to_the_second(event.call_before_ms, zone)}


def _doubted(event: e.Unknown, language: Language, zone: str) -> Words:
    return {"evidence": evidence.read(event.evidence, language)}


def _not_sent(event: e.NotSent, language: Language, zone: str) -> Words:
    return {"reason": evidence.read(event.reason, language)}


def _cancelled(event: e.Cancelled, language: Language, zone: str) -> Words:
    by = plain_name(event.by, zone, language)
    return {
        "why": reason_name(event.reason, language),
        "by": say((f"（{by}）", f" ({by})"), language) if by else "",
    }


def _failed(event: e.Failed, language: Language, zone: str) -> Words:
    return {"why": _failure(event.reason, language)}


def _failure(reason: str, language: Language) -> str:
    """Why a channel is done with; what follows the colon is the carrier's own word."""
    kind, _, code = reason.partition(":")
    two = FAILURES.get(kind)
    return say(two, language).format(code=code) if two else reason_name(kind, language)


def _accepted(event: e.Accepted, language: Language, zone: str) -> Words:
    return {"lane": _lane(event.moved, language)}


def _reported(event: Any, language: Language, zone: str) -> Words:
    code = getattr(event, "code", "")
    return {
        "at": _to_the_second(event.at_ms, zone),
        "code": say((f"（{code}）", f" ({code})"), language) if code else "",
        "status": say(STATUSES.get(getattr(event, "status", ""), STATUSES[""]), language),
    }


def _moving(event: e.Shifted, language: Language, zone: str) -> Words:
    """How fast, and where to, what waits for a lane moves."""
    if not event.to:
        return {"moving": say(STAYING, language)}
    to = say(("、", ", "), language).join(event.to)
    told = say(MOVING, language).format(to=to, n=event.per_s, urgent=event.urgent_per_s)
    return {"moving": told}


def _replied(event: e.ReplyReceived, language: Language, zone: str) -> Words:
    """When and by what it was written, and what of."""
    return {
        "at": _to_the_second(event.written_ms, zone),
        "by": names.channel(event.channel, language),
        "categories": say(("、", ", "), language).join(event.categories),
        "about": say((f"（通知 {event.notice}）", f" (about {event.notice})"), language)
        if event.notice
        else "",
        "answer": say(("，并已答复", "; an answer goes out"), language) if event.answered else "",
    }


def _stopped(event: Any, language: Language, zone: str) -> Words:
    return {"at": moment(event.event_ms, zone), "case": event.correlation}


def _lane(moved: Moved | None, language: Language) -> str:
    """The lane a leg is on, where its row says so."""
    if moved is None or not moved.lane:
        return ""
    return say((f"通道 {moved.lane} ", f" by lane {moved.lane}"), language)


def _to_the_second(at_ms: int, zone: str) -> str:
    return f"{moment(at_ms, zone)}:{at_ms // 1000 % 60:02d}" if at_ms else ""


_WORDS: dict[type[Base], Callable[[Any, Language, str], Words]] = {
    e.Routed: _sent,
    e.Released: _sent,
    e.Escalated: _sent,
    e.Held: _held,
    e.Suppressed: _suppressed,
    e.AttemptIntended: _intended,
    e.Unknown: _doubted,
    e.NotSent: _not_sent,
    e.Cancelled: _cancelled,
    e.Failed: _failed,
    e.Accepted: _accepted,
    e.Delivered: _reported,
    e.Undelivered: _reported,
    e.Read: _reported,
    e.Reported: _reported,
    e.ReceiptUnmatched: _reported,
    e.StopRecorded: _stopped,
    e.ReplyReceived: _replied,
    e.Shifted: _moving,
    e.CaseNoted: _stopped,
}


# The words ----------------------------------------------------------------------------------------

WAY: Two = (
    "{channel}，通道 {lane}，文案 {wording}（{language}）{segments}",
    "{channel} through lane {lane}, in the wording {wording} ({language}){segments}",
)

MOVING: Two = (
    "等候的消息改走 {to}，每秒至多 {n} 条，紧急类 {urgent} 条",
    "what waits for it moves to {to}, at most {n} a second, and {urgent} urgent ones",
)

STAYING: Two = ("没有其他通道，消息继续等候", "there is no other lane, so what waits for it stays")

STATUSES: dict[str, Two] = {
    "": ("未送达", "not delivered"),
    "undelivered": ("未送达", "not delivered"),
    "expired": ("超过运营商的有效期，未送达", "not delivered before the carrier's own time ran out"),
    "rejected": ("被拒收", "rejected"),
    "delivered": ("已送达", "delivered"),
    "read": ("已阅读", "read"),
}  # fmt: skip

FAILURES: dict[str, Two] = {
    "refused": ("运营商拒绝（{code}）", "the carrier refused it ({code})"),
    "undelivered": (
        "运营商报告未送达（{code}）",
        "the carrier reported that it had not reached ({code})",
    ),
}

SENTENCES: dict[str, Two] = {
    "Routed": ("决定发送：{way}。", "Decided to send it: {way}."),
    "Held": ("推迟到 {until}（{why}）。", "Held until {until} ({why})."),
    "Held, failed": (
        "{failed}，改用下一个渠道，推迟到 {until}（{why}）。",
        "The next channel is taken ({failed}), but held until {until} ({why}).",
    ),
    "Suppressed": ("决定不发送（{why}）。", "Decided not to send it ({why})."),
    "Released": ("现在发送：{way}。", "Goes out now: {way}."),
    "Released, retry": ("再次尝试：{way}。", "Tried again: {way}."),
    "Released, resent": (
        "上一次交出后没有答复，这类消息允许重发：{way}。",
        "Nothing was heard of the last attempt, and messages of this class may be repeated: {way}.",
    ),
    "Released, decided_again": (
        "收件人的资料、选择或发送时段有变，重新决定：{way}。",
        "The recipient's data or choices or the time of sending changed, so it was decided again: {way}.",
    ),
    "Released, refused": (
        "运营商拒绝（{code}），换一条通道：{way}。",
        "The carrier refused it ({code}), so another lane is taken: {way}.",
    ),
    "Released, shifted": (
        "原通道暂不可用，消息尚未交出，改走另一条通道：{way}。",
        "The lane it waited for is left alone; it had not been handed over and goes by another: {way}.",
    ),
    "Escalated": ("因“{why}”改用下一个渠道：{way}。", "The next channel is taken ({why}): {way}."),
    "Escalated, no_receipt": (
        "一直没有送达的证明，改用下一个渠道：{way}。",
        "There was no proof that it reached, so the next channel is taken: {way}.",
    ),
    "Escalated, undelivered": (
        "未送达（{code}），改用下一个渠道：{way}。",
        "It was not delivered ({code}), so the next channel is taken: {way}.",
    ),
    "Escalated, refused": (
        "运营商拒绝（{code}），改用下一个渠道：{way}。",
        "The carrier refused it ({code}), so the next channel is taken: {way}.",
    ),
    "AttemptIntended": (
        "即将交给通道 {lane}，最迟 {before} 交出。",
        "About to be handed to lane {lane}, at {before} at the latest.",
    ),
    "Cancelled": ("撤销：{why}{by}。", "Cancelled: {why}{by}."),
    "Cancelled, too late": (
        "撤销来得太晚：{why}{by}，但消息已在发送途中，不能收回；不再重试，也不再改用其他渠道。",
        "Cancelled too late: {why}{by}, but the message was on its way and cannot be taken back; it is neither tried again nor sent by another channel.",
    ),
    "Cancelled, handed_over": (
        "改由企业现在登记的联系人接收，这一条不再发送。",
        "The contact persons who are registered now are told instead; this one is not sent.",
    ),
    "Cancelled, erased": (
        "收件人的资料已经删除，消息不再发送。",
        "The recipient was erased; the message is not sent.",
    ),
    "Cancelled, notice_removed": (
        "这种通知已从目录移除，不再发送。",
        "Its notice was removed from the catalog, so nothing more is sent.",
    ),
    "Expired": ("有效期已过，不再发送。", "It was no longer valid and was not sent."),
    "Failed": (
        "没有送达：{why}，没有其他渠道可试。",
        "It did not reach the recipient: {why}, and no other way was left.",
    ),
    "Failed, notice_removed": (
        "没有送达；这种通知已从目录移除，不再尝试。",
        "It did not reach the recipient, and its notice was removed from the catalog, so it is not tried again.",
    ),
    "Unknown": (
        "不知道消息是否已被接收（{evidence}）；先等待答复，不马上重发。",
        "Nobody knows whether the message was taken ({evidence}); it is not repeated while an answer may still come.",
    ),
    "Unconfirmed": (
        "等待期已过，仍不知道消息是否已被接收。为免重复，不再发送，由工作人员查看。",
        "The time for an answer passed and nobody knows whether the message was taken. So that nobody gets it twice, it is not sent again; operators see it.",
    ),
    "Unconfirmed, notice_removed": (
        "等待期已过，仍不知道消息是否已被接收；这种通知已从目录移除，不再重发，由工作人员查看。",
        "The time for an answer passed and nobody knows whether the message was taken; its notice was removed from the catalog, so it is not sent again; operators see it.",
    ),
    "Unconfirmed, cancelled": (
        "等待期已过，仍不知道消息是否已被接收；事项已撤销，不再发送。",
        "The time for an answer passed and nobody knows whether the message was taken; it was cancelled meanwhile and is not sent again.",
    ),
    "NoReceipt": (
        "运营商已受理，但一直没有报告结果；不再等待。",
        "The carrier had taken it but never reported; the hub stopped waiting.",
    ),
    "Accepted": ("{lane}已受理，编号 {ref}。", "Accepted{lane} under the reference {ref}."),
    "NotSent": (
        "没有交出（{reason}）；仍排在原处。",
        "It was not handed over ({reason}); it keeps its turn.",
    ),
    "Throttled": (
        "通道繁忙，暂不受理（{code}）；仍排在原处。",
        "The lane was too busy to take it ({code}); it keeps its turn.",
    ),
    "Refused": ("暂时被拒绝（{code}）。", "Refused for now ({code})."),
    "Refused, recipient": (
        "被拒绝（{code}）：这个号码或地址不可用，今后不再使用。",
        "Refused ({code}): this number or address does not work and is not used again.",
    ),
    "Refused, content": (
        "被拒绝（{code}）：运营商不接受这一内容。",
        "Refused ({code}): the carrier does not take this content.",
    ),
    "Refused, sender": (
        "被拒绝（{code}）：问题在发送方的签名或号码。",
        "Refused ({code}): the fault is with the sender's signature or number.",
    ),
    "Refused, account": (
        "被拒绝（{code}）：问题在与运营商的账户。",
        "Refused ({code}): the fault is with the account at the carrier.",
    ),
    "Refused, lane": (
        "被拒绝（{code}）：这条通道不能发送到该号码。",
        "Refused ({code}): this lane does not serve the number.",
    ),
    "Delivered": ("运营商报告：{at} 已送达{code}。", "The carrier reports that it was delivered at {at}{code}."),
    "Undelivered": ("运营商报告：{at} {status}{code}。", "The carrier reports at {at}: {status}{code}."),
    "Reported, relayed": (
        "邮件服务器 {at} 报告：已转交下一台服务器，对方不再回报{code}；是否送达尚不知道。",
        "The mail server reports at {at}: passed on to a server that reports no more{code}. Whether it reached is not known.",
    ),
    "Reported, delayed": (
        "邮件服务器 {at} 报告：暂未送达，仍在尝试{code}。",
        "The mail server reports at {at}: not delivered yet, and still being tried{code}.",
    ),
    "Reported, complaint": (
        "收件人于 {at} 向邮箱服务商投诉了这封邮件{code}。",
        "The recipient complained about this mail to their provider at {at}{code}.",
    ),
    "Read": ("收件人于 {at} 打开。", "The recipient opened it at {at}."),
    "Read, acknowledged": (
        "收件人于 {at} 按键确认收到{code}。",
        "The recipient pressed a key at {at} to acknowledge it{code}.",
    ),
    "StopRecorded": (
        "{at} 的事件 {type} 办结了事项 {case}。",
        "The event {type} of {at} settled the case {case}.",
    ),
    "ReceiptUnmatched": (
        "通道 {lane} 报告 {ref}：{at} {status}；一天之内没有找到对应的消息。",
        "Lane {lane} reported {ref} at {at}: {status}; within a day no message was found that it belongs to.",
    ),
    "PreferenceChanged": (
        "收件人的选择有变更（{kind}），操作者 {by}。",
        "The recipient's choices were changed ({kind}) by {by}.",
    ),
    "RecipientErased": (
        "收件人的密钥已由 {by} 销毁，其资料不可再读。理由：{reason}",
        "The recipient's key was destroyed by {by}; nothing of theirs is read again. Reason: {reason}",
    ),
    "ArchiveRemoved": (
        "{by} 决定从存档中清除 {month} 接收的事件。理由：{reason}",
        "{by} ordered that the events accepted in {month} go from the archive. Reason: {reason}",
    ),
    "ReplyReceived, passed_on": (
        "收件人于 {at} 通过{by}回复{about}，转交办理方。",
        "The recipient wrote back by {by} at {at}{about}; it goes to whoever handles the case.",
    ),
    "ReplyReceived, stopped": (
        "收件人于 {at} 通过{by}回复退订词{about}：停发类别 {categories}{answer}。",
        "The recipient wrote a word to stop by {by} at {at}{about}, which stops {categories}{answer}.",
    ),
    "ReplyReceived, kept": (
        "收件人于 {at} 通过{by}回复退订词{about}：类别 {categories} 依法送达，不能退订{answer}。",
        "The recipient wrote a word to stop by {by} at {at}{about}, but {categories} is sent by law and stays{answer}.",
    ),
    "ReplyReceived, started": (
        "收件人于 {at} 通过{by}回复恢复词：恢复类别 {categories}{answer}。",
        "The recipient wrote a word to start by {by} at {at}, and is sent {categories} again{answer}.",
    ),
    "ReplyReceived, nothing": (
        "收件人于 {at} 通过{by}回复，没有找到可以停发或恢复的类别{answer}。",
        "The recipient wrote a word by {by} at {at}, and nothing was found to stop or start{answer}.",
    ),
    "ReplyReceived, helped": (
        "收件人于 {at} 通过{by}回复询问办法{answer}。",
        "The recipient asked for help by {by} at {at}{answer}.",
    ),
    "WordingPublished": (
        "通知 {notice} 的新文案生效，发布者 {by}。",
        "New wording of the notice {notice} was put in force by {by}.",
    ),
    "PolicyPublished": (
        "策略第 {policy} 版生效，发布者 {by}。",
        "Policy version {policy} was put in force by {by}.",
    ),
    "LaneSteered, pause": (
        "通道 {lane} 由 {by} 暂停：{reason}。",
        "Lane {lane} was paused by {by}: {reason}.",
    ),
    "LaneSteered, resume": (
        "通道 {lane} 由 {by} 恢复：{reason}。",
        "Lane {lane} was resumed by {by}: {reason}.",
    ),
    "LaneSteered, weight": (
        "通道 {lane} 的权重由 {by} 改为 {weight}（0 为配置文件的权重）：{reason}。",
        "Lane {lane} was given the weight {weight} (0: the file's) by {by}: {reason}.",
    ),
    "LaneSteered, allow": (
        "通道 {lane} 由 {by} 重新允许通知 {notice} 的文案：{reason}。",
        "Lane {lane} may carry the wording of {notice} again, by {by}: {reason}.",
    ),
    "Shifted, errors": (
        "通道 {lane} 停用：{calls} 次调用中 {errors} 次出错；{moving}。",
        "Lane {lane} is left alone: {errors} of {calls} calls went wrong; {moving}.",
    ),
    "Shifted, account": (
        "通道 {lane} 停用：运营商拒绝账户或发送方；{moving}。",
        "Lane {lane} is left alone: the carrier refuses the account or the sender; {moving}.",
    ),
    "Shifted, probes": (
        "通道 {lane} 再次停用：{calls} 次试探中 {errors} 次出错；{moving}。",
        "Lane {lane} is left alone again: {errors} of {calls} probes went wrong; {moving}.",
    ),
    "Shifted, trial": (
        "通道 {lane} 开始试探，承担 {share}% 的份额。",
        "Lane {lane} is probed, with {share} % of its share.",
    ),
    "Shifted, back": (
        "通道 {lane} 试探正常，逐步恢复到 {share}% 的份额。",
        "Lane {lane} answers well and gets {share} % of its share back.",
    ),
    "Shifted, whole": (
        "通道 {lane} 恢复全部份额。",
        "Lane {lane} carries its whole share again.",
    ),
    "WordingStopped": (
        "运营商在通道 {lane} 上屡次拒绝通知 {notice} 的内容（{code}），文案 {wording} 停止由此发送，请编辑人员处理。",
        "The carrier of lane {lane} keeps refusing the content of {notice} ({code}): the wording {wording} is stopped there, and editors have to look at it.",
    ),
    "TransferDecided, allowed": (
        "准许通道 {lane} 把境内号码交到境外，操作者 {by}：{reason}。",
        "Lane {lane} was allowed by {by} to take numbers of the mainland abroad: {reason}.",
    ),
    "TransferDecided, forbidden": (
        "不再准许通道 {lane} 把境内号码交到境外，操作者 {by}：{reason}。",
        "Lane {lane} was forbidden by {by} to take numbers of the mainland abroad: {reason}.",
    ),
    "Quarantined": (
        "收到的内容无法接受，已隔离：{field} 应为 {expected}。",
        "What came could not be accepted and was put in quarantine: {field} should be {expected}.",
    ),
    "QuarantineClosed, replayed": ("隔离的内容已修正并重新接收，操作者 {by}。", "What was in quarantine was brought in again by {by}."),
    "QuarantineClosed, dropped": ("隔离的内容已弃置，操作者 {by}。", "What was in quarantine was dropped by {by}."),
    "CaseNoted": (
        "{at} 的事件 {type} 记入事项 {case}，不需要通知。",
        "The event {type} of {at} was noted for the case {case}; nobody had to be told.",
    ),
}  # fmt: skip
"""By event, and after a comma the case of it."""
