"""Text messages by Twilio: the second route for numbers abroad."""

from collections.abc import Iterable
from typing import Any

from channels.base import Message
from channels.finding import Match, Sought
from channels.twilio_callbacks import sms_report
from channels.twilio_channel import LISTED_MAX, TwilioChannel

VALIDITY_MAX_S = 36_000
"""Twilio's own limit of how long it goes on trying, and what it does unless told."""

SERVICE = "MG"
"""How the name of a messaging service begins; a sender that does not is a number or a word."""


class SmsTwilio(TwilioChannel):
    """POST Messages. The reference of a message is its ``SM…``."""

    kind = "sms"

    async def create(self, client: Any, lane: str, message: Message) -> str:
        fields: dict[str, Any] = {
            "to": message.to,
            "body": message.text,
            "status_callback": self._account.callback(self.kind, lane, message.attempt),
        }
        sender = self._account.sender
        fields["messaging_service_sid" if sender.startswith(SERVICE) else "from_"] = sender
        if message.expiry_ms:
            left_s = (message.expiry_ms - self._clock.now_ms()) // 1_000
            fields["validity_period"] = min(max(left_s, 1), VALIDITY_MAX_S)
        made = await client.messages.create_async(**fields)
        return made.sid or ""

    async def listed(self, client: Any, to: str) -> Iterable[Any]:
        found: Iterable[Any] = await client.messages.list_async(
            to=to, limit=LISTED_MAX, page_size=LISTED_MAX
        )
        return found

    def looks_like(self, entry: Any, sought: Sought) -> bool:
        """The same words to the same number. Twilio trims what it is given."""
        return bool(entry.to == sought.to and (entry.body or "").strip() == sought.text.strip())

    def match(self, entry: Any, sought: Sought, now_ms: int) -> Match:
        status, code = str(entry.status), str(entry.error_code or "")
        return Match(
            entry.sid,
            sms_report(sought.lane, sought.attempt, entry.sid, status, code, now_ms),
        )
