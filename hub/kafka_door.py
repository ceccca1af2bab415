"""The way in for whoever brings events from the command line of a cluster: onto its topic.

As an upstream system's, through the same client; but sealed, as the hub's own door does it. What
that door would refuse at once is refused here, by the catalog in force, and is kept nowhere but
where it came from. What was brought before is brought again: the router knows it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hub.bootstrap import documents, hub_key, open_store, open_vault
from hub.clock import clock_of
from hub.doors import DoorShut
from hub.settings import Settings
from streams.admission import partition_key
from streams.commands import Received
from streams.core.codec import Refusal
from streams.core.identity import Index
from streams.core.notices import urgent_types
from streams.documents import load
from streams.door import Incoming, examine
from streams.pipeline.river import Documents
from streams.topics import EVENTS
from streams.upstream_client import Checked, UpstreamClient, UpstreamError

BLOCK_S = 10
"""How long brokers may be away: somebody sits before it, and may bring the same again."""


@contextmanager
def open_kafka_door(settings: Settings) -> Iterator["KafkaDoor"]:
    """The door of the cluster that these settings are of."""
    known = _in_force(settings)
    try:
        urgent = urgent_types(known.catalog)
        with UpstreamClient(settings.kafka, urgent=urgent, block_s=BLOCK_S) as client:
            yield KafkaDoor(settings, known, client)
    except UpstreamError as error:
        raise DoorShut(f"{settings.kafka}: {error}") from error


class KafkaDoor:
    """A `hub.doors.Door`. ``bring`` answers when the brokers have every event."""

    def __init__(self, settings: Settings, known: Documents, client: UpstreamClient) -> None:
        self.name = settings.kafka
        self._client = client
        self._clock = clock_of(settings.clock)
        self._known = known
        self._digest = open_vault(settings).digest
        self._seal = hub_key(settings).seal

    def bring(self, events: Sequence[bytes]) -> list[Received]:
        known, now_ms = self._known, self._clock.now_ms()
        read = [examine(raw, known.catalog, known.hosts, self._digest, now_ms) for raw in events]
        sent = [self._client.place(self._sealed(one)) for one in read if isinstance(one, Incoming)]
        placed = iter([future.result() for future in sent])
        return [
            Received("refused", "", *one)
            if isinstance(one, Refusal)
            else Received("accepted", next(placed).event)
            for one in read
        ]

    def _sealed(self, one: Incoming) -> Checked:
        sealed = self._seal(one.raw, EVENTS.encode())
        return Checked(one.event.key.hex(), one.event.type, partition_key(one), sealed)


def _in_force(settings: Settings) -> Documents:
    store = open_store(settings)
    try:
        return load(store, Index(settings.key("index_key")), documents(settings))
    finally:
        store.close()
