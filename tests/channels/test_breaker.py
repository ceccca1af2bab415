"""When a lane is left alone, and how it is found out that it is well."""

from channels.breaker import ERRORS_MAX, OPEN_MS, PROBE_MS, PROBES, Breaker


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
    breaker.trip(0, "errors")
    assert breaker.allow(OPEN_MS - 1, 100) == 0
    assert breaker.next_ms(0) == OPEN_MS
    assert breaker.allow(OPEN_MS, 100) == PROBES
    assert breaker.allow(OPEN_MS, 100) == 0
    breaker.record(OPEN_MS + 10, PROBES, 0)
    assert breaker.state == "closed"
    assert breaker.allow(OPEN_MS + 11, 100) == 100


def test_one_bad_probe_opens_it_again() -> None:
    breaker = Breaker()
    breaker.trip(0, "errors")
    breaker.allow(OPEN_MS, 100)
    breaker.record(OPEN_MS + 10, PROBES, 1)
    assert breaker.allow(OPEN_MS + 11, 100) == 0
    assert breaker.next_ms(OPEN_MS + 11) == 2 * OPEN_MS + 10


def test_probes_nobody_answered_are_replaced() -> None:
    breaker = Breaker()
    breaker.trip(0, "errors")
    breaker.allow(OPEN_MS, 100)
    assert breaker.next_ms(OPEN_MS) == OPEN_MS + PROBE_MS
    assert breaker.allow(OPEN_MS + PROBE_MS, 3) == 3


def test_a_carrier_that_does_not_let_us_in_is_not_tried_until_it_has() -> None:
    breaker = Breaker()
    for second in range(120):
        breaker.hold_open(second * 1_000)
        assert breaker.allow(second * 1_000, 100) == 0
    assert (breaker.trips, breaker.why) == (1, "account")
    assert breaker.allow(119_000 + OPEN_MS, 100) == PROBES
    breaker.hold_open(120_000 + OPEN_MS)
    assert (breaker.state, breaker.trips) == ("open", 2)


def test_what_opened_it_is_kept_as_the_reason() -> None:
    breaker = Breaker()
    breaker.record(1_000, 60, ERRORS_MAX)
    assert (breaker.why, breaker.calls, breaker.errors, breaker.trips) == ("errors", 60, 50, 1)
    breaker.allow(1_000 + OPEN_MS, PROBES)
    breaker.record(1_500 + OPEN_MS, PROBES, 2)
    assert (breaker.why, breaker.calls, breaker.errors, breaker.trips) == ("probes", 5, 2, 2)


def test_a_lane_that_somebody_else_gave_up_begins_with_probes() -> None:
    breaker = Breaker()
    breaker.doubt(0)
    assert breaker.state == "half_open"
    assert breaker.allow(0, 100) == PROBES
    breaker.record(10, PROBES, 0)
    assert (breaker.state, breaker.closed_ms) == ("closed", 10)


HOUR_MS = 3_600_000


def test_a_clock_that_was_set_back_keeps_no_lane_alone_for_longer() -> None:
    breaker = Breaker()
    breaker.trip(HOUR_MS, "errors")
    assert breaker.allow(0, 100) == 0
    assert breaker.next_ms(0) == OPEN_MS
    assert breaker.allow(OPEN_MS, 100) == PROBES
    assert breaker.allow(OPEN_MS - HOUR_MS, 100) == 0
    assert breaker.allow(OPEN_MS - HOUR_MS + PROBE_MS, 100) == PROBES
