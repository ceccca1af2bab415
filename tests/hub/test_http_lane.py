"""Lanes that describe their provider: their secrets, and the sandbox that plays the provider."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from hub.bootstrap import check_passwords
from hub.lanes_file import read_lanes
from hub.settings import SettingsError, load, secret_of
from tests.channels.http_bench import SMS

KEYS = {"EXAMPLE_KEY": "a", "EXAMPLE_CALLBACK_KEY": "b"}


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def check(folder: Path) -> None:
    file = folder / "lanes.toml"
    file.write_text(SMS, encoding="utf-8")
    check_passwords(read_lanes(load({"HUB_LANES": str(file)}, None)))


def test_without_its_secrets_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="lane sms-example: EXAMPLE_KEY must hold"):
        check(tmp_path)
    monkeypatch.setenv("EXAMPLE_KEY", "a")
    with pytest.raises(SettingsError, match="lane sms-example: EXAMPLE_CALLBACK_KEY must hold"):
        check(tmp_path)
    monkeypatch.setenv("EXAMPLE_CALLBACK_KEY", "b")
    check(tmp_path)


def test_a_secret_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("from a file\n")
    monkeypatch.setenv("EXAMPLE_KEY_FILE", str(file))
    assert secret_of("EXAMPLE_KEY") == "from a file"
    monkeypatch.setenv("EXAMPLE_KEY", "itself")
    assert secret_of("EXAMPLE_KEY") == "itself"


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_KEY_FILE", "/nowhere/secret")
    with pytest.raises(SettingsError, match=r"EXAMPLE_KEY_FILE: .*nowhere"):
        secret_of("EXAMPLE_KEY")


def sandbox(folder: Path, **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "hub", "http-sandbox", "--port", "0"],
        env={"HUB_DATA_DIR": str(folder), "PATH": "/usr/bin:/bin", **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_sandbox_of_a_provider_listens_until_it_is_told_to_end(tmp_path: Path) -> None:
    with sandbox(tmp_path, **KEYS) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:")
            answer = httpx.post(f"{line.split()[-1]}/v1/messages", json={}, trust_env=False)
            assert (answer.status_code, answer.json()["code"]) == (401, "4010")
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
    assert (tmp_path / "http.jsonl").exists()


def test_the_sandbox_needs_the_secrets_that_both_sides_know(tmp_path: Path) -> None:
    with sandbox(tmp_path) as running:
        _, said = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "EXAMPLE_KEY and EXAMPLE_CALLBACK_KEY must hold" in said
