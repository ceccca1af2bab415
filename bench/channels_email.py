"""What a mail costs the hub's process: with addresses of its own, an unsubscribe link, text and
HTML, over a few connections to ``smtp-sink``, which is another's and takes all."""

import asyncio
import shutil
import time

from channels.base import Accepted, Message
from channels.email_returns import KEY_BYTES, Returns
from channels.email_smtp import EmailChannel, Smtp
from hub.clock import Real
from tests.peers import postfix
from tests.peers.postfix import Sink

BATCH = 200
CLOSE_MS = 60_000
SENDER = "公安交管 <notice@122.gov.cn>"
SUBJECT = "您申请的事项有新进展"
TEXT = "您申请的户口迁移已由鼓楼分局审核，请登录福建治安便民服务查看。" * 4
HTML = f"<html><body><h1>{SUBJECT}</h1><p>{TEXT}</p></body></html>"


def lacks() -> str | None:
    """What this machine has not got for it; None: everything."""
    return None if shutil.which(postfix.SINK) else "no smtp-sink (apt-get install postfix)"


async def run(messages: int = 4_000) -> dict[str, dict[str, float]]:
    """Mails a second, and microseconds of CPU for one."""
    with Sink(dsn=True) as sink:
        returns = Returns("mail@hub.example", bytes(KEY_BYTES))
        smtp = Smtp("127.0.0.1", sink.port, sender=SENDER, tls="none")
        channel = EmailChannel(Real(), smtp, returns=returns)
        return {"email, text and HTML": await _measured(channel, messages)}


async def _measured(channel: EmailChannel, messages: int) -> dict[str, float]:
    link = "https://hub.122.gov.cn/u/" + "x" * 90
    far_ms = 4 * 10**12
    await channel.send("email", [_message(0, link, far_ms)], CLOSE_MS)  # connected
    began_s, cpu_s = time.perf_counter(), time.process_time()
    for start in range(0, messages, BATCH):
        batch = [_message(n, link, far_ms) for n in range(start, start + BATCH)]
        outcomes = await channel.send("email", batch, CLOSE_MS)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - began_s
    await channel.close()
    return {"us": round(cpu_s / messages * 1e6, 2), "per_s": round(messages / wall_s)}


def _message(n: int, link: str, before_ms: int) -> Message:
    return Message(
        f"{n:032x}:2", f"citizen{n}@example.cn", TEXT, before_ms, SUBJECT, HTML, unsubscribe=link
    )


if __name__ == "__main__":
    print(asyncio.run(run()))
