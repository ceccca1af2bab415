"""How fast a lane goes: never above its contract, in no window, whoever owns the partition."""

from hypothesis import given
from hypothesis import strategies as st

from channels.pacer import PERMIT, Pacer


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


def test_a_lower_contract_holds_at_once_and_a_higher_one_is_grown_into() -> None:
    pacer = Pacer(1_000, False, 1, 0)
    pacer.keep_to(100, 20, 60_000)
    assert (pacer.full, pacer.permits(60_000)) == (80_000, 8)
    pacer.take(8)
    pacer.keep_to(1_000, 20, 60_000)
    assert pacer.full == 800_000
    assert pacer.permits(60_100) < 80
    assert pacer.permits(120_000) == 80


def test_the_share_kept_for_urgent_traffic_is_the_lanes_own() -> None:
    assert Pacer(1_000, True, 1, 0, urgent_percent=30).full == 300_000
    assert Pacer(1_000, False, 1, 0, urgent_percent=30).full == 700_000
