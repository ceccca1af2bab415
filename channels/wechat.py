"""Template messages of a WeChat official account: the hub's ``wechat`` channel.

A body is written for WeChat: its first line names a template, as the lanes file calls it, and each
further one fills a place of it (``thing1: …``); ``url`` is where a touch leads. WeChat takes one
message at a time and tells our server later what became of it.

Every call has the leg's own name as ``client_msg_id``: a message that WeChat took before, within
ten minutes, it does not show again.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import httpx
import msgspec

from channels.base import (
    Accepted,
    Clock,
    Collected,
    Message,
    NotSent,
    Outcome,
    Permanent,
    Transient,
    Unknown,
)
from channels.couriers import Couriers
from channels.wechat_account import Wechat
from channels.wechat_codes import is_stale, judge
from channels.wechat_token import Token, Tokens

CLOSE_S = 5
"""How long closing waits for answers, before it hangs up on those to come."""

MARGIN_S = 0.05
"""What is left of a deadline when a request is begun on a connection that is there already."""

URL = "url"

_LINE = re.compile(r"([a-z][a-z_]*[0-9]*): *(\S.*)")
_TOO_LATE = NotSent("past its deadline")


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


class WechatChannel:
    """A :class:`~channels.base.Channel`. Its collect holds late answers only: reports come to the
    pages' door. ``secrets`` are the AppSecrets by lane."""

    name = "wechat"

    def __init__(
        self, clock: Clock, accounts: Mapping[str, Wechat], secrets: Mapping[str, str]
    ) -> None:
        assert accounts
        self._clock = clock
        self._accounts = accounts
        self._secrets = secrets
        total = sum(account.connections for account in accounts.values())
        self._pool = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=total, max_keepalive_connections=total),
            follow_redirects=False,
            trust_env=False,
        )
        self._tokens = {lane: Tokens(clock, partial(self._fetch, lane)) for lane in accounts}
        self._couriers = Couriers(clock, [self] * total)

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        return await self._couriers.send(lane, messages, close_ms)

    async def collect(self) -> Collected:
        return Collected((), self._couriers.late(), 0, 0)

    async def acknowledge(self, token: int) -> None:
        """Nothing is collected that would need it."""

    async def arrived(self) -> None:
        await self._couriers.news.wait()

    async def close(self) -> None:
        await self._couriers.finish(CLOSE_S)
        await self._pool.aclose()  # whoever still waits is told, and has an unknown outcome
        await self._couriers.finish(CLOSE_S)
        await self._clock.sleep_ms(0)  # the loop's next turn closes the sockets

    async def deliver(self, lane: str, message: Message) -> Outcome:
        """One message. Refused for its token, which says nothing of it, it is asked for once more
        with another."""
        account = self._accounts[lane]
        filled = fill(message.text, account.templates)
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
            if self._clock.now_ms() > message.call_before_ms:
                return _TOO_LATE
            token = await self._tokens[lane].get()
            if not isinstance(token, str):
                return token
            path = f"/cgi-bin/message/template/send?access_token={token}"
            answer = await self._call(lane, path, body, message.call_before_ms)
            if not isinstance(answer, dict):
                return answer
            code = answer.get("errcode", -1)
            if is_stale(code) and not last:
                self._tokens[lane].refuse(token)
                continue
            if code:
                return judge(code)
            ref = str(answer.get("msgid", ""))
            return Accepted(ref) if ref else Unknown("an answer without a name")
        raise AssertionError("the last answer is judged")

    async def _call(
        self, lane: str, path: str, body: Mapping[str, Any], deadline_ms: int
    ) -> dict[str, Any] | Outcome:
        """One request, and no more: what was answered, or what is known where nothing was."""
        account = self._accounts[lane]
        left_s = (deadline_ms - self._clock.now_ms()) / 1_000
        connect_s = min(account.connect_s, max(left_s, MARGIN_S))
        limits = httpx.Timeout(account.answer_s, connect=connect_s, pool=connect_s)
        try:
            # httpx limits each read; one byte at a time could take for ever
            async with asyncio.timeout(connect_s + account.answer_s):
                answer = await self._pool.post(
                    account.url + path, content=msgspec.json.encode(body), timeout=limits,
                    headers={"content-type": "application/json"},
                )  # fmt: skip
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return NotSent(type(error).__name__)
        except (httpx.HTTPError, TimeoutError, RuntimeError) as error:  # the last: a closed pool
            return Unknown(type(error).__name__)
        if answer.status_code != 200:
            return Unknown(f"HTTP {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.DecodeError:
            return Unknown("an answer that cannot be read")

    async def _fetch(self, lane: str, force: bool) -> Token | Outcome:
        """A token for this lane's account. Of a message nothing was sent when there is none."""
        account = self._accounts[lane]
        body = {
            "grant_type": "client_credential", "appid": account.app_id,
            "secret": self._secrets[lane], "force_refresh": force,
        }  # fmt: skip
        deadline_ms = self._clock.now_ms() + round(account.connect_s * 1_000)
        answer = await self._call(lane, "/cgi-bin/stable_token", body, deadline_ms)
        if not isinstance(answer, dict):
            return NotSent("no token was to be had")
        text, lasts_s = answer.get("access_token"), answer.get("expires_in")
        if isinstance(text, str) and text and isinstance(lasts_s, int):
            return Token(text, lasts_s * 1_000)
        refused = judge(answer.get("errcode", -1))
        return NotSent("no token was to be had") if isinstance(refused, Transient) else refused
