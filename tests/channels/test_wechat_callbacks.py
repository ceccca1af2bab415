"""What WeChat tells: believed when it is signed and for this account, and nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from channels.base import Receipt, Reply
from channels.wechat_account import Wechat, door_of, fault_of
from channels.wechat_callbacks import (
    decrypted,
    encrypted,
    fields_of,
    proves,
    read_follower,
    read_reply,
    read_report,
    signature,
)
from channels.wechat_sandbox import enveloped
from tests.channels.wechat_bench import ACCOUNT, KEY, TOKEN, the_door

NOW = 1_795_500_000_000
FINISHED = (
    "<ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[openid-1]]></FromUserName>"
    "<CreateTime>1395658920</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>200163836</MsgID>"
    "<Status><![CDATA[{status}]]></Status>"
)


def told(fields: str, **changes: object) -> dict[str, str] | None:
    door = the_door()._replace(**changes)
    query, body = enveloped(door, fields, NOW, bytes(16))
    return fields_of(the_door(), dict(x.split("=", 1) for x in query[1:].split("&")), body)


def test_a_report_as_wechat_writes_it() -> None:
    fields = told(FINISHED.format(status="success"))
    assert fields is not None
    expected = Receipt("w", "200163836", "delivered", "success", NOW)
    assert read_report("w", fields, NOW) == expected
    fields = told(FINISHED.format(status="failed:user block"))
    assert fields is not None
    refused = Receipt("w", "200163836", "undelivered", "user block", NOW, then="never")
    assert read_report("w", fields, NOW) == refused
    assert read_reply("w", fields, NOW) is None


def test_what_somebody_wrote_is_a_reply_by_its_id() -> None:
    fields = told(
        "<ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[openid-1]]></FromUserName>"
        "<MsgType><![CDATA[text]]></MsgType><Content><![CDATA[退订<b>]]></Content><MsgId>7</MsgId>"
    )
    assert fields is not None
    assert read_reply("w", fields, NOW) == Reply("w", "openid-1", "gh_1", "退订<b>", NOW, ref="7")
    assert read_report("w", fields, NOW) is None


@pytest.mark.parametrize(
    "changes", [{"token": "another"}, {"key": bytes(32)}, {"app_id": "wx-another"}]
)
def test_another_accounts_is_not_believed(changes: dict[str, object]) -> None:
    assert told(FINISHED.format(status="success"), **changes) is None


def test_a_signature_without_the_message_proves_nothing_of_it() -> None:
    """The plain mode: whoever saw one callback could say anything."""
    query = {"timestamp": "1", "nonce": "2", "signature": signature(TOKEN, "1", "2")}
    assert proves(the_door(), query)
    assert not proves(the_door(), query | {"nonce": "3"})
    plain = f"<xml>{FINISHED.format(status='success')}</xml>".encode()
    assert fields_of(the_door(), query, plain) is None
    said = encrypted(the_door(), plain.decode(), bytes(16))
    body = f"<xml><Encrypt><![CDATA[{said}]]></Encrypt></xml>".encode()
    assert fields_of(the_door(), query | {"msg_signature": query["signature"]}, body) is None


@given(st.binary(max_size=200))
def test_damaged_bytes_are_no_message(raw: bytes) -> None:
    assert decrypted(the_door(), base64.b64encode(raw).decode()) is None
    assert fields_of(the_door(), {}, raw) is None


@given(st.text(st.characters(codec="utf-8"), max_size=100))
def test_what_is_encrypted_is_what_is_read(text: str) -> None:
    assert decrypted(the_door(), encrypted(the_door(), text, bytes(16))) == text


def test_a_door_needs_both_of_its_secrets() -> None:
    assert door_of(ACCOUNT, TOKEN, KEY) is not None
    for token, key in (("", KEY), (TOKEN, ""), (TOKEN, "short")):
        assert door_of(ACCOUNT, token, key) is None
    assert TOKEN not in repr(the_door())


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"templates": {}}, "wechat.templates must name at least one template"),
        ({"templates": {"x": ""}}, "wechat.templates: a name and an id are not empty"),
        ({"key_env": ""}, "wechat.token_env and wechat.key_env need each other"),
        ({"url": "http://api.weixin.qq.com"}, "wechat.url must begin with https://"),
    ],
)
def test_what_is_wrong_with_an_account(changes: dict[str, object], fault: str) -> None:
    account: Wechat = replace(ACCOUNT, **changes)
    assert fault_of(account) == fault


def test_who_follows_the_account_is_named() -> None:
    follows = {"MsgType": "event", "Event": "subscribe", "FromUserName": "o-1"}
    assert read_follower(follows) == "o-1"
    assert read_follower({**follows, "Event": "unsubscribe"}) == ""
    assert read_follower({**follows, "MsgType": "text"}) == ""
