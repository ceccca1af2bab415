"""What a push to a browser costs the hub's process: encrypted, signed for, posted and answered.

The push service is a process of its own, and every message goes to a browser of its own.
"""

import time

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from channels.base import Accepted, Message
from channels.push_account import WebPush
from channels.push_address import base64url, subscription_address
from channels.push_web import PushWeb
from hub.bootstrap import proofs, settle
from hub.clock import Real
from hub.settings import Settings

LANE = "push-web"
BATCH = 200
CLOSE_MS = 60_000
HOUR_MS = 3_600_000
KEY = bytes(range(1, 33))


async def sent(port: int, messages: int, settings: Settings) -> dict[str, float]:
    """So many pushes; microseconds of CPU for one, and how many a second."""
    url = f"http://127.0.0.1:{port}"
    clock = Real()
    account = WebPush("mailto:push@authority.example", KEY, (url,))
    channel = PushWeb(clock, account, proofs(settings, clock))
    before_ms = clock.now_ms() + HOUR_MS
    made = [
        Message(
            f"{n:032x}:2", _browser(url, n), "您的咨询已有答复，请登录查看。", before_ms,
            subject="咨询已答复", expiry_ms=before_ms, cls="status",
        )
        for n in range(messages)
    ]  # fmt: skip
    settle()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for start in range(0, messages, BATCH):
        outcomes = await channel.send(LANE, made[start : start + BATCH], CLOSE_MS)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    await channel.close()
    return {"us": round(cpu_s / messages * 1e6, 2), "per_s": round(messages / wall_s)}


def _browser(url: str, n: int) -> str:
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return subscription_address(f"{url}/push/{n}", base64url(raw), base64url(n.to_bytes(16)))
