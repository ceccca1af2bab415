"""What `hub doctor` says of lanes, of the data folder, and of the mailbox that bounces and replies
are read from."""

import asyncio
import mailbox
import socket
import sqlite3
import threading
from pathlib import Path

import pytest

from channels.mailbox_lmtp import LmtpMailbox
from hub import checks
from hub.checks import Check, examine
from hub.folder import JOURNAL
from hub.settings import KEYS, Settings, load
from tests.cluster.native_kafka import free_ports


def told(inbox: str, folder: Path) -> Settings:
    mail = {"HUB_SMTP_HOST": "127.0.0.1", "HUB_MAIL_RETURN": "mail@hub.example"}
    where = {"HUB_MAIL_INBOX": inbox, "HUB_MAIL_INBOX_PASSWORD": "secret"}
    return load({"HUB_DATA_DIR": str(folder), **mail, **where})


@pytest.fixture(autouse=True)
def _nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "OF_A_FOLDER", ())


def look(inbox: str, folder: Path) -> Check:
    [check] = examine(told(inbox, folder))
    assert check.name == "mailbox"
    assert check.says.startswith(inbox)
    return check


LANE = """
[[lane]]
name = "sms-a"
channel = "sms"
provider = "smpp"
rate_per_s = 100
sender = "10690000"

[lane.smpp]
host = "127.0.0.1"
port = 2775
system_id = "hub"
password_env = "CARRIER_A_PASSWORD"
"""


def lanes(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.setattr(checks, "OF_A_FOLDER", (checks._lanes,))
    file = folder / "lanes.toml"
    file.write_text(text, encoding="utf-8")
    [check] = examine(load({"HUB_DATA_DIR": str(folder), "HUB_LANES": str(file)}))
    return check


def test_a_lanes_file_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = lanes(tmp_path, LANE.replace('"sms"', '"fax"'), monkeypatch)
    assert check.state == "bad"
    assert "fax" in check.says


def test_an_account_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note: the process that sends may have it where this shell does not."""
    check = lanes(tmp_path, LANE, monkeypatch)
    assert check.state == "note"
    assert check.says.startswith("not known here: lane sms-a: CARRIER_A_PASSWORD must hold")
    monkeypatch.setenv("CARRIER_A_PASSWORD", "secret")
    assert lanes(tmp_path, LANE, monkeypatch) == Check("lanes", "good", "1, by smpp")


def test_where_none_is_read_none_is_looked_at(tmp_path: Path) -> None:
    assert list(examine(load({"HUB_DATA_DIR": str(tmp_path)}))) == []


def test_a_maildir_is_good_once_it_is_there_and_can_be_read(tmp_path: Path) -> None:
    box = tmp_path / "box"
    check = look(f"maildir://{box}", tmp_path)
    assert (check.state, check.says) == ("bad", f"maildir://{box}: there is no folder {box}")
    box.mkdir()
    check = look(f"maildir://{box}", tmp_path)
    assert check.state == "bad"
    assert "is no maildir" in check.says
    for part in ("new", "cur", "tmp"):
        (box / part).mkdir()
    check = look(f"maildir://{box}", tmp_path)
    assert (check.state, check.says) == ("good", f"maildir://{box} can be read")


def test_a_maildir_that_is_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be allowed everything."""
    mailbox.Maildir(tmp_path / "box", create=True)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    check = look(f"maildir://{tmp_path}/box", tmp_path)
    assert check.state == "bad"
    assert "may not be read and emptied by this user" in check.says


def test_a_port_that_nobody_has_yet(tmp_path: Path) -> None:
    [port] = free_ports(1)
    assert look(f"lmtp://127.0.0.1:{port}", tmp_path).state == "good"


async def test_a_port_that_a_hub_has(tmp_path: Path) -> None:
    box = LmtpMailbox("127.0.0.1", 0, lambda: None)
    await box.open()
    check = await asyncio.to_thread(look, f"lmtp://127.0.0.1:{box.port}", tmp_path)
    assert check.state == "good"
    await box.close()


def test_a_port_that_another_program_has(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        def greet() -> None:
            talk, _ = other.accept()
            talk.sendall(b"220 mx.example ESMTP Postfix\r\n")
            talk.close()

        greeting = threading.Thread(target=greet)
        greeting.start()
        check = look(f"lmtp://127.0.0.1:{port}", tmp_path)
        greeting.join()
    assert check.state == "bad"
    assert check.says.endswith("another program has this port")


def test_an_imap_server_that_is_not_there(tmp_path: Path) -> None:
    [port] = free_ports(1)
    check = look(f"imaps://hub@127.0.0.1:{port}", tmp_path)
    assert check.state == "bad"
    assert check.says.endswith("the connection is refused: no server listens there")
    assert "secret" not in check.says


# The data folder ----------------------------------------------------------------------------------


def of_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Check]:
    monkeypatch.setattr(checks, "OF_A_FOLDER", (checks._folder, checks._keys))
    return {check.name: check for check in examine(load({"HUB_DATA_DIR": str(folder)}))}


def test_whoever_only_looks_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `hub up` by another user would find keys that it may not read."""
    found = of_the_folder(tmp_path / "new" / "hub", monkeypatch)
    assert {check.state for check in found.values()} == {"good"}
    assert "not made yet" in found["data folder"].says
    assert "made at the first start" in found["keys"].says
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    check = of_the_folder(tmp_path / "file" / "hub", monkeypatch)["data folder"]
    assert (check.state, check.says) == (
        "bad",
        f"{tmp_path}/file cannot be written: Not a directory",
    )


def test_keys_that_are_gone_from_beside_their_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = load({"HUB_DATA_DIR": str(tmp_path)})
    for name in KEYS:
        told.key(name)
    journal = sqlite3.connect(tmp_path / JOURNAL)
    journal.execute("CREATE TABLE journal_batch (at_ms INTEGER)")
    journal.execute("INSERT INTO journal_batch VALUES (1)")
    journal.commit()
    journal.close()
    assert of_the_folder(tmp_path, monkeypatch)["keys"].state == "good"
    (tmp_path / "keys" / "kek").unlink()
    check = of_the_folder(tmp_path, monkeypatch)["keys"]
    assert (check.state, check.says.partition(":")[0]) == ("bad", "kek")
    assert not (tmp_path / "keys" / "kek").exists()
