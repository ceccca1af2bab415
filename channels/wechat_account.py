"""What a lanes file says of a lane that goes by WeChat: the table ``[lane.wechat]``. Pure.

A lane is one official account (公众号, a service account): its templates, and the server that
WeChat tells what became of a message.
"""

import base64
import binascii
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

API = "https://api.weixin.qq.com"

KEY_BYTES = 32


class Wechat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An official account."""

    app_id: Annotated[str, Meta(min_length=1, description="The account's AppID.")]
    password_env: Annotated[
        str,
        Meta(
            min_length=1,
            description="Environment variable that holds its AppSecret, or whose `…_FILE` names "
            "its file; so for the two below.",
        ),
    ]
    templates: Annotated[
        dict[str, str],
        Meta(description="WeChat's id of each template, by the name that bodies call it by."),
    ]
    token_env: Annotated[
        str, Meta(description="Environment variable that holds the Token of the server's settings.")
    ] = ""
    key_env: Annotated[
        str, Meta(description="Environment variable that holds the EncodingAESKey beside it.")
    ] = ""
    url: Annotated[str, Meta(description="Where WeChat's interface is.")] = API
    connections: Annotated[int, Meta(ge=1, le=100, description="Calls at a time.")] = 8
    connect_s: Annotated[float, Meta(gt=0, description="Time to connect, in seconds.")] = 5
    answer_s: Annotated[float, Meta(gt=0, description="Time until the answer is there.")] = 20

    def environment(self) -> tuple[str, ...]:
        """The variables that hold what sending needs."""
        return (self.password_env,)


class Door(NamedTuple):
    """What is needed to believe a callback: the Token and the key of the server's settings."""

    app_id: str
    token: str
    key: bytes

    def __repr__(self) -> str:
        return f"Door({self.app_id})"


def fault_of(wechat: Wechat) -> str:
    """What is wrong with an account that each field by itself does not show, naming the field; ""
    when nothing is."""
    if not wechat.templates:
        return "wechat.templates must name at least one template"
    for name, template in wechat.templates.items():
        if not name or not template:
            return "wechat.templates: a name and an id are not empty"
    if bool(wechat.token_env) != bool(wechat.key_env):
        return "wechat.token_env and wechat.key_env need each other"
    if not wechat.url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        return "wechat.url must begin with https://"
    return ""


def door_of(wechat: Wechat, token: str, key: str) -> Door | None:
    """The door for this account's callbacks; None where one of its secrets is missing, or the key
    is none: 43 letters of base64, as WeChat gives it."""
    try:
        raw = base64.b64decode(key + "=", validate=True)
    except binascii.Error:
        return None
    if not token or len(raw) != KEY_BYTES:
        return None
    return Door(wechat.app_id, token, raw)
