"""What Twilio's texts and calls have in common: couriers, refusals, and where it calls back.

A create has no idempotency key. Whatever is not answered is ``Unknown``, and is made out later: by
the attempt's own name in the address that Twilio calls back, or from the list of what it has.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from twilio.base.exceptions import (
    TwilioException,
    TwilioRestException,
    TwilioServiceException,
)
from twilio.rest import Client

from channels.base import (
    NOT_ABROAD,
    Accepted,
    Clock,
    Message,
    Outcome,
    Permanent,
    Unknown,
)
from channels.couriers import ByCouriers, Couriers
from channels.finding import Match, Sought
from channels.http_client import HttpClient
from channels.twilio_account import Account, Kind
from channels.twilio_codes import judge
from channels.twilio_http import NoAnswer, TwilioHttp

LISTED_MAX = 200
"""Entries of a list that are looked through: everything sent to one number in a day, and more."""

ANSWER_MAX = 4 * 1024 * 1024
"""Bytes of an answer: a list of so many texts, all of them as long as Twilio takes them (1,600
characters, six bytes each in JSON), is half of it."""

EARLY_MS, LATE_MS = 5_000, 60_000
"""How far Twilio's clock may be behind ours, and how long after our deadline it may have begun."""

CHINA = "+86"

TRANSFER = Permanent(NOT_ABROAD, "lane")
"""A number of the mainland is not handed abroad before somebody has decided that it may be."""

Allowed = Callable[[str], bool]
"""Whether a lane may take numbers of the mainland abroad."""


class TwilioChannel(ByCouriers, ABC):
    """A :class:`~channels.base.Channel` and a :class:`~channels.finding.Finder`. Its collect holds
    late answers only: reports come to the pages' door."""

    kind: Kind

    def __init__(self, clock: Clock, account: Account, allowed: Allowed) -> None:
        assert account.connections >= 1
        self.name = f"{self.kind}_twilio"
        self._clock = clock
        self._account = account
        self._http = HttpClient(clock, account.connect_s, account.answer_s, answer_max=ANSWER_MAX)
        couriers = [_Courier(self, allowed) for _ in range(account.connections)]
        super().__init__(Couriers(clock, couriers), self._http.close)
        self._finders = asyncio.Semaphore(account.connections)
        client, _ = self.client()
        _ = client.messages, client.calls  # loads modules for most of a second: not at a deadline

    async def find(self, sought: Sought) -> Sequence[Match]:
        """What Twilio lists for the number, created about then."""
        client, _ = self.client()
        try:
            async with self._finders:
                listed = await self.listed(client, sought.to)
        except (NoAnswer, TwilioException, ValueError):
            return ()
        found = [
            (created_ms, entry)
            for entry in listed
            if (created_ms := _ms(entry.date_created)) is not None
            and sought.since_ms - EARLY_MS <= created_ms <= sought.until_ms + LATE_MS
            and self.looks_like(entry, sought)
        ]
        found.sort(key=lambda pair: pair[0])
        return [self.match(entry, sought, self._clock.now_ms()) for _, entry in found]

    def client(self) -> tuple[Any, TwilioHttp]:
        """The library's client for one courier, over the connections that all share."""
        account = self._account
        http = TwilioHttp(self._http)
        # an empty environment: what is in the process's own decides nothing here
        client = Client(account.sid, account.token, http_client=http, environment={"": ""})
        client.api.base_url = account.api_url
        return client, http

    @abstractmethod
    async def create(self, client: Any, lane: str, message: Message) -> str:
        """Make the one request, and answer Twilio's own name of what came of it."""

    @abstractmethod
    async def listed(self, client: Any, to: str) -> Iterable[Any]:
        """What Twilio has for a number, the youngest first."""

    @abstractmethod
    def looks_like(self, entry: Any, sought: Sought) -> bool: ...

    @abstractmethod
    def match(self, entry: Any, sought: Sought, now_ms: int) -> Match: ...


class _Courier:
    """Makes creates, one at a time, each once."""

    def __init__(self, channel: TwilioChannel, allowed: Allowed) -> None:
        self._channel = channel
        self._allowed = allowed
        self._made: tuple[Any, TwilioHttp] | None = None

    async def deliver(self, lane: str, message: Message) -> Outcome:
        if message.to.startswith(CHINA) and not self._allowed(lane):
            return TRANSFER
        client, http = self._made = self._made or self._channel.client()
        http.deadline_ms = message.call_before_ms
        try:
            sid = await self._channel.create(client, lane, message)
        except NoAnswer as error:
            return error.known
        except TwilioRestException as error:
            return judge(error.status, error.code or error.status)
        except TwilioServiceException as error:
            return judge(error.status, error.code)
        except (TwilioException, ValueError, TypeError, KeyError) as error:
            return Unknown(f"an answer that cannot be read: {type(error).__name__}")
        return Accepted(sid) if sid else Unknown("an answer without a name")


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
