"""The documentation says what the code does, and every line of it that can be checked is."""

import json
import re
import shlex
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

from preferences.vault import Keys, Vault
from streams import topics
from streams.core.codec import parse_time
from streams.core.events import Event
from streams.core.identity import event_key
from streams.core.lifecycle import CATEGORY, Status
from streams.core.policy import ClassPolicy, Policy
from streams.door import Incoming, examine
from templates.catalog_files import SEED, read_catalog
from templates.links import OFFICIAL
from tests.reference import MEASURED, PARTS, ROOT, commands_of, handlers, made_parts, pages
from web import health
from web.api import Outcomes

CATALOG = read_catalog(SEED)
NOW = "2026-11-24T10:00:00+08:00"

PAGES = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in pages()}
MADE = [(name, part) for name, text in PAGES.items() for part in made_parts(text)]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_VARIABLE = re.compile(r"[A-Z_]+=")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FILE = re.compile(
    r"`((?:streams|templates|channels|preferences|web|hub|tests|bench|docs)/[\w./-]*\w)`"
)


def blocks(text: str, kind: str) -> list[str]:
    return [body for language, body in _BLOCK.findall(text) if language == kind]


def prose(text: str) -> str:
    """The page without its code blocks."""
    return _BLOCK.sub("", text)


# What is made from the code ---------------------------------------------------------------------


@pytest.mark.parametrize(("page", "part"), [one for one in MADE if one[1] not in MEASURED])
def test_made_parts_are_as_the_code_is(page: str, part: str) -> None:
    assert made_parts(PAGES[page])[part] == PARTS[part](), f"{page} is out of date: make docs"


def test_every_made_part_is_on_a_page() -> None:
    assert {part for _, part in MADE} == set(PARTS)


def test_every_command_says_what_it_does() -> None:
    assert [name for name, command in commands_of() if not command.help] == []


def test_every_route_says_what_it_does() -> None:
    assert [path for _, path, handler in handlers() if not handler.fn.__doc__] == []


# What is written by hand ------------------------------------------------------------------------


def _unnamed(page: str, names: list[str]) -> list[str]:
    return [name for name in names if f"`{name}`" not in PAGES[page]]


def test_the_envelope_is_documented() -> None:
    fields = [field.name for field in msgspec.structs.fields(Event)]
    assert _unnamed("docs/reference/events.md", fields) == []


def test_the_policy_is_documented() -> None:
    fields = [f.name for kind in (Policy, ClassPolicy) for f in msgspec.structs.fields(kind)]
    assert _unnamed("docs/reference/settings.md", fields) == []


def test_every_status_and_category_is_documented() -> None:
    names = [*Status, *filter(None, CATEGORY.values())]
    assert _unnamed("docs/concepts/leg.md", list(map(str, names))) == []


def test_every_topic_in_use_is_documented() -> None:
    names = [topics.EVENTS, topics.PARKED, topics.OUTCOMES, topics.INBOUND]
    assert _unnamed("docs/internals/river.md", names) == []


def test_the_key_of_an_event_is_computed_as_documented() -> None:
    page = PAGES["docs/reference/events.md"]
    [(source, event_id, key)] = re.findall(r"source `(\S+)` and id `(\S+)` it is `(\w+)`", page)
    assert event_key(source, event_id).hex() == key


def test_every_module_of_the_river_is_on_the_map() -> None:
    modules = [*ROOT.glob("streams/*.py"), *ROOT.glob("streams/core/*.py")]
    names = [f"`{m.relative_to(ROOT).as_posix()}`" for m in modules if m.stem != "__init__"]
    assert len(names) > 50
    assert [name for name in names if name not in PAGES["docs/internals/map.md"]] == []


def test_every_metric_is_documented() -> None:
    source = Path(health.__file__).read_text(encoding="utf-8")
    metrics = sorted(set(re.findall(r"\bfenghuo_\w*[a-z]", source)))
    assert metrics
    assert [m for m in metrics if m not in PAGES["docs/guides/operators.md"]] == []


