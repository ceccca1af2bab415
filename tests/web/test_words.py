"""Every word is said in both languages, every word asked for is there, and none lies about."""

import re
from pathlib import Path

import pytest

from streams.admission import DOOR
from streams.core.codec import TYPES
from streams.core.lifecycle import CATEGORY, Status
from streams.core.names import CARRIERS
from streams.core.routing import REASONS
from streams.topics import EVENTS, INBOUND
from templates.catalog_files import read_catalog
from templates.notice import CHANNELS
from web.words import FILE, Speech, read_words

WEB = FILE.parent.parent
NAMED = ("channel", "carrier", "class", "category", "status", "event", "reason", "subject", "where")
"""Asked for by a name that only comes with the data."""

LITERAL = re.compile(r"""\bt\(\s*f?["']([a-z_0-9.]+)["']""")
STEM = re.compile(r"""\bt\(\s*f?["']([a-z_.]+[._])(?:["']\s*[+~]|\{)""")


def texts() -> list[str]:
    files = [*WEB.glob("*.py"), *WEB.glob("pages/*.html")]
    return [file.read_text(encoding="utf-8") for file in files]


def words() -> set[str]:
    return set(read_words())


def test_every_word_asked_for_is_there():
    asked = {name for text in texts() for name in LITERAL.findall(text) if name[-1] not in "._"}
    assert len(asked) > 100
    assert asked - words() == set()


def test_every_word_is_asked_for():
    asked = {name for text in texts() for name in LITERAL.findall(text)}
    stems = tuple({stem for text in texts() for stem in STEM.findall(text)})
    named = tuple(f"{kind}." for kind in (*NAMED, "service", "error", "expected", "got", "value"))
    spoken = {word for word in words() if word.startswith((*stems, *named))}
    quoted = {word for word in words() for text in texts() if f'"{word.partition(".")[2]}"' in text}
    assert words() - asked - spoken - quoted == set()


def test_a_word_in_one_language_is_named(tmp_path: Path):
    file = tmp_path / "words.toml"
    file.write_text('[a]\nb = ["一", "one"]\nc = ["二"]\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.c"):
        read_words(file)


def test_values_fill_both_languages_alike():
    for name, (zh, en) in read_words().items():
        assert set(re.findall(r"\{(\w+)\}", zh)) == set(re.findall(r"\{(\w+)\}", en)), name


def test_what_the_hub_names_has_a_word():
    known = words()
    named = {
        *(f"status.{status}" for status in Status if status is not Status.NEW),
        *(f"category.{category}" for category in CATEGORY.values() if category),
        *(f"reason.{reason}" for reason in REASONS),
        *(f"channel.{channel}" for channel in CHANNELS),
        *(f"carrier.{carrier}" for carrier in CARRIERS),
        *(f"where.{where}" for where in (DOOR, EVENTS, INBOUND)),
    }
    assert named - known == set()
    legs = {word.partition(".")[2] for word in known if word.startswith("event.")}
    assert legs <= TYPES.keys()


def test_the_seeds_categories_and_services_have_words():
    notices = read_catalog().notices.values()
    named = {f"subject.{n.category}" for n in notices} | {f"service.{n.service}" for n in notices}
    assert named - words() == set()


def test_a_name_of_its_own_stays_as_it_is():
    speech = Speech(read_words(), "en")
    assert speech.named("carrier", "cmcc") == "China Mobile"
    assert speech.named("carrier", "vodafone") == "vodafone"
    assert speech.named("reason", "undelivered:UNDELIV") == "it did not reach (UNDELIV)"
    assert speech.named("reason", "of its own:x") == "of its own:x"
    with pytest.raises(KeyError):
        speech("no.such.word")


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (60_000, "1 minute"),
        (5 * 60_000, "5 minutes"),
        (3_600_000, "1 hour"),
        (14 * 3_600_000, "14 hours"),
        (86_400_000, "1 day"),
        (3 * 86_400_000, "3 days"),
    ],
)
def test_a_length_of_time_in_the_largest_unit_that_is_whole(ms: int, said: str):
    assert Speech(read_words(), "en").duration(ms) == said
