"""A server that behaves as WeChat's official accounts do, on loopback: for tests and for showing
the hub. It is ours: WeChat has none to try, and nothing here was held against a live account.

It gives tokens and lets them end, takes template messages, shows one ``client_msg_id`` once, and
tells the account's server what became of each, signed and encrypted as in WeChat's safe mode. What
it is asked to do wrong is told by the end of the openid. A callback is sent once.
"""

import asyncio
import itertools
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from channels.base import Clock
from channels.sandbox_http import Exchange, Pace, SandboxServer
from channels.wechat_account import Door
from channels.wechat_callbacks import JOB_FINISHED, encrypted, signature

TOKEN_S = 7_200
"""How long WeChat's tokens are good."""

REFUSALS: Mapping[str, int] = {
    "throttled": 45009,
    "transient": -1,
    "bad_recipient": 40003,
    "not_following": 43004,
    "refused": 43101,
    "bad_content": 47003,
    "bad_account": 48001,
}

STATUSES: Mapping[str, tuple[str, ...]] = {
    "undelivered": ("failed:user block",),
    "failed": ("failed: system failed",),
    "receipt_lost": (),
    "receipt_repeated": ("success", "success"),
    "conflicting": ("success", "failed: system failed"),
}
"""What is told of a message; of any other that it was delivered."""

SPECIAL = (*REFUSALS, *STATUSES, "unknown", "answer_lost", "answer_late", "receipt_early",
           "receipt_late", "stale")  # fmt: skip
"""What an openid may end in, behind a hyphen."""


class Entry(msgspec.Struct, frozen=True):
    """One message that was taken."""

    msgid: int
    to: str
    template: str
    data: dict[str, str]
    url: str
    client_id: str


class WechatSandbox(SandboxServer):
    """The server of one account. ``entries`` is what it took, in order; ``again`` the names of what
    was brought once more, and not shown again; ``issued`` how many tokens it gave, and ``asked``
    how often it was asked."""

    def __init__(
        self,
        clock: Clock,
        door: Door,
        secret: str,
        callback: str = "",
        pace: Pace = Pace(),  # noqa: B008 a frozen value
    ) -> None:
        super().__init__(clock)
        self.entries: list[Entry] = []
        self.again: list[str] = []
        self.issued = 0
        self.asked = 0
        self.callback = callback
        self._door = door
        self._secret = secret
        self._pace = pace
        self._token = ""
        self._numbers = itertools.count(1_000_001)
        self._random = random.Random(1)
        self._stale: set[str] = set()

    def void(self) -> None:
        """The token is good no longer, as when somebody else fetched one by force."""
        self._token = ""

    # Requests

    async def _serve(self, asked: Exchange) -> bool:
        address = urlsplit(asked.request.target.decode())
        said = msgspec.json.decode(asked.body, type=dict[str, Any])
        if address.path == "/cgi-bin/stable_token":
            return await asked.answer(200, self._given(said))
        token = parse_qs(address.query).get("access_token", [""])[0]
        if not token or token != self._token:
            return await asked.answer(200, _failed(40001))
        to = said["touser"]
        behaviour = next((one for one in SPECIAL if to.endswith(f"-{one}")), "")
        if behaviour == "stale" and to not in self._stale:
            self._stale.add(to)
            self.void()
            return await asked.answer(200, _failed(42001))
        if code := REFUSALS.get(behaviour):
            return await asked.answer(200, _failed(code))
        entry, fresh = self._taken(said)
        if fresh:
            telling = self._meanwhile(self._tell(entry, behaviour))
            if behaviour == "receipt_early":
                await asyncio.wait({telling})
        match behaviour:
            case "unknown":
                return asked.hang_up()
            case "answer_lost":
                await asyncio.Event().wait()
            case "answer_late":
                await self._clock.sleep_ms(self._pace.late_ms)
            case _:
                await self._clock.sleep_ms(self._pace.answer_ms)
        answer = {"errcode": 0, "errmsg": "ok", "msgid": entry.msgid}
        return await asked.answer(200, answer)

    def _given(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """A token, the same to everybody until it ends."""
        self.asked += 1
        if said.get("appid") != self._door.app_id:
            return _failed(40013)
        if said.get("secret") != self._secret:
            return _failed(40125)
        if not self._token or said.get("force_refresh"):
            self.issued += 1
            self._token = f"token-{self.issued}"
        return {"access_token": self._token, "expires_in": TOKEN_S}

    def _taken(self, said: Mapping[str, Any]) -> tuple[Entry, bool]:
        """What it is, and whether it is new."""
        name = said.get("client_msg_id", "")
        for entry in self.entries:
            if name and (entry.client_id, entry.to) == (name, said["touser"]):
                self.again.append(name)
                return entry, False
        data = {place: value["value"] for place, value in said["data"].items()}
        entry = Entry(
            next(self._numbers), said["touser"], said["template_id"], data, said.get("url", ""),
            name,
        )  # fmt: skip
        self.entries.append(entry)
        return entry, True

    # Callbacks

    async def _tell(self, entry: Entry, behaviour: str) -> None:
        for status in STATUSES.get(behaviour, ("success",)):
            if behaviour != "receipt_early":
                times = 20 if behaviour == "receipt_late" else 1
                await self._clock.sleep_ms(self._pace.step_ms * times)
            await self.say(
                f"<FromUserName><![CDATA[{entry.to}]]></FromUserName>"
                "<MsgType><![CDATA[event]]></MsgType>"
                f"<Event><![CDATA[{JOB_FINISHED}]]></Event>"
                f"<MsgID>{entry.msgid}</MsgID><Status><![CDATA[{status}]]></Status>"
            )

    async def say(self, fields: str) -> None:
        """Tell the account's server, signed and encrypted, once."""
        if not self.callback:
            return
        address, body = enveloped(
            self._door, fields, self._clock.now_ms(), self._random.randbytes(16)
        )
        await self.call_back(self.callback + address, body, {"content-type": "text/xml"})


def enveloped(door: Door, fields: str, now_ms: int, random: bytes) -> tuple[str, bytes]:
    """A callback as WeChat makes it: what stands behind the address, and the body."""
    said = encrypted(door, f"<xml>{fields}</xml>", random)
    timestamp, nonce = str(now_ms // 1_000), random.hex()[:10]
    query = (
        f"?signature={signature(door.token, timestamp, nonce)}&timestamp={timestamp}"
        f"&nonce={nonce}&encrypt_type=aes"
        f"&msg_signature={signature(door.token, timestamp, nonce, said)}"
    )
    return query, f"<xml><Encrypt><![CDATA[{said}]]></Encrypt></xml>".encode()


def _failed(code: int) -> dict[str, Any]:
    return {"errcode": code, "errmsg": "as it was asked for"}
