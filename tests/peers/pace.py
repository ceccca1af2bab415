"""What a gateway's ledger says of the pace at which it was called."""

from collections.abc import Sequence

SECOND_MS = 1_000


def most_in_a_second(submits: Sequence[tuple[int, bool]]) -> int:
    """The most calls, taken or refused, in any second of a ledger."""
    times = sorted(at_ms for at_ms, _ in submits)
    most = start = 0
    for end, at_ms in enumerate(times):
        while times[start] <= at_ms - SECOND_MS:
            start += 1
        most = max(most, end - start + 1)
    return most


def back_after_ms(submits: Sequence[tuple[int, bool]], per_s: float) -> int:
    """How long after its last refusal the gateway took so many in one second again; a large number
    if it never did."""
    refused_ms = max(at_ms for at_ms, taken in submits if not taken)
    times = sorted(at_ms for at_ms, taken in submits if taken and at_ms > refused_ms)
    start = 0
    for end, at_ms in enumerate(times):
        while times[start] <= at_ms - SECOND_MS:
            start += 1
        if end - start + 1 >= per_s:
            return at_ms - refused_ms
    return 10**9
