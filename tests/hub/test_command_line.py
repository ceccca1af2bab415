"""The command line as a stranger meets it: help, bad input, what machines read."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from hub.__main__ import app
from hub.books import open_books
from hub.commands.bringing import BATCH, BATCH_BYTES, Line, _batches
from hub.commands.console import EXPECTED, Commands
from hub.folder import held
from hub.settings import load
from streams.core.codec import MAX_EVENT_BYTES
from streams.core.policy import DEFAULT, dump
from streams.journal.errors import JournalUnavailable
from templates.catalog_files import SEED

FOLDER = "HUB_DATA_DIR"


class Answered:
    """What a command said, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        return json.loads(self.out.splitlines()[-1])


def hub(*arguments: str, folder: Path | None = None, given: str = "") -> Answered:
    """Run a command in this process; none may raise."""
    environment = {FOLDER: str(folder)} if folder else {}
    result = CliRunner().invoke(app, arguments, input=given or None, env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answered(result.exit_code, result.stdout, result.stderr)


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*before, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))


ALL = list(commands(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a small demonstration was played, by the command itself."""
    folder = tmp_path_factory.mktemp("played")
    answered = hub("demo", "--events", "400", "--days", "1", "--folder", str(folder))
    assert answered.code == 0, answered.err
    assert answered.json["events"] == 400
    return folder


# Help ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    answered = hub(*command, "--help")
    assert answered.code == 0
    assert "Usage" in answered.out


def test_help_imports_nothing_heavy() -> None:
    """So that it comes at once."""
    code = (
        "import sys\nfrom hub.__main__ import app\n"
        "heavy = {'sqlalchemy', 'litestar', 'jinja2', 'uvicorn', 'cryptography'}\n"
        "sys.exit(' '.join(heavy & sys.modules.keys()) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_expected_errors_exist() -> None:
    """They are known by name; a renamed one would be a traceback."""
    root = Path(__file__).parents[2]
    text = "".join(
        file.read_text(encoding="utf-8")
        for folder in ("hub", "streams", "templates", "channels")
        for file in (root / folder).rglob("*.py")
    )
    assert [name for name in EXPECTED if f"class {name}(" not in text] == []


# Bad input ----------------------------------------------------------------------------------------

NOT_THERE = "0" * 32


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("publish", "none.jsonl"), 2, "none.jsonl: there is no such file"),
        (("recipients", "import", "none.csv"), 2, "none.csv: there is no such file"),
        (("explain", "xyz"), 2, "xyz is no id"),
        (("explain", NOT_THERE), 1, "no notification has the id"),
        (("history", "nobody"), 1, "nothing is known of nobody"),
        (("history", "nobody", "--json"), 1, "nothing is known of nobody"),
        (("quarantine", "show", "xyz"), 2, "xyz is no id"),
        (("quarantine", "show", NOT_THERE), 1, "nothing in quarantine has the id"),
        (("quarantine", "replay", NOT_THERE), 1, "nothing in quarantine has the id"),
        (("quarantine", "drop", NOT_THERE, "--reason", "x"), 1, "nothing in quarantine"),
        (("rebuild", "nothing"), 2, "no read model is called nothing"),
        (("replay",), 2, "--dry is required"),
        (("replay", "--dry", "--policy", "none.toml"), 2, "there is no such file"),
        (("policy", "show", "--version", "9"), 1, "there was no policy 9"),
        (("policy", "publish", "none.toml"), 2, "there is no such file"),
        (("wording", "publish", "none"), 2, "no folder of a notice"),
        (("key", "revoke", "none"), 1, "no key in use has the id none"),
        (("sandbox", "--faults", '{"x": 1}'), 2, "unknown field `x`"),
        (("publish", "-", "--url", "ftp://x"), 1, "no http or https address"),
    ],
)
def test_bad_input_is_a_sentence(
    played: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    answered = hub(*arguments, folder=played, given="{}\n")
    assert (answered.code, answered.out) == (code, "")
    assert says in answered.err
    assert len(answered.err.splitlines()) == 1


def test_a_folder_without_a_journal_is_a_sentence(tmp_path: Path) -> None:
    for command in ("report", "verify", "rebuild"):
        answered = hub(command, folder=tmp_path)
        assert answered.code == 1
        assert "no hub has run on" in answered.err


def test_keys_that_were_lost_are_not_made_anew(played: Path, tmp_path: Path) -> None:
    """Others would find nobody, and say that nobody was told anything."""
    folder = tmp_path / "copy"
    shutil.copytree(played, folder)
    (folder / "keys" / "index_key").unlink()
    for command in (("history", "sample-p00001"), ("publish", "-")):
        answered = hub(*command, folder=folder, given="{}\n")
        assert (answered.code, answered.out) == (2, "")
        assert "index_key: not in" in answered.err
    assert not (folder / "keys" / "index_key").exists()


def test_a_wrong_setting_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_PROT", "1")
    answered = hub("report")
    assert (answered.code, answered.err) == (
        2,
        "hub: HUB_PROT is not a setting; did you mean HUB_PORT?\n",
    )


def test_what_ends_a_running_hub_is_a_sentence() -> None:
    """Its tasks end together, in a group of groups."""
    full = typer.Typer(cls=Commands)

    @full.command()
    def one() -> None:
        raise ExceptionGroup("", [ExceptionGroup("", [JournalUnavailable("the disk is full")])])

    @full.command()
    def two() -> None:
        raise ExceptionGroup("", [ZeroDivisionError()])

    result = CliRunner().invoke(full, ["one"])
    assert (result.exit_code, result.stderr) == (1, "hub: the disk is full\n")
    assert isinstance(CliRunner().invoke(full, ["two"]).exception, ExceptionGroup)


def test_a_folder_in_use_is_a_sentence(tmp_path: Path) -> None:
    with held(tmp_path):
        answered = hub("demo", "--events", "1", "--folder", str(tmp_path))
    assert answered.code == 1
    assert "is in use by process" in answered.err


# What machines read -------------------------------------------------------------------------------


def test_report_says_the_same_as_the_journal(played: Path) -> None:
    answered = hub("report", "--recount", "--json", folder=played)
    assert answered.code == 0
    total = answered.json["total"]
    assert sum(total.values()) == 2 * total["notifications"]
    assert set(answered.json) == {
        "total", "by_channel", "by_carrier", "by_notice", "cost", "costs",
    }  # fmt: skip


def test_history_leads_to_explanations(played: Path) -> None:
    legs = hub("history", "sample-p00001", "--json", folder=played).json
    assert legs
    story = hub("explain", legs[0]["stream"], "--json", "--language", "en", folder=played).json
    assert story["recipient"] == "sample-p00001"
    assert story["told"]
    assert legs[0]["notice"] in hub("explain", legs[0]["stream"], folder=played).out


def test_decisions_are_told_to_machines_by_name(played: Path) -> None:
    """A list would be read by counting."""
    [leg, *_] = hub("history", "sample-p00001", "--json", folder=played).json
    story = hub("explain", leg["stream"], "--json", folder=played).json
    [first, *_] = [one["explained"] for one in story["told"] if one["explained"]]
    assert set(first) == {
        "rule", "kind", "reason", "policy", "at_ms", "heading", "sentence", "otherwise", "steps",
    }  # fmt: skip


def test_somebody_who_was_told_nothing_is_known_all_the_same(played: Path) -> None:
    with open_books(load({FOLDER: str(played)})) as books:
        refs = (f"sample-p{n:05}" for n in range(1, 1_000))
        ref = next(r for r in refs if books.reading.knows(r) and not books.reading.history(r))
    answered = hub("history", ref, folder=played)
    assert (answered.code, answered.out) == (0, f"{ref} was told nothing yet\n")
    assert hub("history", ref, "--json", folder=played).json == []


def test_the_journal_verifies(played: Path) -> None:
    answered = hub("verify", "--json", folder=played)
    assert answered.code == 0
    assert answered.json["rows"] > 400
    assert answered.json["faults"] == []


def test_rebuilding_changes_nothing(played: Path) -> None:
    before = hub("report", "--json", folder=played).json
    assert hub("rebuild", "--json", folder=played).json.keys() == {"legs", "quarantine"}
    assert hub("report", "--json", folder=played).json == before


def test_replaying_under_the_same_policy_differs_nowhere(played: Path) -> None:
    answered = hub("replay", "--dry", "--json", folder=played)
    assert answered.code == 0
    assert answered.json["summary"]["differences"] == 0
    assert answered.json["summary"]["decisions"] > 400


def test_doctor_names_what_it_looked_at(tmp_path: Path) -> None:
    names = [check["name"] for check in hub("doctor", "--json", folder=tmp_path).json]
    assert names == [
        "python", "packages", "data folder", "keys", "clock", "lanes", "hub", "sandbox", "display",
    ]  # fmt: skip


# Bringing events ----------------------------------------------------------------------------------

EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/test",
    "type": "gov.traffic.question.answered.v1",
    "time": "2026-11-24T10:00:00+08:00",
    "subject": "somebody",
    "data": {
        "question_no": "ZX1",
        "topic": "异地处理交通违法",
        "by": "福州市交警支队",
        "answered_at": "2026-11-24T10:00:00+08:00",
    },
}


def _lines(*events: object) -> str:
    return "".join(
        (event if isinstance(event, str) else json.dumps(event)) + "\n" for event in events
    )


def test_publishing_goes_on_after_a_bad_line(tmp_path: Path) -> None:
    unknown = {**EVENT, "id": "2", "type": "gov.unknown.v1"}
    text = _lines(EVENT, "{bad", unknown, "", {**EVENT, "id": "3"}, EVENT)
    answered = hub("publish", "-", "--json", folder=tmp_path, given=text)
    assert answered.code == 1
    told = answered.json
    assert (told["accepted"], told["duplicate"], told["refused"]) == (2, 1, 2)
    assert [(one["line"], one["field"]) for one in told["refusals"]] == [(2, "event"), (3, "type")]
    answered = hub("publish", "-", folder=tmp_path, given=text)
    assert "line 3: type: expected a type the catalog declares" in answered.err


def test_a_line_that_nobody_could_take_stops_no_other(tmp_path: Path) -> None:
    text = _lines("x" * (BATCH_BYTES + 1), EVENT)
    told = hub("publish", "-", "--json", folder=tmp_path, given=text).json
    assert (told["accepted"], told["refused"]) == (1, 1)
    assert told["refusals"] == [
        {
            "line": 1,
            "field": "event",
            "expected": f"at most {MAX_EVENT_BYTES} bytes",
            "got": f"{BATCH_BYTES + 1} bytes",
        }
    ]


def test_what_is_brought_at_once_fits_through_the_door() -> None:
    sizes = [BATCH_BYTES // 2, BATCH_BYTES // 2, 1, BATCH_BYTES, *[1] * (BATCH + 1)]
    lines = [Line(number, b"x" * size) for number, size in enumerate(sizes, 1)]
    batches = list(_batches(lines))
    assert [line for batch in batches for line in batch] == lines
    assert [len(batch) for batch in batches] == [2, 1, 1, BATCH, 1]


def test_why_a_door_stays_shut_is_a_sentence(tmp_path: Path) -> None:
    class Shut(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(401)
            self.end_headers()
            problem = {"field": "authorization", "expected": "a key", "got": ""}
            self.wfile.write(json.dumps({"error": problem}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Shut) as server:
        Thread(target=server.handle_request).start()
        url = f"http://127.0.0.1:{server.server_port}"
        bring = ("publish", "-", "--url", url, "--key", "other")
        answered = hub(*bring, folder=tmp_path, given=_lines(EVENT))
    assert answered.code == 1
    assert answered.err == f"hub: {url} answers 401: authorization: expected a key\n"


def test_what_was_refused_is_in_quarantine_and_can_be_mended(tmp_path: Path) -> None:
    hub("publish", "-", folder=tmp_path, given=_lines({**EVENT, "type": "gov.unknown.v1"}))
    [item] = hub("quarantine", "list", "--json", folder=tmp_path).json
    assert item["field"] == "type"
    shown = hub("quarantine", "show", item["id"], folder=tmp_path)
    assert json.loads(shown.out)["type"] == "gov.unknown.v1"
    again = hub("quarantine", "replay", item["id"], folder=tmp_path)
    assert again.code == 1
    assert "still refused: type" in again.err
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(EVENT), encoding="utf-8")
    again = hub(
        "quarantine", "replay", item["id"], "--file", str(mended), "--json", folder=tmp_path
    )
    assert again.json["status"] == "accepted"
    assert hub("quarantine", "list", "--json", folder=tmp_path).json == []
    closed = hub("quarantine", "list", "--state", "replayed", "--json", folder=tmp_path).json
    assert [one["id"] for one in closed] == [item["id"]]


def test_an_item_can_be_dropped_once(tmp_path: Path) -> None:
    hub("publish", "-", folder=tmp_path, given=_lines("{}"))
    [item] = hub("quarantine", "list", "--json", folder=tmp_path).json
    drop = ("quarantine", "drop", item["id"], "--reason", "a test of the sender's")
    assert hub(*drop, folder=tmp_path).code == 0
    assert hub(*drop, folder=tmp_path).code == 1


def test_importing_recipients_twice_is_once(tmp_path: Path) -> None:
    sheet = tmp_path / "people.csv"
    sheet.write_text(
        "\ufeffref,kind,name,phone\nr1,person,张示例,13800005678\nr2,persn,李示例,13800005679\n"
        "r3,person,王示例,abc\n",
        encoding="utf-8",
    )
    answered = hub("recipients", "import", str(sheet), "--json", folder=tmp_path)
    assert answered.code == 1
    assert answered.json["accepted"] == 1
    assert [(x["line"], x["field"]) for x in answered.json["refusals"]] == [
        (3, "kind"),
        (4, "data.phones[0]"),
    ]
    sheet.write_text("ref,kin,nam\nr1,person,张\n", encoding="utf-8")
    answered = hub("recipients", "import", str(sheet), "--json", folder=tmp_path)
    assert [(x["line"], x["field"]) for x in answered.json["refusals"]][:2] == [
        (1, "kin"),
        (1, "nam"),
    ]
    sheet.write_bytes("ref,kind,name\nr1,person,张\n".encode("gb18030"))
    assert "is not UTF-8" in hub("recipients", "import", str(sheet), folder=tmp_path).err


def test_checkpoints_find_a_journal_that_was_written_anew(played: Path, tmp_path: Path) -> None:
    folder, key, notes = tmp_path / "played", tmp_path / "key.pem", tmp_path / "notes"
    shutil.copytree(played, folder)
    key.write_bytes(a_key())
    signed = hub("checkpoint", str(notes), "--key", str(key), "--json", folder=folder)
    assert (signed.code, signed.json["row"]) == (
        0,
        hub("verify", "--json", folder=folder).json["rows"],
    )
    check = ("verify", "--checkpoints", str(notes), "--json")
    assert hub(*check, "--key", str(key), folder=folder).json["faults"] == []
    erase = ("recipients", "erase", "sample-p00002", "--reason", "x", "--yes")
    assert hub(*erase, folder=folder).code == 0
    assert hub(*check, "--key", str(key), folder=folder).code == 0, "it went on since"
    # another journal, whole in itself, in the place of this one
    shutil.rmtree(folder)
    assert hub("demo", "--events", "20", "--days", "1", "--folder", str(folder)).code == 0
    anew = hub(*check, "--key", str(key), folder=folder)
    assert anew.code == 1
    assert anew.json["faults"] == [
        f"the journal is not what checkpoint 1 saw at row {signed.json['row']}"
    ]


def test_checkpoints_want_the_key_they_were_signed_with(played: Path, tmp_path: Path) -> None:
    key, other, notes = tmp_path / "key.pem", tmp_path / "other.pem", tmp_path / "notes"
    key.write_bytes(a_key())
    other.write_bytes(a_key())
    assert hub("checkpoint", str(notes), "--key", str(key), folder=played).code == 0
    check = ("verify", "--checkpoints", str(notes))
    assert "no valid signature" in hub(*check, "--key", str(other), folder=played).out
    assert "--key is required" in hub(*check, folder=played).err
    other.write_text("no key", encoding="utf-8")
    for command in (check, ("checkpoint", str(notes))):
        refused = hub(*command, "--key", str(other), folder=played)
        assert (refused.code, refused.out) == (2, "")
        assert "expected a" in refused.err
        assert "Ed25519 key in PEM" in refused.err
    assert len(notes.read_text(encoding="utf-8").splitlines()) == 6, "one note, and an empty line"


def a_key() -> bytes:
    """As `openssl genpkey -algorithm ed25519` makes them."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def test_a_person_is_erased_when_it_is_meant(played: Path, tmp_path: Path) -> None:
    folder = tmp_path / "played"
    shutil.copytree(played, folder)
    erase = ("recipients", "erase", "sample-p00001", "--reason", "letter 12")
    asked = hub(*erase, folder=folder, given="n\n")
    assert asked.code == 1
    assert "for good" in asked.err
    done = hub(*erase, "--yes", "--json", folder=folder)
    assert (done.code, done.json["recipient"]) == (0, "sample-p00001")
    again = hub(*erase, "--yes", folder=folder)
    assert (again.code, again.out) == (1, "")
    assert "erased before" in again.err
    assert hub("verify", folder=folder).code == 0
    assert hub("report", "--recount", folder=folder).code == 0
    assert hub("history", "sample-p00001", "--json", folder=folder).json, "but not what it said"


def test_the_key_encryption_key_is_replaced(
    played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rewrap = tmp_path / "played", ("recipients", "rewrap", "--json")
    shutil.copytree(played, folder)
    old = (folder / "keys" / "kek").read_text(encoding="ascii").strip()
    monkeypatch.setenv("HUB_KEK", base64.b64encode(b"n" * 32).decode())
    erase = ("recipients", "erase", "sample-p00001", "--reason", "x", "--yes")
    assert "opens no recipient's key" in hub(*erase, folder=folder).err, "it is another key"
    monkeypatch.setenv("HUB_KEK_ID", "2")
    refused = hub(*rewrap, folder=folder)
    assert (refused.code, refused.out) == (1, "")
    assert "kek_spare: key-encryption key 1 was not given" in refused.err
    monkeypatch.setenv("HUB_KEK_SPARE", f"1:{old}")
    assert hub(*erase, folder=folder).code == 0
    done = hub(*rewrap, folder=folder)
    assert done.code == 0
    assert done.json["moved"] > 0
    monkeypatch.delenv("HUB_KEK_SPARE")
    assert hub(*rewrap, folder=folder).json == {"kek_id": 2, "moved": 0, "damaged": 0}
    assert hub("history", "sample-p00002", "--json", folder=folder).code == 0
    assert hub("report", "--recount", folder=folder).code == 0


def test_a_month_of_the_archive_is_removed(played: Path, tmp_path: Path) -> None:
    folder, month = tmp_path / "played", "202603"
    shutil.copytree(played, folder)
    kept = hub("archive", "--json", folder=folder).json["kept"]
    assert list(kept) == [month]
    remove = ("archive", "remove", month, "--reason", "kept for long enough")
    asked = hub(*remove, folder=folder, given="n\n")
    assert (asked.code, hub("archive", "--json", folder=folder).json["kept"]) == (1, kept)
    done = hub(*remove, "--yes", "--json", folder=folder)
    assert (done.code, done.json) == (0, {"month": 202603, "removed": kept[month]})
    again = hub(*remove, "--yes", folder=folder)
    assert (again.code, again.out) == (1, "")
    assert "month: expected one whose events are kept" in again.err
    told = hub("archive", "--json", folder=folder).json
    assert told["kept"] == {}
    assert [one["reason"] for one in told["removed"]] == ["kept for long enough"]
    shown = hub("archive", folder=folder).out
    assert month in shown
    assert "kept for long enough" in shown
    assert hub("verify", folder=folder).code == 0
    assert hub("report", "--recount", folder=folder).code == 0


def test_a_slip_is_no_order(played: Path) -> None:
    refused = hub("archive", "remove", "202602", "--reason", "x", "--yes", folder=played)
    assert (refused.code, refused.out) == (1, "")
    assert "month: expected one whose events are kept: 202603" in refused.err
    assert hub("archive", "--json", folder=played).json["removed"] == []


# Keys, wording, policy ----------------------------------------------------------------------------


def test_a_key_is_for_somebody(tmp_path: Path) -> None:
    answered = hub("key", "create", " ", folder=tmp_path)
    assert (answered.code, answered.out) == (2, "")
    assert "name" in answered.err


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    made = hub("key", "create", "traffic", "--json", folder=tmp_path).json
    [known] = hub("key", "list", "--json", folder=tmp_path).json
    assert known["id"] in made["key"]
    assert made["key"] not in hub("key", "list", folder=tmp_path).out
    revoke = hub("key", "revoke", known["id"], "--json", folder=tmp_path)
    assert revoke.json == {"id": known["id"], "revoked": True}
    assert hub("key", "revoke", known["id"], folder=tmp_path).code == 1


def test_new_wording_comes_into_force(tmp_path: Path) -> None:
    draft = tmp_path / "violation-paid"
    draft.mkdir()
    for file in (SEED / "violation-paid").iterdir():
        draft.joinpath(file.name).write_bytes(file.read_bytes())
    publish = ("wording", "publish", str(draft), "--json")
    assert hub(*publish, folder=tmp_path / "data").json["wording"] == "violation-paid@1"
    body = draft / "zh.sms.j2"
    body.write_text(body.read_text(encoding="utf-8").replace("。", "，谢谢。", 1), encoding="utf-8")
    assert hub(*publish, folder=tmp_path / "data").json["wording"] == "violation-paid@2"
    body.write_text("{{ nothing }}", encoding="utf-8")
    refused = hub(*publish, folder=tmp_path / "data")
    assert refused.code == 1
    assert refused.json["findings"]


def test_a_policy_comes_into_force(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    text = dump(DEFAULT).decode()
    file.write_text(text, encoding="utf-8")
    refused = hub("policy", "publish", str(file), folder=tmp_path / "data")
    assert refused.code == 1
    assert f"{file}: version: expected the next, 2" in refused.err
    file.write_text(text.replace("version = 1", "version = 2"), encoding="utf-8")
    published = hub("policy", "publish", str(file), "--json", folder=tmp_path / "data")
    assert published.json == {"policy": 2}
    assert "version = 2" in hub("policy", "show", folder=tmp_path / "data").out
    assert "version = 1" in hub("policy", "show", "--version", "1", folder=tmp_path / "data").out
