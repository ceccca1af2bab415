"""What was seen where nobody knows, as operators read it."""

from typing import get_args

import pytest

from streams.core import evidence
from streams.core.names import Language

LANGUAGES: tuple[Language, ...] = get_args(Language)


@pytest.mark.parametrize(
    ("journalled", "zh", "en"),
    [
        (
            "link lost with the message written",
            "消息写出之后连接断开：连接中断",
            "the link was lost after the message had been written: it broke off",
        ),
        (
            "link lost: [Errno 104] Connection reset by peer with the message written",
            "消息写出之后连接断开：连接中断：[Errno 104] Connection reset by peer",
            (
                "the link was lost after the message had been written: it broke off: [Errno 104] "
                "Connection reset by peer"
            ),
        ),
        (
            "1 of 3 parts taken; then no answer in time",
            "长短信共 3 段，已受理 1 段，其余：运营商没有按时答复",
            "1 of its 3 parts were taken; of the others: the carrier did not answer in time",
        ),
        (
            "no answer before the time-out",
            "超时仍未记下答复：运营商没有答复，或系统在交出时中断",
            "no answer was noted in time: the carrier gave none, or the hub stopped over the call",
        ),
    ],
)
def test_it_reads_as_a_person_would_say_it(journalled: str, zh: str, en: str) -> None:
    assert evidence.read(journalled, "zh") == zh
    assert evidence.read(journalled, "en") == en


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_carriers_own_word_is_kept(language: Language) -> None:
    for said in ("HTTP 503", "after the final dot: 421", "0x45", ""):
        assert evidence.read(said, language) == said


def test_every_word_of_a_carriers_link_is_known() -> None:
    """A new reason in the channel is a sentence half in English until it stands here."""
    from channels import carrier_batch, carrier_channel, carrier_line

    told = [
        one.reason
        for module in (carrier_batch, carrier_channel, carrier_line)
        for one in vars(module).values()
        if isinstance(one, carrier_line.NotSent)
    ]
    assert len(told) >= 4
    assert set(told) <= evidence.SEEN.keys()
