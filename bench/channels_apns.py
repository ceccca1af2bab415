"""What a push to an app on Apple's devices costs the hub's process: signed for, posted by HTTP/2
and answered. The other end is hypercorn, in a process of its own.
"""

from importlib.util import find_spec
from pathlib import Path

from bench.channels_http import FAR_MS, sent
from channels.base import Message
from channels.push_account import Apns
from hub.clock import Real

LANE = "push-apns"


def lacks() -> str | None:
    """What this Python has not got for it; None: everything."""
    return None if find_spec("h2") and find_spec("hypercorn") else "no HTTP/2: the extra apns"


async def measured(port: int, folder: Path, messages: int) -> dict[str, float]:
    """Microseconds of CPU a push, and pushes a second. ``folder`` has what the peer put there."""
    from channels.push_apns import PushApns  # only with the extra

    key = (folder / "signer.pem").read_text(encoding="ascii")
    url = f"https://127.0.0.1:{port}"
    certificate = str(folder / "apple.pem")
    account = Apns(key, "KEY4567890", "TEAM567890", "cn.gov.app", url, certificate)
    made = [
        Message(
            f"{n:032x}:2", f"apns:ok{n}", "您的咨询已有答复，请登录查看。", FAR_MS,
            subject="咨询已答复",
        )
        for n in range(messages)
    ]  # fmt: skip
    return await sent(PushApns(Real(), account), LANE, made)
