"""The commands about what goes abroad, and the sandbox that plays the provider there."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from channels.twilio_account import API
from hub.settings import Secret, Settings, SettingsError, load

ACCOUNT = {"HUB_TWILIO_ACCOUNT": "AC" + "0" * 32, "HUB_TWILIO_TOKEN": "t", "HUB_TWILIO_FROM": "+1"}


def hub(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"HUB_DATA_DIR": str(folder), "PATH": "/usr/bin:/bin", **more}
    command = [sys.executable, "-m", "hub", *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_lane_is_allowed_and_forbidden_on_record(tmp_path: Path) -> None:
    done = hub(tmp_path, "abroad", "allow", "sms-any", "--reason", "Order 7 of 2026")
    assert (done.returncode, done.stderr) == (0, "")
    listed = hub(tmp_path, "abroad", "list", "--json")
    assert json.loads(listed.stdout) == {"allowed": ["sms-any"]}
    assert hub(tmp_path, "abroad", "forbid", "sms-any", "--reason", "It has ended").returncode == 0
    assert json.loads(hub(tmp_path, "abroad", "list", "--json").stdout) == {"allowed": []}


def test_a_lane_that_is_none_is_named(tmp_path: Path) -> None:
    done = hub(tmp_path, "abroad", "allow", "sms-nowhere", "--reason", "why not")
    assert done.returncode == 1
    assert "lane: expected one of the lanes file" in done.stderr


def test_the_sandbox_of_twilio_listens_until_it_is_told_to_end(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "hub", "twilio-sandbox", "--port", "0"],
        env={"HUB_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", **ACCOUNT},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("listening on http://127.0.0.1:")
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
        running.stdout.close()
    assert (tmp_path / "twilio.jsonl").read_bytes() == b""


def test_a_lane_of_a_provider_that_is_not_set_up_is_named(tmp_path: Path) -> None:
    lanes = tmp_path / "lanes.toml"
    lanes.write_text(
        '[[lane]]\nname = "sms-abroad"\nchannel = "sms"\nprovider = "sms_twilio"\nrate_per_s = 1\n'
    )
    done = hub(tmp_path, "abroad", "allow", "sms-abroad", "--reason", "x", HUB_LANES=str(lanes))
    assert done.returncode == 1
    assert "lane sms-abroad: provider must be one that is set up (inbox, sandbox)" in done.stderr


def test_the_sandbox_asks_for_an_account(tmp_path: Path) -> None:
    done = hub(tmp_path, "twilio-sandbox")
    assert done.returncode == 2
    assert "HUB_TWILIO_ACCOUNT" in done.stderr


def test_an_account_is_put_together_from_its_settings() -> None:
    told = load({**ACCOUNT, "HUB_TWILIO_SHARED_KEY": "s"}).twilio()
    assert told is not None
    assert (told.sid, told.token, told.sender, told.shared_key, told.api_url) == (
        ACCOUNT["HUB_TWILIO_ACCOUNT"], "t", "+1", "s", API,
    )  # fmt: skip
    assert told.callback_url == Settings().public_url
    assert Settings().twilio() is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"twilio_token": None}, "twilio_token must be set where twilio_account is"),
        ({"twilio_from": "12123"}, "twilio_from must be a number with its"),
        ({"twilio_from": ""}, "twilio_from must be a number with its"),
    ],
)
def test_an_account_that_is_not_whole(changes: dict[str, object], message: str) -> None:
    whole = {"twilio_account": "AC1", "twilio_token": Secret("t"), "twilio_from": "+1"}
    with pytest.raises(SettingsError, match=message):
        Settings(**{**whole, **changes})  # type: ignore[arg-type]
