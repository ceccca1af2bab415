"""Our simulator of WeChat, which answers at once and calls nobody back.

python -m bench.wechat_peer     # prints its port, ends when its input does
"""

import asyncio
import sys

from channels.sandbox_http import Pace
from channels.wechat_sandbox import WechatSandbox
from hub.clock import Real
from tests.channels.wechat_bench import SECRET, the_door


async def main() -> None:
    sandbox = WechatSandbox(Real(), the_door(), SECRET, pace=Pace(answer_ms=0))
    await sandbox.start()
    print(sandbox.url.rpartition(":")[2], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await sandbox.stop()


if __name__ == "__main__":
    asyncio.run(main())
