"""How fast a lane goes: never above its contract, in no window, whoever owns the partition."""

from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.pacer import PERMIT, Pacer


def permits(pacer: Pacer, now_ms: int) -> int:
    """How many short messages may go."""
    return pacer.fit(now_ms, repeat(1))


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
        n = min(wanted, permits(pacer, now_ms))
        pacer.take(n)
        taken.append((max(now_ms, taken[-1][0]) if taken else now_ms, n))
        if refused:
            pacer.throttled(now_ms)
    assert windows_hold(taken, pacer)


@given(
    rate=st.integers(1, 500),
    steps=st.lists(
        st.tuples(st.integers(0, 400), st.lists(st.integers(1, 10), max_size=30), st.booleans()),
        min_size=1, max_size=40,
    ),
)  # fmt: skip
def test_no_window_holds_more_calls_than_that_though_messages_have_parts(
    rate: int, steps: list[tuple[int, list[int], bool]]
) -> None:
    """Or, where a message has more parts than a burst, than that one message."""
    pacer, now_ms, taken = Pacer(rate, False, 1, 0), 0, []
    for pause_ms, sizes, refused in steps:
        now_ms += pause_ms
        some = sizes[: pacer.fit(now_ms, sizes)]
        pacer.take(sum(some))
        taken.append((now_ms, sum(some)))
        if refused:
            pacer.throttled(now_ms)
    pacer.burst = max(pacer.burst, 10 * PERMIT)
    assert windows_hold(taken, pacer)


@pytest.mark.parametrize("urgent", [False, True])
def test_a_message_longer_than_a_burst_goes_alone_and_is_paid_for_afterwards(urgent: bool) -> None:
    pacer = Pacer(10, urgent, 1, 0)
    assert pacer.fit(10_000, [5, 1]) == 1
    pacer.take(5)
    due_ms = pacer.next_ms(10_000)
    assert (due_ms - 10_000) * pacer.full >= 4 * PERMIT  # four more than it held
    assert pacer.fit(due_ms - 1, [1]) == 0
    assert pacer.fit(due_ms, [1]) == 1
    assert pacer.next_ms(due_ms, 5) == due_ms  # full again


def test_a_long_message_is_not_overtaken_by_short_ones() -> None:
    pacer = Pacer(1_000, False, 1, 0)
    pacer.take(permits(pacer, 1_000))
    assert pacer.fit(1_005, [6, 1, 1]) == 0
    assert pacer.next_ms(1_005, 6) > 1_005
    assert pacer.fit(pacer.next_ms(1_005, 6), [6, 1, 1]) == 1


def spent_together(
    pacers: list[Pacer], until_ms: int, throttled: range, sizes: list[int]
) -> list[tuple[int, int]]:
    """What the carrier sees of dispatchers who each have more to send than they may; in a while it
    refuses whatever comes for rate."""
    taken = []
    for now_ms in range(0, until_ms, 5):
        for pacer in pacers:
            calls = sum(sizes[: pacer.fit(now_ms, sizes)])
            pacer.take(calls)
            taken.append((now_ms, calls))
            if calls and now_ms in throttled:
                pacer.throttled(now_ms)
    return taken


@pytest.mark.parametrize("sizes", [[1] * 100, [3, 1, 2] * 30])
@pytest.mark.parametrize("partitions", [2, 12])
def test_dispatchers_that_share_a_lane_stay_within_its_contract_and_recover_soon(
    partitions: int, sizes: list[int]
) -> None:
    rate, calm_ms = 1_000, 7_000
    pacers = [Pacer(rate, urgent, partitions, 0) for urgent in (False, True)
              for _ in range(partitions)]  # fmt: skip
    taken = spent_together(pacers, 40_000, range(5_000, calm_ms), sizes)
    burst = sum(max(pacer.burst, max(sizes) * PERMIT) for pacer in pacers) // PERMIT

    seconds = [0] * 40_000
    for at_ms, calls in taken:
        seconds[at_ms] += calls
    window = sum(seconds[:1_000])
    most = window
    for start_ms in range(1, 39_000):
        window += seconds[start_ms + 999] - seconds[start_ms - 1]
        most = max(most, window)
    assert most <= rate + burst
    assert sum(seconds[5_500:calm_ms]) < 0.6 * 1.5 * rate  # they held back
    back_ms = calm_ms + 20_000
    assert sum(seconds[back_ms : back_ms + 1_000]) > 0.95 * rate


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
    pacer.take(permits(pacer, start + pause))
    due_ms = pacer.next_ms(start + pause)
    assert permits(pacer, due_ms - 1) == 0
    assert permits(pacer, due_ms) >= 1


def test_a_new_owner_starts_empty() -> None:
    """Its predecessor may have spent the burst a moment ago."""
    assert permits(Pacer(1_000, False, 1, 0), 0) == 0


def test_a_bucket_holds_a_tenth_of_a_second_or_one_permit() -> None:
    assert permits(Pacer(1_000, False, 1, 0), 60_000) == 80
    assert permits(Pacer(1, True, 4, 0), 60_000) == 1


def test_throttling_halves_the_rate_once_a_second_and_a_twentieth_comes_back() -> None:
    pacer = Pacer(1_000, False, 1, 0)
    for at_ms in (1_000, 1_001, 1_500):
        pacer.throttled(at_ms)

    def spent(from_ms: int) -> int:
        total = 0
        for at_ms in range(from_ms, from_ms + 1_000, 10):
            n = permits(pacer, at_ms)
            pacer.take(n)
            total += n
        return total

    pacer.take(permits(pacer, 2_000))
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
    pacer.take(permits(pacer, 10_001_000))
    assert permits(pacer, 10_000_990) == 0
    assert permits(pacer, 6_000_000) == 0
    assert permits(pacer, 6_000_100) == 80


def test_a_lower_contract_holds_at_once_and_a_higher_one_is_grown_into() -> None:
    pacer = Pacer(1_000, False, 1, 0)
    pacer.keep_to(100, 20, 60_000)
    assert (pacer.full, permits(pacer, 60_000)) == (80_000, 8)
    pacer.take(8)
    pacer.keep_to(1_000, 20, 60_000)
    assert pacer.full == 800_000
    assert permits(pacer, 60_100) < 80
    assert permits(pacer, 120_000) == 80


def test_the_share_kept_for_urgent_traffic_is_the_lanes_own() -> None:
    assert Pacer(1_000, True, 1, 0, urgent_percent=30).full == 300_000
    assert Pacer(1_000, False, 1, 0, urgent_percent=30).full == 700_000
