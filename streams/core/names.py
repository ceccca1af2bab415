"""What things are called in both languages, and how times are written. Pure."""

from typing import Literal

from preferences.rules import CHINA, at_local, local_day

Language = Literal["zh", "en"]

Two = tuple[str, str]
"""One thing said in Chinese and in English."""

CHANNELS: dict[str, Two] = {
    "sms": ("短信", "SMS"),
    "voice": ("语音电话", "voice call"),
    "email": ("邮件", "e-mail"),
    "push": ("推送", "push"),
    "wechat": ("微信", "WeChat"),
    "inbox": ("站内信", "inbox"),
}

CLASSES: dict[str, Two] = {
    "emergency": ("紧急", "emergency"),
    "code": ("验证码", "code"),
    "notice": ("告知", "notice"),
    "status": ("进度", "status"),
    "reminder": ("提醒", "reminder"),
    "bulletin": ("公告", "bulletin"),
}

CARRIERS: dict[str, Two] = {
    "cmcc": ("中国移动", "China Mobile"),
    "cucc": ("中国联通", "China Unicom"),
    "ctcc": ("中国电信", "China Telecom"),
    "cbn": ("中国广电", "China Broadnet"),
    "intl": ("境外号码", "abroad"),
    "web": ("浏览器", "browser"),
    "apns": ("苹果设备", "Apple devices"),
    "ported": ("已携号转网", "ported to another network"),
}

STATUSES: dict[str, Two] = {
    "new": ("尚无记录", "nothing yet"),
    "held": ("推迟中", "held"),
    "ready": ("待发送", "ready to be sent"),
    "open": ("发送中", "being sent"),
    "backoff": ("等待重试", "waiting to be tried again"),
    "accepted": ("运营商已受理", "accepted by the carrier"),
    "unknown": ("结果未知", "fate unknown"),
    "delivered": ("已送达", "delivered"),
    "read": ("已阅读", "read"),
    "undelivered": ("未送达", "not delivered"),
    "no_receipt": ("已受理，没有回执", "accepted, no receipt"),
    "unconfirmed": ("未能确认", "unconfirmed"),
    "suppressed": ("不发送", "not sent"),
    "cancelled": ("已撤销", "cancelled"),
    "expired": ("已过期", "expired"),
    "failed": ("发送失败", "failed"),
}

_LANGUAGES: dict[str, Two] = {"zh": ("中文", "Chinese"), "en": ("英文", "English")}


def say(two: Two, language: Language) -> str:
    """The one of the two in this language."""
    return two[0] if language == "zh" else two[1]


def channel(name: str, language: Language) -> str:
    return _named(CHANNELS, name, language)


def class_of(name: str, language: Language) -> str:
    return _named(CLASSES, name, language)


def carrier(name: str, language: Language) -> str:
    return _named(CARRIERS, name, language)


def status(name: str, language: Language) -> str:
    return _named(STATUSES, name, language)


def tongue(name: str, language: Language) -> str:
    return _named(_LANGUAGES, name, language)


def clauses(parts: list[str], language: Language) -> str:
    """Half-sentences, one after the other."""
    return say(("，", "; "), language).join(parts)


def sentence(parts: list[str], language: Language) -> str:
    """Half-sentences as a whole one."""
    text = clauses(parts, language)
    return say((f"{text}。", f"{text[:1].upper()}{text[1:]}."), language)


def moment(at_ms: int, zone: str) -> str:
    """A time as the recipient's clock shows it, to the minute; empty for none."""
    if not at_ms:
        return ""
    day = local_day(at_ms, zone)
    return f"{day} {minute((at_ms - at_local(day, 0, zone)) // 60_000)}"


def minute(of_day: int) -> str:
    """A minute of the day as people write it."""
    hours, minutes = divmod(of_day, 60)
    return f"{hours:02d}:{minutes:02d}"


def clock_of(zone: str, language: Language) -> str:
    """Whose clock a time is by."""
    if zone == CHINA:
        return say(("北京时间", "Beijing time"), language)
    return say((f"{zone} 当地时间", f"{zone} time"), language)


def _named(names: dict[str, Two], name: str, language: Language) -> str:
    two = names.get(name)
    return say(two, language) if two else name
