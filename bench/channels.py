"""`make bench-channels`: what a message costs the process that sends it, by protocol.

One message is one submit, its answer and its receipt, acknowledged: the client's CPU, user and
system, over all of it; by HTTP it is the request and its answer, for reports come by another door.
The other end is a process of its own.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import uvloop

from bench import (
    channels_apns,
    channels_email,
    channels_http,
    channels_inbox,
    channels_push,
    channels_wechat,
    machine,
)
from bench.__main__ import RESULTS
from bench.cmpp_peer import SECRET
from channels.base import Accepted, Message
from channels.carrier_channel import CarrierChannel
from channels.cmpp_account import Cmpp
from channels.smpp_account import Smpp
from channels.sms_cmpp import CmppChannel
from channels.sms_smpp import SmppChannel
from hub.bootstrap import settle
from hub.clock import Real
from hub.settings import Settings
from templates.segments import split
from tests.peers import node_smpp
from tests.peers.node_smpp import NodeGateway

MESSAGES = 100_000
BATCH = 500
LANE = "sms-cmcc"
TEXT = "【交管12123】您的车辆闽A12345有一条交通违法记录，请及时处理。"
LONG = TEXT + "如有异议可申请复核，请登录交管12123或 122.gov.cn 办理，我们不会索要银行卡信息。"
HOUR_MS = 3_600_000

CASES = {
    "smpp, one part, window 64": (TEXT, 64, 0),
    "smpp, one part, window 256": (TEXT, 256, 0),
    "smpp, one part, extension digits": (TEXT, 256, 4),
    "smpp, two parts": (LONG, 256, 0),
}

CMPP_CASES = {
    "cmpp 2.0, one part, window 16": ("cmpp2", TEXT, 16),
    "cmpp 2.0, one part, window 256": ("cmpp2", TEXT, 256),
    "cmpp 3.0, one part, window 256": ("cmpp3", TEXT, 256),
    "cmpp 3.0, two parts": ("cmpp3", LONG, 256),
}
"""Protocol, text and window; 16 is what the specification proposes."""


def smpp(port: int, window: int, digits: int) -> CarrierChannel:
    account = Smpp(
        host="127.0.0.1", port=port, system_id="fenghuo", password_env="-", window=window,
        answered_id="hex", reported_id="hex", extension_digits=digits,
    )  # fmt: skip
    return SmppChannel(Real(), {LANE: account}, {LANE: "secret"}, split, Random(1))


def cmpp(name: str, port: int, window: int) -> CarrierChannel:
    account = Cmpp(
        host="127.0.0.1", port=port, source_addr="901783", password_env="-", window=window,
    )  # fmt: skip
    return CmppChannel(Real(), {LANE: account}, {LANE: SECRET}, split, Random(1), name)


async def sent(opened: Callable[[], CarrierChannel], text: str, messages: int) -> dict[str, float]:
    """Send so many, collect the receipt of each, and say what that took."""
    channel = opened()
    before_ms = Real().now_ms() + HOUR_MS
    batches = [
        [
            Message(
                f"{n:032x}:1",
                f"+86138{n:08d}",
                text,
                before_ms,
                sender="12123",
                expiry_ms=before_ms,
            )
            for n in range(start, min(start + BATCH, messages))
        ]
        for start in range(0, messages, BATCH)
    ]
    await channel.collect()
    for _ in range(1_000):
        if channel.bound(LANE):
            break
        await asyncio.sleep(0.01)
    settle()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    collecting = asyncio.create_task(_collect(channel, messages * len(split(text))))
    for batch in batches:
        outcomes = await channel.send(LANE, batch, 10_000)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    await collecting
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    await channel.close()
    return {"us": round(cpu_s / messages * 1e6, 2), "per_s": round(messages / wall_s)}


async def _collect(channel: CarrierChannel, parts: int) -> None:
    found = 0
    while found < parts:
        await channel.arrived()
        collected = await channel.collect()
        found += sum(len(receipt.ref.split()) for receipt in collected.receipts)
        await channel.acknowledge(collected.token)


@contextmanager
def fast_peer(*words: str) -> Iterator[int]:
    """The port of `bench.smpp_peer`, or of another that ``words`` name."""
    process = subprocess.Popen(
        [sys.executable, "-m", *(words or ("bench.smpp_peer",))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@contextmanager
def node_peer() -> Iterator[int]:
    with tempfile.TemporaryDirectory() as folder:
        gateway = NodeGateway(Path(folder) / "ledger.jsonl", receiptMs=0)
        gateway.start()
        try:
            yield gateway.port
        finally:
            gateway.kill()


class Found(dict[str, dict[str, float]]):
    """The figures of each case, and how many yardsticks of the machine that was, taken right behind
    it: a shared machine is twice as fast at one moment as at the next."""

    def __setitem__(self, name: str, figures: dict[str, float]) -> None:
        of_it = figures["us"] / machine.yardstick_us()
        super().__setitem__(name, {**figures, "yardsticks": round(of_it, 2)})


def main() -> None:
    before_us = machine.yardstick_us()
    found = Found()
    for name, (text, window, digits) in CASES.items():
        with fast_peer() as port:
            found[name] = uvloop.run(sent(partial(smpp, port, window, digits), text, MESSAGES))
    for name, (protocol, text, window) in CMPP_CASES.items():
        with fast_peer("bench.cmpp_peer", protocol) as port:
            found[name] = uvloop.run(sent(partial(cmpp, protocol, port, window), text, MESSAGES))
    if node_smpp.lacks() is None:
        with node_peer() as port:
            opened = partial(smpp, port, 256, 0)
            found["smpp, one part, node-smpp"] = uvloop.run(sent(opened, TEXT, MESSAGES // 5))
    for name, figures in uvloop.run(channels_http.measured(TEXT, MESSAGES // 50)).items():
        found[name] = figures
    if channels_email.lacks() is None:
        for name, figures in uvloop.run(channels_email.run()).items():
            found[name] = figures
    with tempfile.TemporaryDirectory() as folder:
        found.update(_by_others(Path(folder)))
    print(f"{'client CPU a message':36}{'µs':>8}{'yardsticks':>12}{'a second':>12}")
    for name, figures in found.items():
        us, of_it = figures["us"], figures["yardsticks"]
        print(f"{name:36}{us:8.1f}{of_it:12.1f}{figures['per_s']:12,.0f}")
    here = machine.described(before_us)
    print(f"machine: {here}")
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": here, "messages": MESSAGES, "cases": found}, indent=1)
    (RESULTS / "channels.json").write_text(text + "\n")


def _by_others(folder: Path) -> dict[str, dict[str, float]]:
    """Pushes, WeChat, and the inbox."""
    found = Found()
    settings = Settings(data_dir=folder)
    with fast_peer("bench.push_peer") as port:
        found["web push"] = uvloop.run(channels_push.sent(port, MESSAGES // 20, settings))
    if channels_apns.lacks() is None:
        with fast_peer("bench.apns_peer", str(folder)) as port:
            found["push_apns"] = uvloop.run(channels_apns.measured(port, folder, MESSAGES // 50))
    with fast_peer("bench.wechat_peer") as port:
        sent = channels_wechat.measured(port, MESSAGES // 50)
        found["wechat, its simulator"] = uvloop.run(sent)
    found["inbox"] = uvloop.run(channels_inbox.measured(settings, MESSAGES // 5))
    return found


if __name__ == "__main__":
    main()
