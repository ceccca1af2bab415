"""What a template message of WeChat costs the hub's process: filled, posted and answered.

The other end is our simulator, in a process of its own, which calls nobody back.
"""

from msgspec.structs import replace

from bench.channels_http import FAR_MS, sent
from channels.base import Message
from channels.wechat import WechatChannel
from hub.clock import Real
from tests.channels.wechat_bench import ACCOUNT, LANE, SECRET

TEXT = "progress\nthing1: 号牌已制作完成\ntime2: 2026年11月20日 14:05\nurl: https://122.gov.cn"


async def measured(port: int, messages: int) -> dict[str, float]:
    """Microseconds of CPU a message, and messages a second."""
    account = replace(ACCOUNT, url=f"http://127.0.0.1:{port}")
    channel = WechatChannel(Real(), {LANE: account}, {LANE: SECRET})
    made = [Message(f"{n:032x}:2", f"openid-{n}", TEXT, FAR_MS) for n in range(messages)]
    return await sent(channel, LANE, made)
