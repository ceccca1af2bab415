"""What a lane's rows in the journal add up to."""

from typing import Literal

from channels.lanes import WELL, WHOLE, Standing
from streams.core import events as e
from streams.core.lifecycle import Journalled
from streams.core.standings import LaneStory, fold, lane_stream

LANE = "sms-a"


def folded(*events: e.Base) -> LaneStory:
    rows = [Journalled(version, 1_000 * version, x) for version, x in enumerate(events, 1)]
    return fold(rows)


def steered(
    action: Literal["pause", "resume", "weight", "allow"], weight: int = 0, notice: str = ""
) -> e.LaneSteered:
    return e.LaneSteered(
        lane=LANE, action=action, by="shell:li", reason="why", weight=weight, notice=notice
    )


def stopped(notice: str, wording: str) -> e.WordingStopped:
    return e.WordingStopped(lane=LANE, notice=notice, wording=wording, code="0x401")


LEFT = e.Shifted(lane=LANE, share=0, reason="errors", per_s=40, urgent_per_s=10, to=("sms-b",))
TRIED = e.Shifted(lane=LANE, share=5, reason="trial", per_s=40, urgent_per_s=10)
WELL_AGAIN = e.Shifted(lane=LANE, share=WHOLE, reason="whole")


def test_a_lane_of_which_nothing_is_said_is_well() -> None:
    story = folded()
    assert (story.standing, story.version) == (WELL, 0)


def test_each_lane_has_a_stream_of_its_own() -> None:
    assert lane_stream("sms-a") == lane_stream("sms-a") != lane_stream("sms-b")


def test_the_last_word_of_an_operator_holds() -> None:
    assert folded(steered("pause")).standing.paused
    assert not folded(steered("pause"), steered("resume")).standing.paused
    assert folded(steered("pause"), steered("resume"), steered("pause")).standing.paused


def test_a_weight_holds_until_it_is_given_back() -> None:
    assert folded(steered("weight", 5)).standing.weight == 5
    assert folded(steered("weight", 5), steered("pause")).standing.weight == 5
    assert folded(steered("weight", 5), steered("weight", 0)).standing.weight is None


def test_what_its_breaker_moved_is_what_it_said_last() -> None:
    assert folded(LEFT).standing == Standing(share=0, per_s=40, urgent_per_s=10)
    assert folded(LEFT, TRIED).standing == Standing(share=5, per_s=40, urgent_per_s=10)
    assert folded(LEFT, TRIED, WELL_AGAIN).standing == WELL


def test_a_refused_wording_stays_stopped_until_its_notice_is_allowed() -> None:
    story = folded(stopped("fine", "fine@1"), stopped("permit", "permit@3"))
    assert story.standing.stopped == {"fine@1", "permit@3"}
    story = folded(
        stopped("fine", "fine@1"), stopped("fine", "fine@2"), stopped("permit", "permit@3"),
        steered("allow", notice="fine"),
    )  # fmt: skip
    assert story.standing.stopped == {"permit@3"}


def test_one_does_not_undo_the_other() -> None:
    story = folded(steered("pause"), LEFT, stopped("fine", "fine@1"), steered("weight", 3))
    assert story.standing == Standing(True, 3, 0, 40, 10, frozenset({"fine@1"}))


def test_it_tells_the_last_of_each_kind_and_when() -> None:
    story = folded(steered("pause"), LEFT, steered("resume"), TRIED, stopped("fine", "fine@1"))
    assert story.steered == steered("resume")
    assert story.steered_ms == 3_000
    assert (story.shifted, story.shifted_ms) == (TRIED, 4_000)
    assert story.version == 5


def test_what_it_does_not_know_only_counts() -> None:
    story = folded(e.Expired(), LEFT)
    assert (story.version, story.standing.share) == (2, 0)
