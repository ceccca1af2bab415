"""What was seen where a message's fate is in doubt, or it was not handed over: the words that
channels and steps journal, as people read them. What a carrier or a library said stays as it is.
Pure.
"""

import re

from streams.core.names import Language, Two, say

WRITTEN = " with the message written"
"""Ends what a carrier's link says of the messages that were on it."""

LOST: Two = (
    "消息写出之后连接断开：{why}",
    "the link was lost after the message had been written: {why}",
)

PARTS: Two = (
    "长短信共 {all} 段，已受理 {taken} 段，其余：{why}",
    "{taken} of its {all} parts were taken; of the others: {why}",
)

_PARTS = re.compile(r"(\d+) of (\d+) parts taken; then (.*)", re.DOTALL)

SEEN: dict[str, Two] = {
    "no answer before the time-out": (
        "超时仍未记下答复：运营商没有答复，或系统在交出时中断",
        "no answer was noted in time: the carrier gave none, or the hub stopped over the call",
    ),
    "no answer in time": ("运营商没有按时答复", "the carrier did not answer in time"),
    "link lost": ("连接中断", "it broke off"),
    "the carrier said goodbye": ("运营商主动断开", "the carrier said goodbye"),
    "the carrier fell silent": ("运营商长时间没有响应", "the carrier fell silent"),
    "the carrier sent garbage": ("运营商发来无法识别的数据", "the carrier sent garbage"),
    "the carrier sent too many malformed frames": (
        "运营商发来过多格式错误的数据", "the carrier sent too many malformed frames",
    ),
    "the link is lost again and again": ("连接一再中断", "the link is lost again and again"),
    "closed": ("系统正在停止", "the hub was ending"),
    "past its deadline": ("超过交出期限", "past its deadline"),
    "no room in the window before the batch closed": (
        "运营商尚未答复前面的消息，没有轮到", "the carrier was still busy with those before it",
    ),
    "no connection was free before the batch closed": (
        "没有空闲的连接，没有轮到", "no connection was free in time",
    ),
    "its turn had not come before the batch closed": (
        "前面的消息太多，没有轮到", "too many were before it, and its turn did not come",
    ),
    "not bound before the batch closed": ("尚未连上运营商", "there was no link to the carrier yet"),
    "another part of it was refused": ("另一段已被拒绝", "another part of it was refused"),
    "no answer to the bind": ("运营商没有答复登录", "the carrier did not answer the bind"),
    "the bind was not understood": (
        "运营商不认识登录请求", "the carrier did not understand the bind",
    ),
    "reset by peer": ("连接被对方中断", "the link was reset by the carrier"),
    "connection refused": ("连接被拒绝", "the connection was refused"),
}  # fmt: skip
"""By what is journalled."""


def read(evidence: str, language: Language) -> str:
    """Evidence, or why something was not handed over, as people read it; what is not one of our
    own words is given as it came."""
    if evidence.endswith(WRITTEN):
        return say(LOST, language).format(why=_cause(evidence.removesuffix(WRITTEN), language))
    if found := _PARTS.fullmatch(evidence):
        why = read(found[3], language)
        return say(PARTS, language).format(taken=found[1], all=found[2], why=why)
    return _cause(evidence, language)


def _cause(said: str, language: Language) -> str:
    """Why a link was lost; what the system said follows its colon."""
    if two := SEEN.get(said):
        return say(two, language)
    ours, colon, theirs = said.partition(": ")
    two = SEEN.get(ours)
    return f"{say(two, language)}{say(('：', ': '), language)}{theirs}" if two and colon else said
