"""Apple's service as the tests have it: on a real HTTP/2 server, and every token is checked.

python -m bench.apns_peer FOLDER    # prints its port, ends when its input does

Its certificate is put into the folder as apple.pem, the key that it expects as signer.pem.
"""

import asyncio
import sys
from pathlib import Path

from tests.channels.apns_bench import PEM, Apple


async def main(folder: Path) -> None:
    apple = Apple(folder)
    await apple.start()
    (folder / "signer.pem").write_text(PEM, encoding="ascii")
    print(apple.url.rpartition(":")[2], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await apple.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
