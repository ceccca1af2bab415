"""What the codes of carriers and providers mean to the hub, however they come. Pure."""

from typing import Literal

from channels.base import Outcome, Permanent, Throttled, Transient

Verdict = Literal["throttled", "transient", "recipient", "content", "sender", "account", "lane"]
"""Refused for rate, for now, or for good and for whom. ``lane``: another lane may carry it."""


def outcome_of(code: str, verdict: Verdict) -> Outcome:
    """The outcome of a refusal; ``code`` is how the carrier's own word is kept."""
    match verdict:
        case "throttled":
            return Throttled(code)
        case "transient":
            return Transient(code)
        case _:
            return Permanent(code, verdict)
