"""Lanes: which are open, how fast they go, and when they rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.lanes import (
    DEFAULT_LANES,
    ERRORS_MAX,
    OPEN_MS,
    PERMIT,
    PROBE_MS,
    PROBES,
    Breaker,
    Lane,
    Lanes,
    LanesError,
    Pacer,
    load_lanes,
)

DEFAULT = load_lanes(DEFAULT_LANES.read_text(encoding="utf-8"))


def test_a_carriers_own_lane_goes_before_the_one_that_takes_all() -> None:
    assert DEFAULT.open_for("sms", "cmcc") == ("sms-cmcc", "sms-any")
    assert DEFAULT.open_for("sms", "") == ("sms-any",)
    assert DEFAULT.open_for("sms", "intl") == ("sms-any",)
    assert DEFAULT.open_for("voice", "cucc") == ("voice-a",)
    assert DEFAULT.open_for("fax", "cucc") == ()


def test_only_the_inbox_is_real_by_default() -> None:
    assert {lane.name for lane in DEFAULT if lane.provider != "sandbox"} == {"inbox"}
    assert len(DEFAULT) == 9


def test_weight_then_name_decides_among_equals() -> None:
    lanes = Lanes(
        [
            Lane("b", "sms", "p", 1),
            Lane("a", "sms", "p", 1),
            Lane("heavy", "sms", "p", 1, weight=5),
            Lane("own", "sms", "p", 1, carriers=("cmcc", "*")),
        ]
    )
    assert lanes.open_for("sms", "") == ("heavy", "a", "b", "own")
    assert lanes.open_for("sms", "cmcc") == ("own", "heavy", "a", "b")


def test_a_paused_lane_is_not_open_but_still_known() -> None:
    lanes = DEFAULT.pausing({"sms-cmcc"})
    assert lanes.open_for("sms", "cmcc") == ("sms-any",)
    assert lanes["sms-cmcc"].paused
    assert "sms-cmcc" in lanes
    assert DEFAULT.open_for("sms", "cmcc") == ("sms-cmcc", "sms-any")


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("[[lane]", "array declaration"),
        ('[[lane]]\nname = "a"\nchannel = "sms"\nprovider = "p"', "rate_per_s"),
        ('[[lane]]\nname = "a"\nchannel = "fax"\nprovider = "p"\nrate_per_s = 1', "fax"),
        ('[[lane]]\nname = "a"\nchannel = "sms"\nprovider = "p"\nrate_per_s = 0', "1 to"),
        ('[[lane]]\nname = "a"\nchannel = "sms"\nprovider = "p"\nrate_per_s = 1\ntps = 1', "tps"),
        ('[[lane]]\nname = "a"\nchannel = "sms"\nprovider = "p"\nrate_per_s = 1\n' * 2, "twice"),
    ],
)
def test_a_lanes_file_that_cannot_be_used_says_why(toml: str, reason: str) -> None:
    with pytest.raises(LanesError, match=reason):
        load_lanes(toml)


def windows_hold(taken: list[tuple[int, int]], pacer: Pacer) -> bool:
    """Whether in no window more was taken than rate times window and burst."""
    for start in range(len(taken)):
        total = 0
        for at_ms, n in taken[start:]:
            total += n
            if total * PERMIT > pacer.full * (at_ms - taken[start][0]) + pacer.burst:
                return False
    return True


STEPS = st.lists(
    st.tuples(st.integers(-5, 400), st.integers(0, 500), st.booleans()), min_size=1, max_size=40
)


@given(rate=st.integers(1, 5_000), urgent=st.booleans(), partitions=st.integers(1, 16), steps=STEPS)
def test_no_window_holds_more_than_its_rate_and_one_burst(
    rate: int, urgent: bool, partitions: int, steps: list[tuple[int, int, bool]]
) -> None:
    pacer, now_ms, taken = Pacer(rate, urgent, partitions, 0), 0, []
    for pause_ms, wanted, refused in steps:
        now_ms += pause_ms
        n = min(wanted, pacer.permits(now_ms))
        pacer.take(n)
        taken.append((max(now_ms, taken[-1][0]) if taken else now_ms, n))
        if refused:
            pacer.throttled(now_ms)
    assert windows_hold(taken, pacer)


@given(rate=st.integers(1, 100_000), partitions=st.integers(1, 16))
def test_the_partitions_together_stay_within_the_contract(rate: int, partitions: int) -> None:
    normal = Pacer(rate, False, partitions, 0).full * partitions
    urgent = Pacer(rate, True, partitions, 0).full * partitions
    assert normal + urgent <= rate * 1_000


@given(rate=st.integers(1, 3_000), start=st.integers(0, 50), pause=st.integers(0, 500))
def test_the_next_permit_comes_when_it_was_announced_and_not_before(
    rate: int, start: int, pause: int
) -> None:
    pacer = Pacer(rate, False, 1, start)
    pacer.take(pacer.permits(start + pause))
    due_ms = pacer.next_ms(start + pause)
    assert pacer.permits(due_ms - 1) == 0
    assert pacer.permits(due_ms) >= 1


def test_a_new_owner_starts_empty() -> None:
    """Its predecessor may have spent the burst a moment ago."""
    assert Pacer(1_000, False, 1, 0).permits(0) == 0


def test_a_bucket_holds_a_tenth_of_a_second_or_one_permit() -> None:
    assert Pacer(1_000, False, 1, 0).permits(60_000) == 80
    assert Pacer(1, True, 4, 0).permits(60_000) == 1


def test_throttling_halves_the_rate_once_a_second_and_a_twentieth_comes_back() -> None:
    pacer = Pacer(1_000, False, 1, 0)
    for at_ms in (1_000, 1_001, 1_500):
        pacer.throttled(at_ms)

    def spent(from_ms: int) -> int:
        total = 0
        for at_ms in range(from_ms, from_ms + 1_000, 10):
            n = pacer.permits(at_ms)
            pacer.take(n)
            total += n
        return total

    pacer.take(pacer.permits(2_000))
    assert 400 <= spent(2_000) <= 425  # half of 800, and a little of the recovery
    assert 430 <= spent(3_000) <= 475
    for at_ms in range(4_000, 13_000, 1_000):
        spent(at_ms)
    assert spent(13_000) == 800


def test_a_lane_that_is_always_refused_keeps_a_twentieth() -> None:
    pacer = Pacer(1_000, False, 1, 0)
    for second in range(1, 100):
        pacer.throttled(second * 1_000)
    assert pacer.next_ms(99_000) - 99_000 <= 25


def test_a_clock_set_back_does_not_stop_the_lane() -> None:
    pacer = Pacer(1_000, False, 1, 10_000_000)
    pacer.take(pacer.permits(10_001_000))
    assert pacer.permits(10_000_990) == 0
    assert pacer.permits(6_000_000) == 0
    assert pacer.permits(6_000_100) == 80


def test_fifty_errors_in_a_minute_open_a_breaker() -> None:
    breaker = Breaker()
    for second in range(ERRORS_MAX - 1):
        breaker.record(second * 1_000, 100, 1)
    assert breaker.state == "closed"
    breaker.record(50_000, 100, 1)
    assert breaker.state == "open"


def test_errors_a_minute_old_are_forgotten() -> None:
    breaker = Breaker()
    for second in range(0, 600, 2):
        breaker.record(second * 1_000, 100, 1)
    assert breaker.state == "closed"


def test_half_of_twenty_calls_open_it() -> None:
    few, half = Breaker(), Breaker()
    few.record(0, 19, 19)
    half.record(0, 10, 0)
    half.record(1_000, 10, 10)
    assert (few.state, half.state) == ("closed", "open")


def test_probes_that_go_well_close_it() -> None:
    breaker = Breaker()
    breaker.trip(0)
    assert breaker.allow(OPEN_MS - 1, 100) == 0
    assert breaker.next_ms(0) == OPEN_MS
    assert breaker.allow(OPEN_MS, 100) == PROBES
    assert breaker.allow(OPEN_MS, 100) == 0
    breaker.record(OPEN_MS + 10, PROBES, 0)
    assert breaker.state == "closed"
    assert breaker.allow(OPEN_MS + 11, 100) == 100


def test_one_bad_probe_opens_it_again() -> None:
    breaker = Breaker()
    breaker.trip(0)
    breaker.allow(OPEN_MS, 100)
    breaker.record(OPEN_MS + 10, PROBES, 1)
    assert breaker.allow(OPEN_MS + 11, 100) == 0
    assert breaker.next_ms(OPEN_MS + 11) == 2 * OPEN_MS + 10


def test_probes_nobody_answered_are_replaced() -> None:
    breaker = Breaker()
    breaker.trip(0)
    breaker.allow(OPEN_MS, 100)
    assert breaker.next_ms(OPEN_MS) == OPEN_MS + PROBE_MS
    assert breaker.allow(OPEN_MS + PROBE_MS, 3) == 3
