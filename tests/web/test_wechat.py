"""A lane by WeChat, from an event to what WeChat tells the hub's door, signed."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import uvicorn

from channels.sandbox_http import Pace
from channels.wechat_callbacks import JOB_FINISHED, signature
from channels.wechat_sandbox import WechatSandbox, enveloped
from hub.clock import Scaled
from hub.serving import Server
from streams.views import Leg
from tests.channels.wechat_bench import KEY, LANE, SECRET, TOKEN, the_door
from tests.web.world import START_MS, World, event, registered, world

LANES = """
[[lane]]
name = "{name}"
channel = "wechat"
provider = "wechat"
rate_per_s = 100

[lane.wechat]
app_id = "wx0123456789abcdef"
password_env = "WECHAT_SECRET"
token_env = "WECHAT_TOKEN"
key_env = "WECHAT_KEY"
url = "{url}"
templates = {{ plate-application = "TM-1" }}

[[lane]]
name = "sms-a"
channel = "sms"
provider = "sandbox"
rate_per_s = 100
segments_max = 10

[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 100
"""


class Followed:
    """The hub, and the WeChat it knows."""

    def __init__(self, made: World, wechat: WechatSandbox) -> None:
        self.world = made
        self.wechat = wechat

    async def tell(self, ref: str, openid: str, number: int = 1) -> None:
        """An application of somebody with a phone and an openid moves on."""
        await self.world.bring(registered(ref, phones=["13800001234"], wechat=[openid]))
        data = {
            "application_no": f"A{number}", "step": "号牌已制作",
            "reached_at": "2026-11-24T09:30:00+08:00",
        }  # fmt: skip
        kind = "gov.traffic.plate.progressed.v1"
        await self.world.bring(event(f"plate-{ref}-{number}", kind, ref, data))

    def legs(self, ref: str) -> list[Leg]:
        """In the order of their events."""
        return self.world.hub.reading.history(ref)[::-1]

    async def until(self, true: Callable[[], object]) -> None:
        await self.world.until(true, 20)


@asynccontextmanager
async def followed(folder: Path) -> AsyncIterator[Followed]:
    wechat = WechatSandbox(Scaled(1, START_MS), the_door(), SECRET, pace=Pace())
    await wechat.start()
    lanes = folder / "lanes.toml"
    lanes.write_text(LANES.format(name=LANE, url=wechat.url))
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(64)
        wechat.callback = f"http://127.0.0.1:{door.getsockname()[1]}/callbacks/wechat/{LANE}"
        async with world(folder, lanes=lanes) as made:
            config = uvicorn.Config(made.app, log_level="warning", access_log=False, loop="none")
            server = Server(config)
            serving = asyncio.create_task(server.serve(sockets=[door]))
            try:
                yield Followed(made, wechat)
            finally:
                await wechat.stop()
                server.should_exit = True
                await serving


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Followed]:
    """Its secrets are where secrets may be: two in the environment, one in a file."""
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    monkeypatch.setenv("WECHAT_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("WECHAT_KEY", KEY)
    monkeypatch.setenv("WECHAT_SECRET", SECRET)
    async with followed(tmp_path) as hub:
        yield hub


async def test_from_the_event_to_its_delivery(hub: Followed) -> None:
    await hub.tell("a", "openid-a")
    await hub.until(lambda: [x for x in hub.legs("a") if x.status == "delivered"])
    [leg] = hub.legs("a")
    assert (leg.channel, leg.lane) == ("wechat", LANE)
    [entry] = hub.wechat.entries
    assert (entry.to, entry.template) == ("openid-a", "TM-1")
    assert entry.data["thing2"] == "号牌已制作"
    assert hub.wechat.lost == []


@pytest.mark.parametrize("how", ["refused", "not_following", "undelivered"])
async def test_a_refusal_is_an_opt_out_of_the_channel(hub: Followed, how: str) -> None:
    """Said at once, or told later that they block the account: the next channel carries it, and the
    next message does not even try."""
    await hub.tell("b", f"openid-b-{how}")
    await hub.until(lambda: [x for x in hub.legs("b") if x.status == "delivered"])
    assert [leg.channel for leg in hub.legs("b")] == ["sms"]
    tried = hub.wechat.asked, len(hub.wechat.entries)
    await hub.tell("b", f"openid-b-{how}", 2)
    await hub.until(lambda: [x for x in hub.legs("b") if x.status == "delivered"][1:])
    assert [leg.channel for leg in hub.legs("b")] == ["sms", "sms"]
    assert (hub.wechat.asked, len(hub.wechat.entries)) == tried


async def test_a_word_written_to_the_account_stops_its_kind(hub: Followed) -> None:
    await hub.tell("c", "openid-c")
    await hub.until(lambda: [x for x in hub.legs("c") if x.status == "delivered"])
    for _ in range(2):  # WeChat tells again what was answered too late
        await hub.wechat.say(
            "<FromUserName><![CDATA[openid-c]]></FromUserName><MsgType><![CDATA[text]]></MsgType>"
            "<Content><![CDATA[退订]]></Content><MsgId>77</MsgId>"
        )
    reading = hub.world.hub.reading
    await hub.until(lambda: reading.replies("c"))
    [reply] = reading.replies("c")
    assert (reply.text, reply.done, reply.categories) == ("退订", "stopped", ("vehicle",))
    await hub.tell("c", "openid-c", 2)
    await hub.until(lambda: [x for x in hub.legs("c") if x.reason == "opted_out"])
    assert len(hub.wechat.entries) == 1


async def test_the_door_believes_what_is_signed_for_this_account_only(hub: Followed) -> None:
    client, path = hub.world.client, f"/callbacks/wechat/{LANE}"
    look = {"timestamp": "1", "nonce": "2", "signature": signature(TOKEN, "1", "2")}
    answer = await client.get(path, params=look | {"echostr": "hello"})
    assert (answer.status_code, answer.text) == (200, "hello")
    assert (await client.get(path, params=look | {"nonce": "3"})).status_code == 403
    assert (await client.get("/callbacks/wechat/nowhere", params=look)).status_code == 404
    fields = (
        "<MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[{JOB_FINISHED}]]></Event><MsgID>1</MsgID><Status>success</Status>"
    )
    query, body = enveloped(the_door()._replace(token="another"), fields, START_MS, bytes(16))
    params = dict(parse_qsl(query[1:]))
    assert (await client.post(path, params=params, content=body)).status_code == 403
    assert (await client.post(path, content=f"<xml>{fields}</xml>")).status_code == 403


async def test_who_follows_again_is_reached_again(hub: Followed) -> None:
    """They had blocked the account, and the openid was out of use."""
    await hub.tell("d", "openid-d-undelivered")
    await hub.until(lambda: [x for x in hub.legs("d") if x.status == "delivered"])
    assert len(hub.wechat.entries) == 1
    await hub.wechat.say(
        "<FromUserName><![CDATA[openid-d-undelivered]]></FromUserName>"
        "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[subscribe]]></Event>"
    )
    await hub.tell("d", "openid-d-undelivered", 2)
    await hub.until(lambda: len(hub.wechat.entries) == 2)
