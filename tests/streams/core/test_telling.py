"""Every journalled event as a sentence, in both languages."""

from typing import get_args

import pytest

from streams.core import events as e
from streams.core import telling
from streams.core.codec import TYPES
from streams.core.names import Language
from streams.core.telling import tell
from tests import golden
from tests.streams.core.journal_samples import EVERY_EVENT
from tests.streams.core.legs import accepted, cancelled
from tests.streams.core.samples import NOON

LANGUAGES: tuple[Language, ...] = get_args(Language)
IN_BOTH = pytest.mark.parametrize("language", LANGUAGES)
LATE = "Cancelled, too late"


def told(language: Language) -> dict[str, str]:
    return {name: tell(x, language, too_late=name == LATE) for name, x in EVERY_EVENT.items()}


class TestGolden:
    @IN_BOTH
    def test_every_event_reads_as_it_was_approved(self, language: Language) -> None:
        lines = [f"## {name}\n{sentence}\n" for name, sentence in told(language).items()]
        golden.check(f"timelines/{language}.txt", "\n".join(lines))

    def test_no_event_is_missing(self) -> None:
        assert {type(event).__name__ for event in EVERY_EVENT.values()} == set(TYPES)

    def test_no_sentence_is_missing(self) -> None:
        used = {telling._case(x, type(x).__name__, n == LATE) for n, x in EVERY_EVENT.items()}
        assert used == set(telling.SENTENCES)


@IN_BOTH
def test_no_sentence_has_a_gap(language: Language) -> None:
    for sentence in told(language).values():
        assert not any(odd in sentence for odd in ("{", "}", "  ", "（）", "()", " ."))


def test_times_are_by_the_clock_of_the_recipient() -> None:
    event = e.Delivered(attempt=2, code="", at_ms=NOON)
    assert tell(event, "en", "America/New_York") == (
        "The carrier reports that it was delivered at 2026-11-23 23:00:00."
    )


def test_an_acceptance_names_its_lane_where_the_row_does() -> None:
    assert tell(accepted(), "en") == "Accepted under the reference ref-2."


def test_a_stop_is_too_late_only_when_said_so() -> None:
    assert tell(cancelled(), "en").startswith("Cancelled: ")
    assert tell(cancelled(), "en", too_late=True).startswith("Cancelled too late: ")


def test_a_reason_nobody_foresaw_is_given_as_it_is() -> None:
    event = e.Failed(reason="something_new")
    assert "something_new" in tell(event, "zh")
