"""What people write back: when, which words, and what must hold of them.

A person answers the last text they got. Their carrier brings it as it brings receipts: again and
again until it is acknowledged, some of them with an id of its own and some without.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from channels.base import Reply
from preferences.keywords import keyword
from preferences.recipient import Preferences
from streams.core import events as e
from streams.core.identity import event_key
from streams.pipeline.replies import SOURCE
from streams.topics import INBOUND
from tests.simulation.catalog import ANSWER, POLICY
from tests.simulation.catalog import CLASS as CLASS_OF

if TYPE_CHECKING:
    from tests.simulation.book import Line
    from tests.simulation.invariants import Watch
    from tests.simulation.verdicts import Place

LANES = ("sms-cmcc", "sms-second-cmcc", "sms-any")
TEXTS = ("TD", "ＴＤ", "退订", "STOP", "START", "恢复订阅", "help", "那天不是我开的车")
SECRET = TEXTS[-1]


class Writing(NamedTuple):
    """One text somebody sends to our number, and the id their carrier gives it ("": none)."""

    at_ms: int
    ref: str
    phone: str
    lane: str
    text: str
    id: str


def writings(
    rng: random.Random, told: Sequence[tuple[int, str]], phones: dict[str, str], start_ms: int
) -> list[Writing]:
    """Mostly while something is under way for the same person; ``told`` is when that begins."""
    written: list[Writing] = []
    for number in range(rng.randrange(1, 6)):
        at_ms, ref = rng.choice([one for one in told if one[1] in phones])
        at_ms += rng.choice((1_500, 4_000, 8_000, 30_000, 3_600_000, 26 * 3_600_000))
        name = f"mo-{number}" if rng.random() < 0.5 else ""
        text = rng.choice(TEXTS)
        pressed = rng.choice((1, 1, 1, 2))
        lane, at_ms = rng.choice(LANES), max(at_ms, start_ms)
        written += [
            Writing(at_ms + n * 1_000, ref, phones[ref], lane, text, f"{name}-{n}" if name else "")
            for n in range(pressed)
        ]
        if keyword(text) == "stop" and rng.random() < 0.4:  # and they think better of it
            after_ms = at_ms + rng.choice((2_000, 60_000, 5 * 3_600_000))
            again = f"{name}-start" if name else ""
            written.append(Writing(after_ms, ref, phones[ref], lane, "START", again))
    return sorted(written)


class Mouth:
    """The carriers' side: brings what was written until it is told that it was taken."""

    def __init__(self) -> None:
        self._waiting: list[Writing] = []
        self._handed: dict[int, tuple[str, list[Writing]]] = {}
        self._token = 0
        self.heard: list[Writing] = []

    def say(self, writing: Writing) -> None:
        self._waiting.append(writing)

    def take(self, owner: str, token: int, now_ms: int) -> tuple[int, tuple[Reply, ...]]:
        """What waits, under this token or one of its own."""
        if not self._waiting:
            return token, ()
        self._token -= 1
        token = token or self._token
        said, self._waiting = self._waiting, []
        self._handed[token] = owner, said
        return token, tuple(
            Reply(w.lane, f"+86{w.phone}", "12123", w.text, now_ms, ref=w.id) for w in said
        )

    def acknowledge(self, token: int) -> None:
        _, said = self._handed.pop(token, ("", []))
        self.heard += said

    def drop(self, owner: str) -> None:
        """A link broke: what was handed over on it comes again."""
        for token, (held_by, said) in list(self._handed.items()):
            if held_by == owner:
                del self._handed[token]
                self._waiting += said


class Words:
    """What a word stopped stays stopped until its writer says otherwise: no intent comes after."""

    def __init__(self, watch: "Watch") -> None:
        self._watch = watch
        self._stopped: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self.asked: list[e.ReplyReceived] = []

    def on_reply(self, line: "Line", event: e.ReplyReceived) -> None:
        self._watch.hits[f"reply {event.done}"] += 1
        self.asked.append(event)
        stopped = self._stopped[event.recipient]
        match event.done:
            case "stopped":
                stopped.update(dict.fromkeys(event.categories, line.commit))
            case "started":
                for category in event.categories:
                    stopped.pop(category, None)
            case "kept":
                [category] = event.categories
                if POLICY.classes[CLASS_OF[category]].opt_out:
                    self._watch.wrong("I9", f"{category} could be refused, and was kept")

    def on_choice(self, ref: str) -> None:
        """On a page, after the word: whatever they ticked counts now."""
        self._stopped[ref].clear()

    def on_switched(self, ref: str, before: object, after: Preferences) -> None:
        """I10: a word changes no more of what somebody chose than it speaks of, also when they
        chose something else at the same moment."""
        self._watch.hits["I10 words"] += 1
        known = before if isinstance(before, Preferences) else Preferences()
        if replace(known, off=(), version=0) != replace(after, off=(), version=0):
            self._watch.wrong("I10", f"a word of {ref} made {after} of {known}")

    def on_intent(self, line: "Line", head: e.Head) -> None:
        """I9: a stop by word that is committed before the intent always wins."""
        commit = self._stopped[head.recipient].get(head.category)
        if commit is not None and commit < line.commit:
            name = line.row.stream[10:].hex()
            self._watch.wrong("I9", f"{name} an intent although a word had stopped {head.category}")

    def on_suppressed(self, head: e.Head, event: e.Suppressed) -> None:
        if event.reason == "opted_out" and head.category in self._stopped[head.recipient]:
            self._watch.hits["I9 a word won"] += 1

    def answers_due(self) -> "set[Place]":
        """The answers that were promised."""
        return {
            (event_key(SOURCE, x.reply.hex()), ANSWER, x.recipient, "", "")
            for x in self.asked
            if x.answered
        }


def nothing_said_in_vain(watch: "Watch") -> None:
    """I3 and I13 for replies: what a carrier was told is safe is on record, with what it asked for,
    and nothing is on record that nobody wrote."""
    known: defaultdict[str, list[e.ReplyReceived]] = defaultdict(list)
    for event in watch.words.asked:
        known[event.recipient].append(event)
    written: defaultdict[str, list[Writing]] = defaultdict(list)
    for writing in watch.world.provider.mouth.heard:
        written[writing.ref].append(writing)
    set_aside = any(
        isinstance(x.event, e.Quarantined) and x.event.where == INBOUND for x in watch.book.lines
    )
    index = watch.world.index
    for ref, texts in written.items():
        asked = {event.asked for event in known[ref]}
        names = Counter(event.reply for event in known[ref])
        for one in texts:
            watch.hits["I13 replies"] += 1
            if keyword(one.text) not in asked and not set_aside:  # by who is registered later
                watch.wrong("I13", f"{ref} wrote {one.text!r}, and nobody knows")
            if one.id and names[index.reply(one.lane, f"+86{one.phone}", one.id)] > 1:
                watch.wrong("I13", f"{ref} wrote {one.text!r} once, and it is known twice")
    for ref in known.keys() - written.keys():
        watch.wrong("I13", f"{ref} wrote nothing, and is said to have")
