"""The secrets of a cluster are made once, and only whoever may enter the folder finds them."""

from pathlib import Path

from typer.testing import CliRunner

from hub.__main__ import app
from hub.settings import KEYS, load

NAMES = {*KEYS, "push_key", "database_password"}


def run(folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["secrets", str(folder)])
    return result.exit_code, result.output


def test_each_is_a_file_in_a_folder_of_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert run(folder)[0] == 0
    files = {file.name: file for file in folder.iterdir()}
    assert set(files) == NAMES
    assert len({file.read_text() for file in files.values()}) == len(NAMES)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in files.values()} == {0o444}


def test_they_are_what_a_cluster_asks_for(tmp_path: Path) -> None:
    run(tmp_path / "secrets")
    settings = load(
        {
            "HUB_DATABASE": "postgresql+psycopg://fenghuo@postgres/fenghuo",
            "HUB_KAFKA": "kafka:9092",
            **{f"HUB_{name.upper()}_FILE": str(tmp_path / "secrets" / name) for name in NAMES},
        }
    )
    assert len({settings.key(name) for name in KEYS}) == len(KEYS)
    assert ":" in settings.database_url().partition("@")[0].partition("//")[2]


def test_what_is_there_stays(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    run(folder)
    before = {file.name: file.read_text() for file in folder.iterdir()}
    (folder / "kek").unlink()
    code, output = run(folder)
    assert (code, output) == (0, f"made in {folder}: kek\n")
    after = {file.name: file.read_text() for file in folder.iterdir()}
    assert before.pop("kek") != after.pop("kek")
    assert before == after
    assert run(folder) == (0, f"all there in {folder}\n")


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    code, output = run(tmp_path)
    assert code == 1
    assert f"chmod 700 {tmp_path}" in output
