"""Runs every tier of tests that this machine has the parts for, and names those left out.

With HUB_TEST_ALL=1 leaving one out is a failure.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from tests.cluster import native
from tests.peers import dovecot, jsmpp, node_smpp, postfix, prism, sms_core, web_push


def whole_lacks() -> str | None:
    return None  # it runs in this Python


def crash_lacks() -> str | None:
    return None  # it kills processes of this Python


def browser_lacks() -> str | None:
    if not Path("/usr/bin/chromium").exists():
        return "no /usr/bin/chromium (apt-get install chromium fonts-noto-cjk)"
    if find_spec("playwright") is None:
        return "no playwright in this Python (make test brings it)"
    return None


def cluster_lacks() -> str | None:
    if shutil.which("docker-compose") is None:
        return "no docker-compose to judge its file (apt-get install docker-compose)"
    return native.lacks() or node_smpp.lacks()


def peers_lacks() -> str | None:
    parts = (node_smpp, jsmpp, sms_core, prism, postfix, dovecot, web_push)
    return next((lacks for part in parts if (lacks := part.lacks())), None)


TIERS: dict[str, Callable[[], str | None]] = {
    "whole": whole_lacks,
    "crash": crash_lacks,
    "browser": browser_lacks,
    "peers": peers_lacks,
    "cluster": cluster_lacks,
}


SELECTED = {tier: f"{tier} and not soak" for tier in TIERS}
for _tier in ("crash", "peers"):
    SELECTED[_tier] += " and not cluster"
"""The tests of each tier by their marks: what needs a cluster is run with it, once. What runs for
hours has a command of its own."""


BESIDE = {
    "whole": ("-n", "3"),
    "crash": ("-n", "2", "--dist", "loadfile"),
    "peers": ("-n", "2", "--dist", "loadfile"),
    "cluster": ("-n", "2", "--dist", "loadfile"),
}
"""Tiers whose tests run side by side: they mostly wait, and have their parts for themselves."""


def main() -> int:
    lacking = {tier: lacks for tier, part in TIERS.items() if (lacks := part())}
    failed = [tier for tier in TIERS if tier not in lacking and not passes(tier)]
    for tier, lacks in lacking.items():
        print(f"tier {tier} left out: {lacks}")
    if failed:
        print(f"tiers failed: {', '.join(failed)}")
    return 1 if failed or (lacking and os.environ.get("HUB_TEST_ALL") == "1") else 0


def passes(tier: str) -> bool:
    """Whether its tests pass; a tier that selects no test does not."""
    print(f"tier {tier}", flush=True)
    command = [sys.executable, "-m", "pytest", "-m", SELECTED[tier], *BESIDE.get(tier, ())]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
