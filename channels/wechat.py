"""Template messages of a WeChat official account: the hub's ``wechat`` channel.

A body is written for WeChat: its first line names a template, as the lanes file calls it, and each
further one fills a place of it (``thing1: …``); ``url`` is where a touch leads. WeChat takes one
message at a time and tells our server later what became of it.

Every call has the leg's own name as ``client_msg_id``: a message that WeChat took before, within
ten minutes, it does not show again.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from channels.base import (
    Accepted,
    Clock,
    Message,
    NotSent,
    Outcome,
    Permanent,
    Transient,
    Unknown,
)
from channels.couriers import ByLane, Couriers
from channels.http_client import Answered, HttpClient
from channels.wechat_account import Wechat
from channels.wechat_codes import is_stale, judge
from channels.wechat_token import Token, Tokens

URL = "url"

_LINE = re.compile(r"([a-z][a-z_]*[0-9]*): *(\S.*)")
_HEADERS = {"Content-Type": "application/json"}
_NO_TOKEN = NotSent("no token was to be had")


class Filled(msgspec.Struct, frozen=True):
    """A body as WeChat wants it: whose template, and what stands in its places."""

    template: str
    data: dict[str, str]
    url: str = ""


def fill(text: str, templates: Mapping[str, str]) -> Filled | str:
    """Read a body; a sentence that says what is wrong with it where that is not possible."""
    name, *lines = text.strip().split("\n")
    template = templates.get(name.strip())
    if template is None:
        return f"the account has no template {name.strip()[:40]!r}"
    data: dict[str, str] = {}
    for number, line in enumerate(lines, 2):
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1] in data:
            return f"line {number} does not fill a place of its own"
        data[match[1]] = match[2]
    return Filled(template, data, data.pop(URL, ""))


class WechatChannel(ByLane):
    """A :class:`~channels.base.Channel`. Reports come to the pages' door. ``secrets`` are the
    AppSecrets by lane."""

    name = "wechat"

    def __init__(
        self, clock: Clock, accounts: Mapping[str, Wechat], secrets: Mapping[str, str]
    ) -> None:
        super().__init__(
            {lane: _Account(clock, account, secrets[lane]) for lane, account in accounts.items()}
        )


class _Account:
    """One lane's; its couriers have no more of their own than a place in the line."""

    def __init__(self, clock: Clock, account: Wechat, secret: str) -> None:
        self.couriers = Couriers(clock, [self] * account.connections)
        self._account = account
        self._secret = secret
        self._client = HttpClient(clock, account.connect_s, account.answer_s)
        self._tokens = Tokens(clock, self._fetch)

    async def close(self) -> None:
        await self.couriers.close(self._client.close)

    async def deliver(self, lane: str, message: Message) -> Outcome:
        """One message. Refused for its token, which says nothing of it, it is asked for once more
        with another."""
        filled = fill(message.text, self._account.templates)
        if isinstance(filled, str):
            return Permanent(filled, "content")
        body = {
            "touser": message.to,
            "template_id": filled.template,
            "client_msg_id": message.attempt.partition(":")[0],
            "data": {name: {"value": value} for name, value in filled.data.items()},
        }
        if filled.url:
            body["url"] = filled.url
        for last in (False, True):
            token = await self._tokens.get()
            if not isinstance(token, str):
                return token
            path = f"/cgi-bin/message/template/send?access_token={token}"
            answer = await self._call(path, body, message.call_before_ms)
            if not isinstance(answer, dict):
                return answer
            code = answer.get("errcode", -1)
            if is_stale(code) and not last:
                self._tokens.refuse(token)
                continue
            if code:
                return judge(code)
            ref = str(answer.get("msgid", ""))
            return Accepted(ref) if ref else Unknown("an answer without a name")
        raise AssertionError("the last answer is judged")

    async def _call(
        self, path: str, body: Mapping[str, Any], deadline_ms: int = 0
    ) -> dict[str, Any] | Outcome:
        """One request, and no more: what was answered, or what is known where nothing was."""
        url = self._account.url + path
        answer = await self._client.post(url, msgspec.json.encode(body), _HEADERS, deadline_ms)
        if not isinstance(answer, Answered):
            return answer
        if answer.status != 200:
            return Unknown(f"HTTP {answer.status}")
        try:
            return msgspec.json.decode(answer.body, type=dict[str, Any])
        except msgspec.DecodeError:
            return Unknown("an answer that cannot be read")

    async def _fetch(self, force: bool) -> Token | Outcome:
        """A token for this account. Of a message nothing was sent when there is none."""
        body = {
            "grant_type": "client_credential", "appid": self._account.app_id,
            "secret": self._secret, "force_refresh": force,
        }  # fmt: skip
        answer = await self._call("/cgi-bin/stable_token", body)
        if not isinstance(answer, dict):
            return _NO_TOKEN
        text, lasts_s = answer.get("access_token"), answer.get("expires_in")
        if isinstance(text, str) and text and isinstance(lasts_s, int):
            return Token(text, lasts_s * 1_000)
        refused = judge(answer.get("errcode", -1))
        return _NO_TOKEN if isinstance(refused, Transient) else refused
