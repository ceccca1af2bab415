"""The ways in for whoever brings events from the command line.

A running hub is asked over HTTP, as any upstream system would. Where none runs, the events go
straight into its topics, through the same examination, and are routed at its next start. On a
cluster they go straight onto its topic, as an upstream system's do.
"""

import asyncio
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec

from hub.bootstrap import Hub, open_hub, open_store
from hub.clock import Real, clock_of
from hub.folder import held, owner
from hub.settings import Settings
from streams.commands import Received
from streams.core.policy import HOUR_MS
from web.keys import Scope, create_key

KEY_MS = HOUR_MS
"""How long the key that a command makes for itself is good for."""

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

TIMEOUT_S = 60
TRIES = 30
"""A hub that is busy says when to come again; half a minute or so of that is a fault."""


class DoorShut(Exception):  # noqa: N818 - named for what is known
    """The hub takes nothing: it cannot be reached, or refuses the key."""


class Door(Protocol):
    """Takes structured events and answers for each, in order. Raises :class:`DoorShut`."""

    name: str

    def bring(self, events: Sequence[bytes]) -> list[Received]: ...


class _Problem(msgspec.Struct):
    field: str
    expected: str
    got: str = ""


class _Item(msgspec.Struct):
    status: str
    event: str = ""
    error: _Problem | None = None


class _Answer(msgspec.Struct):
    """What the hub answers, as far as it is read here."""

    results: list[_Item] = []
    error: _Problem | None = None


class HttpDoor:
    """The door of a hub that runs."""

    def __init__(self, url: str, key: str) -> None:
        self.name = url
        self._url = f"{url.rstrip('/')}/v1/events"
        if not self._url.startswith(("http://", "https://")):
            raise DoorShut(f"{url} is no http or https address")
        self._key = key

    def bring(self, events: Sequence[bytes]) -> list[Received]:
        for _ in range(TRIES):
            status, wait_s, answer = self._post(events)
            if status in (429, 503):
                time.sleep(wait_s)
            elif len(answer.results) == len(events):
                return [_received(item) for item in answer.results]
            elif status == 400 and answer.error and len(events) == 1:
                return [Received("refused", "", *_told(answer.error))]
            else:
                raise DoorShut(f"{self.name} answers {status}: {_said(answer.error)}")
        raise DoorShut(f"{self.name} has no room for more; try again later")

    def _post(self, events: Sequence[bytes]) -> tuple[int, float, _Answer]:
        body, kind = events[0], STRUCTURED
        if len(events) > 1:
            body, kind = b"[" + b",".join(events) + b"]", BATCH
        headers = {"authorization": f"Bearer {self._key}", "content-type": kind}
        request = urllib.request.Request(self._url, body, headers)  # noqa: S310 - http(s), checked
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
                return response.status, 0, _read(response.read())
        except urllib.error.HTTPError as error:
            wait_s = float(error.headers.get("retry-after") or 1)
            return error.code, wait_s, _read(error.read())
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise DoorShut(f"{self.name} cannot be reached: {reason}") from error


def _read(body: bytes) -> _Answer:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except msgspec.DecodeError:
        return _Answer()


def _received(item: _Item) -> Received:
    told = _told(item.error) if item.error else ("", "", "")
    match item.status:
        case "accepted" | "duplicate" as status:
            return Received(status, item.event)
        case _:
            return Received("refused", item.event, *told)


def _told(problem: _Problem) -> tuple[str, str, str]:
    return problem.field, problem.expected, problem.got


def _said(problem: _Problem | None) -> str:
    if problem is None:
        return "no answer we know"
    got = f", got {problem.got}" if problem.got else ""
    return f"{problem.field}: expected {problem.expected}{got}"


class OwnDoor:
    """Straight into the topics of a hub that does not run; the caller holds its folder."""

    def __init__(self, hub: Hub, runner: asyncio.Runner) -> None:
        self.name = str(hub.settings.data_dir)
        self._hub = hub
        self._runner = runner

    def bring(self, events: Sequence[bytes]) -> list[Received]:
        return self._runner.run(self._hub.commands.accept(events))


@contextmanager
def open_door(settings: Settings, url: str, key: str) -> Iterator[Door]:
    """The door at ``url``, or onto the cluster's topic, or of the hub that has the data folder, or
    else into its topics. Where no key is given, one is made for the occasion: whoever may write to
    the folder may do that."""
    if settings.kafka and not url:
        from hub.kafka_door import open_kafka_door

        with open_kafka_door(settings) as kafka_door:
            yield kafka_door
        return
    running = owner(settings.data_dir)
    url = url or (running.url if running else "")
    if url:
        yield HttpDoor(url, key or _own_key(settings))
        return
    with own_hub(settings) as (hub, runner):
        yield OwnDoor(hub, runner)


@contextmanager
def own_hub(settings: Settings) -> Iterator[tuple[Hub, asyncio.Runner]]:
    """The hub of a folder that nobody else has, open but not running."""
    with held(settings.data_dir), asyncio.Runner() as runner:
        hub = open_hub(settings, Real())
        try:
            yield hub, runner
        finally:
            runner.run(hub.close())


def _own_key(settings: Settings) -> str:
    return make_key(settings, "hub publish", "events", KEY_MS)


def make_key(settings: Settings, name: str, scope: Scope, good_for_ms: int) -> str:
    """A new key, made beside a running hub or without one; its text cannot be read again."""
    now_ms = clock_of(settings.clock).now_ms()
    store = open_store(settings)
    try:
        with store.transaction() as connection:
            return create_key(connection, os.urandom, name, scope, now_ms, now_ms + good_for_ms)
    finally:
        store.close()
