"""The lanes file of a running hub: a change is followed, what cannot be used is refused."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.lanes_file import LanesFile, read_lanes
from hub.settings import load

TEXT = """
[[lane]]
name = "sms-a"
channel = "sms"
provider = "sandbox"
rate_per_s = 10
"""


class Followed:
    """A lanes file, and who follows it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.write_text(TEXT, encoding="utf-8")
        settings = load({"HUB_LANES": str(file)}, None)
        self.follower = LanesFile(settings, read_lanes(settings))

    def write(self, text: str) -> None:
        draft = self.file.with_suffix(".draft")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, self.file)


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path / "lanes.toml")


def test_a_file_that_stands_is_no_news(followed: Followed) -> None:
    assert followed.follower.look() is None


def test_a_change_is_told_once(followed: Followed) -> None:
    followed.write(TEXT + "weight = 7")
    lanes = followed.follower.look()
    assert lanes is not None
    assert lanes["sms-a"].weight == 7
    assert followed.follower.look() is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text + "weight = 0", "lane sms-a: weight must be"),
        (lambda text: text + "[[lane]", "TOML|array"),
        (lambda text: text.replace("sms-a", "sms-b"), "lane sms-a: is gone"),
        (lambda text: text + text.replace("sms-a", "sms-b"), "lane sms-b: is new"),
        (lambda text: text.replace('"sms"', '"voice"'), "lane sms-a: channel is changed"),
    ],
)
def test_what_cannot_be_used_is_said_until_it_is_mended(
    followed: Followed,
    change: Callable[[str], str],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    followed.write(change(TEXT))
    assert followed.follower.look() is None
    assert followed.follower.look() is None
    [line] = [record.message for record in caplog.records if record.name == "fenghuo.lanes"]
    assert line == followed.follower.wrong
    assert re.search(reason, followed.follower.wrong)
    followed.write(TEXT)
    assert followed.follower.look() is not None
    assert followed.follower.wrong == ""


def test_one_that_vanished_is_said(followed: Followed) -> None:
    followed.file.unlink()
    assert followed.follower.look() is None
    assert "No such file" in followed.follower.wrong
