"""``hub replay --dry`` at the terminal: asked rightly and wrongly."""

from pathlib import Path

import msgspec
import pytest
from click.testing import Result
from msgspec.structs import replace
from typer.testing import CliRunner

from hub.__main__ import app
from hub.bootstrap import open_vault
from hub.migrating import migrate_folder
from hub.settings import load
from streams.core.policy import DEFAULT, dump
from tests.streams.core.legs import routed
from tests.streams.core.samples import NOON, SMS, facts
from tests.streams.journals import journal, write

LEG = (1).to_bytes(16, "big")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder in which the third reminder of the day was sent to somebody."""
    third = facts(at_ms=NOON, sent_today=2, channels=(SMS,))
    migrate_folder(tmp_path)
    open_vault(load({"HUB_DATA_DIR": str(tmp_path)}, None))  # and its keys
    with journal(tmp_path) as store:
        write(store, LEG, replace(routed(), facts=third), at_ms=NOON)
    return tmp_path


def hub(folder: Path, *words: str | Path) -> Result:
    return CliRunner().invoke(app, ["replay", *map(str, words)], env={"HUB_DATA_DIR": str(folder)})


def cap_of_two(folder: Path) -> Path:
    rule = replace(DEFAULT.classes["reminder"], cap=2)
    draft = replace(DEFAULT, version=2, classes={**DEFAULT.classes, "reminder": rule})
    file = folder / "draft.toml"
    file.write_bytes(dump(draft))
    return file


def test_under_the_policy_in_force_nothing_differs(folder: Path) -> None:
    told = hub(folder, "--dry")
    assert told.exit_code == 0
    assert "1 decisions made again, 0 differences" in told.output


def test_a_draft_that_decides_otherwise_ends_with_one(folder: Path) -> None:
    told = hub(folder, "--dry", "--policy", cap_of_two(folder))
    assert told.exit_code == 1
    assert "hold: frequency_cap" in told.output


def test_a_machine_is_answered_with_one_document(folder: Path) -> None:
    told = hub(folder, "--dry", "--policy", cap_of_two(folder), "--json")
    answer = msgspec.json.decode(told.stdout)
    assert answer["summary"]["differences"] == 1
    assert [one["stream"] for one in answer["differences"]] == [LEG.hex()]


def test_every_difference_is_written_to_a_file(folder: Path) -> None:
    listed = folder / "all.jsonl"
    hub(folder, "--dry", "--policy", cap_of_two(folder), "--list", listed)
    [line] = listed.read_bytes().splitlines()
    assert msgspec.json.decode(line)["after"]["reason"] == "frequency_cap"


@pytest.mark.parametrize(("since", "decisions"), [("2026-11-24", 1), ("2026-11-25", 0)])
def test_from_a_day_on(folder: Path, since: str, decisions: int) -> None:
    assert f"{decisions} decisions" in hub(folder, "--dry", "--since", since).output


def test_from_a_time_on(folder: Path) -> None:
    told = hub(folder, "--dry", "--since", "2026-11-24T12:00:00.001+08:00")
    assert "0 decisions" in told.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--dry is required"),
        (("--dry", "--since", "yesterday"), "--since yesterday: expected a day"),
        (("--dry", "--policy", "nowhere.toml"), "there is no such file"),
        (("--dry", "--policy", "a.toml", "--wording", "b"), "one at a time"),
        (("--dry", "--wording", "nowhere"), "no folder of a notice"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_sentence(
    folder: Path, words: tuple[str, ...], said: str
) -> None:
    told = hub(folder, *words)
    assert told.exit_code == 2
    assert said in told.output
    assert told.output.startswith("hub: ")


def test_a_draft_that_could_not_be_in_force_is_refused(folder: Path) -> None:
    draft = folder / "draft.toml"
    draft.write_text("version = 2\n[classes.notice]\ncaps = 2\n")
    told = hub(folder, "--dry", "--policy", draft)
    assert told.exit_code == 1
    assert "classes.notice.caps: expected no such field" in told.output


def test_a_folder_on_which_no_hub_has_run_is_said_so(tmp_path: Path) -> None:
    told = hub(tmp_path, "--dry")
    assert told.exit_code == 1
    assert "no hub has run" in told.output