# Links, files and commands ----------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    dead = []
    for link in _LINK.findall(prose(PAGES[page])):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            dead.append(link)
    assert dead == []


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = _HEADING.findall(prose(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def test_every_page_is_reached_from_the_readme() -> None:
    links: dict[str, set[str]] = defaultdict(set)
    for page, text in PAGES.items():
        for link in _LINK.findall(prose(text)):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            if target.is_relative_to(ROOT):
                links[page].add(str(target.relative_to(ROOT)))
    reached, fresh = set[str](), {"README.md"}
    while fresh:
        reached |= fresh
        fresh = {one for page in fresh for one in links[page] if one in PAGES} - reached
    assert set(PAGES) - reached == set()


@pytest.mark.parametrize("page", PAGES)
def test_files_named_exist(page: str) -> None:
    text = prose(PAGES[page])
    assert [name for name in _FILE.findall(text) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_shown_exist(page: str) -> None:
    """In blocks marked console: make's targets, and the hub's commands with their options."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    known = dict(commands_of())
    for line in _commands(PAGES[page]):
        words = [w for w in shlex.split(line, comments=True) if not _VARIABLE.match(w)]
        if words[:1] == ["make"]:
            assert set(words[1:]) <= targets, line
        elif words and words[0].rpartition("/")[2] == "hub":
            assert _is_known(words[1:], known), line


def _commands(text: str) -> list[str]:
    """What a reader is to type, continued lines joined."""
    joined = [body.replace("\\\n", " ") for body in blocks(text, "console")]
    return [line[2:] for body in joined for line in body.splitlines() if line.startswith("$ ")]


def _is_known(words: list[str], known: dict[str, object]) -> bool:
    if words == ["--help"]:
        return True
    if words[:1] == ["--settings"]:
        words = words[2:]
    for length in (2, 1):
        command = known.get(" ".join(["hub", *words[:length]]))
        if command is not None:
            options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}  # type: ignore[attr-defined]
            given = {word.partition("=")[0] for word in words if word.startswith("-")}
            return given <= options | {"--help", "-h"}
    return False


# Events shown -----------------------------------------------------------------------------------


def _events_shown() -> list[tuple[str, str]]:
    """Every whole event on a page: blocks of JSON, and what curl is given."""
    given = [
        (page, word)
        for page, text in PAGES.items()
        for word in [*blocks(text, "json"), *map(_body_of, _commands(text))]
    ]
    return [(page, word) for page, word in given if "specversion" in word]


def _body_of(command: str) -> str:
    """What a curl line sends; "" for any other."""
    words = shlex.split(command, comments=True)
    return words[words.index("-d") + 1] if "-d" in words else ""


def test_events_are_shown() -> None:
    assert {"README.md", "docs/start.md", "docs/guides/upstream.md"} <= {
        p for p, _ in _events_shown()
    }


@pytest.mark.parametrize(("page", "body"), _events_shown())
def test_events_shown_would_be_taken(page: str, body: str) -> None:
    """By the door, at the time that the page gives or the reader's own clock does."""
    text = body.replace("$(date -Iseconds)", NOW).replace("$(date +%s)", "1")
    read = json.loads(text)
    now_ms = parse_time(NOW)
    assert now_ms
    vault = Vault(Keys(bytes(32), bytes(32)), bytes)
    for event in read if isinstance(read, list) else [read]:
        raw = json.dumps(event).encode()
        assert isinstance(examine(raw, CATALOG, OFFICIAL, vault.digest, now_ms), Incoming), page


def test_outcomes_are_shown_as_they_are_answered() -> None:
    page = PAGES["docs/guides/upstream.md"]
    [shown] = [body for body in blocks(page, "json") if '"outcomes"' in body]
    event = json.loads(next(body for body in blocks(page, "json") if "specversion" in body))
    [told] = msgspec.json.decode(shown, type=Outcomes, strict=True).outcomes
    assert told.event == event_key(event["source"], event["id"]).hex()
    assert told.notice in CATALOG.notices


def test_pages_are_few_enough_to_be_read() -> None:
    """Nobody reads a page of a thousand lines; made parts are looked up, not read."""
    lengths = {page: len(text.splitlines()) for page, text in PAGES.items()}
    for page, part in MADE:
        lengths[page] -= len(made_parts(PAGES[page])[part].splitlines())
    assert {page: length for page, length in lengths.items() if length > 250} == {}
