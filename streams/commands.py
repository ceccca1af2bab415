"""What people may do: each one transaction, a change and the journal event that says so.

A command answers with what it did, or with the :class:`~preferences.fault.Fault` that says which
value cannot be; it raises only what the journal and the topics raise. ``by`` names who acts, as
audits will read it (``citizen``, ``staff:zhang``, ``sms:stop``).
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from preferences.changes import Choice, Offer
from preferences.fault import Fault
from preferences.recipient import Preferences
from streams.core.policy import Policy
from streams.pipeline.river import River
from templates.lint import Finding
from templates.render import Wording


class Received(NamedTuple):
    """What became of one event at the door. ``key`` is its archive key in hex, "" when refused
    unread; the other three say what was wrong. An event refused is in quarantine."""

    status: Literal["accepted", "duplicate", "refused"]
    key: str = ""
    field: str = ""
    expected: str = ""
    got: str = ""


class Commands:
    """All commands, on one river."""

    def __init__(self, river: River) -> None:
        self._river = river

    async def accept(self, raws: Sequence[bytes]) -> list[Received]:
        """The front door: structured CloudEvents in, one answer each, in order. What is answered
        ``accepted`` is durable."""
        raise NotImplementedError

    # Recipients

    def offer(self) -> Offer:
        """What there is to choose from, by the catalog and the policy in force."""
        raise NotImplementedError

    async def change_preferences(self, ref: str, choice: Choice, by: str) -> Preferences | Fault:
        """Apply one choice, and have what is still open decided again by it. A category that is
        sent by law cannot be switched off: the fault says so."""
        raise NotImplementedError

    async def record_consent(
        self, ref: str, category: str, given: bool, proof: str, by: str
    ) -> Preferences | Fault:
        """Consent to a category that needs it, with where the proof lies; or its end."""
        raise NotImplementedError

    async def mark_read(self, ref: str, stream: str) -> bool:
        """The recipient opened a message in the inbox: whether this was the first time. Nobody's
        but the recipient's own counts."""
        raise NotImplementedError

    # Documents

    async def publish_wording(
        self, notice: str, files: Mapping[str, str], by: str
    ) -> Wording | list[Finding]:
        """Put new wording of a notice in force (its folder's texts by name), if the lint finds
        nothing; else what it found."""
        raise NotImplementedError

    async def publish_policy(self, toml: str, by: str) -> Policy | Fault:
        """Put a new routing policy in force; its version is the next."""
        raise NotImplementedError

    # Quarantine

    async def replay_quarantined(self, item: str, raw: bytes | None, by: str) -> Received | Fault:
        """Bring an item in again, its original bytes or mended ones; the original is kept. What
        would be refused again stays open: the answer says why."""
        raise NotImplementedError

    async def drop_quarantined(self, item: str, by: str, reason: str) -> Fault | None:
        """Close an item without bringing it in."""
        raise NotImplementedError
