"""Every decision told in both languages, and what would have had to be different."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from preferences.rules import DAY_MS
from streams.core import explaining
from streams.core.explaining import counterfactual, explain, plain_name, text
from streams.core.names import Language, moment
from streams.core.policy import DEFAULT, Policy
from streams.core.routing import REASONS, STEPS, decide, trace
from streams.core.routing_facts import Facts
from tests import golden
from tests.streams.core.samples import CHINA, EVERY_REASON, NOON, when
from tests.streams.core.test_routing import any_facts, moments

LANGUAGES: tuple[Language, ...] = get_args(Language)
Case = tuple[Facts, Policy, int]

EVERY_CASE = pytest.mark.parametrize("case", EVERY_REASON.values(), ids=EVERY_REASON)
IN_BOTH = pytest.mark.parametrize("language", LANGUAGES)


class TestGolden:
    @IN_BOTH
    def test_every_reason_reads_as_it_was_approved(self, language: Language) -> None:
        told = [
            f"## {name}\n\n{text(explain(*case, language), language)}"
            for name, case in EVERY_REASON.items()
        ]
        golden.check(f"explanations/{language}.txt", "\n".join(told))

    @IN_BOTH
    def test_none_is_missing(self, language: Language) -> None:
        lines = (golden.FIXTURES / f"explanations/{language}.txt").read_text("utf-8").splitlines()
        told = {line.removeprefix("## ").partition(",")[0] for line in lines if line[:2] == "##"}
        assert told == set(REASONS)

    def test_every_sentence_is_used(self) -> None:
        used = {explaining._sentence(decide(*case), case[0]) for case in EVERY_REASON.values()}
        assert used == set(explaining.SENTENCES.values())


class TestEveryExplanation:
    @IN_BOTH
    @EVERY_CASE
    def test_shows_rule_policy_and_time(self, case: Case, language: Language) -> None:
        facts, policy, at_ms = case
        explained = explain(facts, policy, at_ms, language)
        assert explained.rule == trace(*case)[-1].step
        assert explained.reason == decide(*case).reason
        assert explained.policy == policy.version
        assert moment(at_ms, facts.zone) in explained.heading
        assert str(policy.version) in explained.heading

    @IN_BOTH
    @EVERY_CASE
    def test_shows_every_number_it_rests_on(self, case: Case, language: Language) -> None:
        verdict = decide(*case)
        sentence = explain(*case, language).sentence
        for name, value in verdict.numbers.items():
            match name, value:
                case ("cap" | "sent_today" | "of" | "lane", _):
                    assert str(value) in sentence
                case ("until_ms" | "expiry_ms" | "due_ms", int()):
                    assert moment(value, case[0].zone) in sentence
                case ("quiet_from" | "quiet_to", int()):
                    assert f"{value // 60:02d}:{value % 60:02d}" in sentence
                case ("by", str()):
                    assert plain_name(value, CHINA, language) in sentence
                case ("category", str()):
                    assert value in sentence

    @IN_BOTH
    @EVERY_CASE
    def test_leaves_no_gap_and_no_double_space(self, case: Case, language: Language) -> None:
        told = text(explain(*case, language), language)
        assert not any(odd in told.replace("\n  ", "\n") for odd in ("{", "}", "  ", "（）", "()"))

    @EVERY_CASE
    def test_is_chinese_in_chinese(self, case: Case) -> None:
        told = explain(*case, "zh")
        assert not any(c in told.sentence + told.otherwise for c in ",;?!")

    @given(any_facts, moments, st.sampled_from(LANGUAGES))
    def test_can_be_given_of_anything(self, facts: Facts, at_ms: int, language: Language) -> None:
        explained = explain(facts, DEFAULT, at_ms, language)
        assert len(explained.steps) == len(trace(facts, DEFAULT, at_ms))
        assert all((explained.heading, explained.sentence, explained.otherwise))


class TestCounterfactual:
    """What would have happened: ``decide`` itself says it, on facts changed in one respect."""

    LEADS_TO = {  # noqa: RUF012 - read by the tests below
        "recipient_unknown": ("send", "first_reachable"),
        "first_reachable": ("suppress", "all_channels_tried"),
        "first_reachable, in New York": ("hold", "no_lane"),
        "first_reachable, where the wording is registered": ("hold", "wording_unregistered"),
    }

    @EVERY_CASE
    def test_is_what_decide_answers_on_the_changed_fact(self, case: Case) -> None:
        other = counterfactual(*case)
        assert other.verdict == decide(other.facts, other.policy, other.at_ms)
        assert other.verdict != decide(*case)

    @EVERY_CASE
    def test_changes_one_thing(self, case: Case) -> None:
        other = counterfactual(*case)
        before, after = asdict(case[0]), asdict(other.facts)
        changed = {name for name in before if before[name] != after[name]}
        if other.at_ms != case[2]:
            changed.add("now")
        one_thing = ({"sent_today", "cap"}, {"known", "channels"})
        assert len(changed) == 1 or changed in one_thing or changed < one_thing[0]
        assert other.policy == case[1]

    @pytest.mark.parametrize("name", EVERY_REASON)
    def test_takes_away_what_stood_in_the_way(self, name: str) -> None:
        other = counterfactual(*EVERY_REASON[name])
        expected = self.LEADS_TO.get(name) or self.LEADS_TO.get(name.partition(",")[0])
        kind, reason = expected or ("send", "first_reachable")
        assert (other.verdict.kind, other.verdict.reason) == (kind, reason)

    @IN_BOTH
    @EVERY_CASE
    def test_is_what_the_sentence_says(self, case: Case, language: Language) -> None:
        other, told = counterfactual(*case), explain(*case, language).otherwise
        match other.verdict.kind:
            case "send":
                assert other.verdict.lane in told
            case "hold":
                assert moment(other.verdict.until_ms, other.facts.zone) in told
            case "suppress":
                assert explaining.reason_name(other.verdict.reason, language) in told

    def test_another_obstacle_behind_the_first_is_told(self) -> None:
        facts, policy, _ = EVERY_REASON["no_consent"]
        told = explain(facts, policy, when("22:30"), "en").otherwise
        assert told.endswith("it would have waited until 2026-11-25 08:00 (quiet hours).")

    def test_what_would_not_have_helped_is_said_so(self) -> None:
        facts, policy, _ = EVERY_REASON["expired"]
        settled = explaining.replace(facts, settled_by="gov.traffic.licence.renewed.v1")
        assert (
            "still not have been sent (case settled)"
            in explain(settled, policy, NOON, "en").otherwise
        )
        assert "仍不会发送（事项已办结）" in explain(settled, policy, NOON, "zh").otherwise


class TestWords:
    def test_every_reason_has_its_words(self) -> None:
        for table in (explaining.CHANGES, explaining.CONDITIONS, explaining.REASON_NAMES):
            assert table.keys() >= set(REASONS)

    def test_every_step_has_its_name(self) -> None:
        assert explaining.STEP_NAMES.keys() == {step.__name__ for step in STEPS}

    def test_every_sentence_is_in_two_languages(self) -> None:
        for table in (explaining.SENTENCES, explaining.CONDITIONS, explaining.FAULTS,
                      explaining.REASON_NAMES, explaining.STEP_NAMES):  # fmt: skip
            for zh, en in table.values():
                assert zh.isascii() is False
                assert en.replace("“", "").replace("”", "").isascii()

    def test_a_newer_status_is_named_by_its_time(self) -> None:
        assert plain_name(f"a status of {NOON + DAY_MS}", CHINA, "zh") == "2026-11-25 12:00 的进度"
        assert plain_name("gov.a.b.v1", CHINA, "en") == "gov.a.b.v1"
