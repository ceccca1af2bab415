"""Sample replies: what sample people write back, by text message and by mail."""

from random import Random

from channels.base import Reply
from channels.carriers import Phone, normalise
from channels.lanes import Lanes
from hub.sample_people import People
from templates.notice import Sender

WORDS = ("帮助", "TD", "HELP", "退订", "恢复", "START", "已收到，谢谢")
"""Each but the last asks for something and is answered; that one goes on to upstream systems."""


class Replies:
    """Endless replies of ``people`` to ``sender``; the same calls bring the same replies."""

    def __init__(self, people: People, seed: int, lanes: Lanes, sender: Sender) -> None:
        self._dice = Random(f"{seed} replies")
        self._sender = sender
        said = [person.registration for person in people.persons]
        phones = [normalise(text) for one in said for text in one["phones"]]
        mail = lanes.serving("email", "")[0].name
        self._texting = [
            (lanes.serving("sms", phone.carrier)[0].name, phone.number)
            for phone in phones
            if isinstance(phone, Phone) and phone.takes_sms
        ]
        self._mailing = [(mail, mailbox) for one in said for mailbox in one.get("emails", ())]
        self._written = 0

    def write(self, now_ms: int) -> Reply:
        """Somebody's next reply, by text message and by mail in turn."""
        self._written += 1
        if self._written % 2:
            (lane, source), to = self._dice.choice(self._texting), self._sender.short_number
        else:
            (lane, source), to = self._dice.choice(self._mailing), self._sender.email
        text = self._dice.choice(WORDS)
        return Reply(lane, source, to, text, now_ms, ref=f"sample-reply-{self._written}")
