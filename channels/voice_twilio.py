"""Calls by Twilio. A key that is pressed proves most; a machine that answers proves nothing.

The instructions go with the create, so that a call needs nobody until a key is pressed. Only its
end is called back: nothing is decided before.
"""

from collections.abc import Iterable
from typing import Any

from channels.base import Message
from channels.finding import Match, Sought
from channels.twilio_account import KEYS
from channels.twilio_callbacks import call_report
from channels.twilio_channel import LISTED_MAX, TwilioChannel
from channels.voice_twiml import announce

RING_S = 30
"""About six rings: longer reaches the mailbox of the carrier more often than its owner."""

CALL_MAX_S = 300
"""The longest text, heard again a few times."""


class VoiceTwilio(TwilioChannel):
    """POST Calls. The reference of a call is its ``CA…``."""

    kind = "voice"

    async def create(self, client: Any, lane: str, message: Message) -> str:
        attempt = message.attempt
        action = self._account.callback(self.kind, lane, attempt, KEYS, "1")
        made = await client.calls.create_async(
            to=message.to,
            from_=self._account.sender,
            twiml=announce(message.text, action),
            status_callback=self._account.callback(self.kind, lane, attempt),
            status_callback_method="POST",
            timeout=RING_S,
            time_limit=CALL_MAX_S,
            machine_detection="Enable",
        )
        return made.sid or ""

    async def listed(self, client: Any, to: str) -> Iterable[Any]:
        found: Iterable[Any] = await client.calls.list_async(
            to=to, limit=LISTED_MAX, page_size=LISTED_MAX
        )
        return found

    def looks_like(self, entry: Any, sought: Sought) -> bool:
        """A call of ours to the number: what was said in it is not listed."""
        return bool(entry.to == sought.to and entry._from == self._account.sender)

    def match(self, entry: Any, sought: Sought, now_ms: int) -> Match:
        status, answered_by = str(entry.status), str(entry.answered_by or "")
        report = call_report(
            sought.lane, sought.attempt, entry.sid, status, answered_by, "", now_ms
        )
        return Match(entry.sid, report)
