"""The routing policy as a document: what is written is what is read, and nothing else is."""

import tomllib
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.core.policy import DEFAULT, ClassPolicy, Policy, dump, load, missing_classes
from templates.notice import CHANNELS, NoticeClass

channels = st.lists(st.sampled_from(CHANNELS), unique=True).map(tuple)
minutes = st.integers(-1, 1439)
rules = st.builds(
    ClassPolicy, minutes, minutes, st.integers(0, 99), st.integers(1, 9), channels,
    st.integers(0, 10**9), st.booleans(), st.booleans(), channels,
)  # fmt: skip
policies = st.builds(
    Policy,
    st.integers(1, 10**6),
    st.fixed_dictionaries(dict.fromkeys(get_args(NoticeClass), rules)),
    st.integers(0, 10**9),
)


class TestToml:
    @given(policies)
    def test_what_is_written_is_what_is_read(self, policy: Policy) -> None:
        assert load(dump(policy)) == policy

    def test_is_for_people_to_read(self) -> None:
        text = dump(DEFAULT).decode()
        assert "version = 1\n" in text
        assert "[classes.reminder]\nquiet_from = 1260\nquiet_to = 480\ncap = 3\ntries = 2\n" in text
        assert tomllib.loads(text)["classes"]["emergency"]["all_channels"] is True

    def test_numbers_left_out_are_the_usual_ones(self) -> None:
        policy = load(b"version = 2\n[classes.notice]\ncap = 4\n")
        assert policy.classes["notice"] == ClassPolicy(cap=4)
        assert policy.receipt_ms == DEFAULT.receipt_ms

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("[classes]", "missing required field `version`"),
            ("version = 2\n[classes.holiday]", "Invalid enum value 'holiday'"),
            ("version = 2\n[classes.notice]\ncaps = 4", "unknown field `caps`"),
            ("version = 2\n[classes.notice]\ncap = 'four'", "Expected `int`, got `str`"),
            ("version = 2\n[classes.notice]\norder = ['fax']", "Invalid enum value 'fax'"),
            ("version = 2\n[classes.notice]\nquiet_from = 1440", "`int` <= 1439"),
            ("version = 2\n[classes.notice]\ncap = -1", "`int` >= 0"),
            (
                "version = 2\n[classes.code]\n[classes.notice]\ncap = -1",
                r"\$\.classes\.notice\.cap",
            ),
            ("version = ", "Invalid value"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, text: str, told: str) -> None:
        with pytest.raises(msgspec.DecodeError, match=told):
            load(text.encode())

    def test_classes_it_says_nothing_of_are_named(self) -> None:
        policy = load(b"version = 2\n[classes.notice]\n[classes.code]\n[classes.status]")
        assert missing_classes(policy) == ["emergency", "reminder", "bulletin"]


class TestDefault:
    def test_has_a_rule_for_every_class(self) -> None:
        assert missing_classes(DEFAULT) == []

    def test_emergencies_wait_for_nobody(self) -> None:
        rule = DEFAULT.classes["emergency"]
        assert rule.quiet_from < 0
        assert not rule.cap
        assert not rule.opt_out
        assert rule.all_channels

    @pytest.mark.parametrize("cls", ["notice", "status", "reminder", "bulletin"])
    def test_an_unknown_text_message_or_call_of_the_others_is_never_repeated(
        self, cls: NoticeClass
    ) -> None:
        assert not {"sms", "voice"} & set(DEFAULT.classes[cls].resend_unknown)

    def test_the_horizon_of_what_is_repeated_outlasts_a_call_and_its_time_out(self) -> None:
        for rule in DEFAULT.classes.values():
            if rule.resend_unknown:
                assert rule.horizon_ms > DEFAULT.call_before_ms + DEFAULT.answer_ms

    def test_is_not_changed_by_a_draft_made_from_it(self) -> None:
        replace(DEFAULT, version=2)
        assert DEFAULT.version == 1
