"""The client for upstream systems that bring events over Kafka, and read what became of them.

One file that needs kafka-python (``pip install "kafka-python[crc32c]"``) and nothing else of the
hub: copy it into your own program. What it promises::

    with UpstreamClient("kafka-1:9092,kafka-2:9092") as client:
        placed = client.send(event).result()   # acknowledged by every replica in sync

Every event is acknowledged, or you are told that it is not. An event may lie there twice, or be
sent twice: (source, id) is its name, and the hub takes it once. So what is not acknowledged is sent
again, as often as it takes. Events of one recipient stay in the order they were sent in. What waits
is bounded: where brokers are slower than you, ``send`` waits, and raises :class:`Full` when that
takes too long.

What may go wrong::

    UpstreamError
     ├── BadEvent         no hub takes this event; it names the field. Mend it
     ├── Full             too many wait for their acknowledgement. This one was not sent
     ├── Unreachable      no broker answers, or has the topic. This one was not sent
     └── Unacknowledged   sent, and nobody knows whether it arrived. Send the same again
"""

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

EVENTS = "events"
URGENT = ".urgent"
"""Behind the topic's name: what may not wait behind a backlog of the others."""

OUTCOMES = "outcomes"

MAX_EVENT_BYTES = 256 * 1024
MAX_NAME_CHARS = 256
MAX_SUBJECT_CHARS = 64
"""What the hub takes; it refuses what is longer."""

OUTSTANDING_MAX = 10_000
"""Events that may wait for their acknowledgement: some ten megabytes, and a second or less of what
one process can send."""

BLOCK_S = 60.0
"""How long ``send`` waits for room before it says that there is none."""

DELIVER_S = 120.0
"""How long an event is tried before it counts as not acknowledged: longer than it takes brokers to
choose another leader, or one to start again."""

REQUEST_S = 30.0
RECONNECT_MS = 1_000
"""A broker that comes back is found within about this time."""

LINGER_MS = 5
"""Events of so many milliseconds travel together, which costs a tenth of sending each alone."""

BATCH_BYTES = 128 * 1024

Event = Mapping[str, Any] | bytes
"""A CloudEvent, structured: its fields, or the JSON of them, which then travels as it is."""


class UpstreamError(Exception):
    """See the tree above."""


class BadEvent(UpstreamError):  # noqa: N818 - named for what is known
    """``field`` was expected to be ``expected``."""

    def __init__(self, field: str, expected: str, got: str = "") -> None:
        super().__init__(f"{field}: expected {expected}{f', got {got}' if got else ''}")
        self.field, self.expected, self.got = field, expected, got


class Full(UpstreamError):  # noqa: N818
    """There was no room for as long as ``block_s``; send it again later."""


class Unreachable(UpstreamError):  # noqa: N818
    """No broker answers, or the topic is not there."""


class Unacknowledged(UpstreamError):  # noqa: N818
    """It may be on the topic or not; ``event`` is its key. Send the same event again."""

    def __init__(self, event: str, why: str) -> None:
        super().__init__(why)
        self.event = event


class Placed(NamedTuple):
    """Where an acknowledged event lies. ``event`` is the hub's key of it (:func:`event_key`)."""

    event: str
    topic: str
    partition: int
    offset: int


class Checked(NamedTuple):
    """An event that the hub will read. ``key`` decides its partition."""

    event: str
    type: str
    key: bytes
    value: bytes


def event_key(source: str, event_id: str) -> str:
    """The hub's key of an event, by which outcomes name it: 32 hexadecimal digits.

    BLAKE2b, 16 bytes, over ``"event"``, source and id, each in UTF-8 behind its length in four
    bytes, the highest first.
    """
    parts = [part.encode() for part in ("event", source, event_id)]
    whole = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return blake2b(whole, digest_size=16).hexdigest()


class UpstreamClient:
    """A producer of events. Safe between threads; one for a process is enough.

    ``brokers`` is ``host:port,host:port``. ``urgent`` are the types of those events that may not
    wait behind a backlog of the others; they have a topic of their own. ``connection`` goes to
    kafka-python as it is: ``security_protocol``, ``ssl_cafile``, ``sasl_mechanism``, ``client_id``
    and so on. Raises :class:`Unreachable` when no broker answers within ``block_s``.
    """

    def __init__(
        self,
        brokers: str,
        *,
        topic: str = EVENTS,
        urgent: Collection[str] = (),
        outstanding_max: int = OUTSTANDING_MAX,
        block_s: float = BLOCK_S,
        deliver_s: float = DELIVER_S,
        **connection: Any,
    ) -> None:
        self._topic = topic
        self._urgent = frozenset(urgent)
        self._outstanding_max = outstanding_max
        self._block_s = block_s
        self._room = threading.BoundedSemaphore(outstanding_max)
        self._producer = _opened(
            KafkaProducer,
            brokers,
            acks="all",
            # Where no broker answers, kafka-python's idempotent producer never tells of a part of
            # what waits (3.0.12). Without it an event may lie there twice, which is harmless here;
            # one request at a time keeps their order.
            enable_idempotence=False,
            max_in_flight_requests_per_connection=1,
            linger_ms=LINGER_MS,
            batch_size=BATCH_BYTES,
            max_block_ms=round(block_s * 1000),
            bootstrap_timeout_ms=round(block_s * 1000),
            delivery_timeout_ms=round(deliver_s * 1000),
            request_timeout_ms=round(min(REQUEST_S, deliver_s / 2) * 1000),
            **connection,
        )

    def send(self, event: Event) -> Future[Placed]:
        """Check an event and send it; the future is done once the brokers have answered.

        The future holds a :class:`Placed`, or raises :class:`Unacknowledged`. Its callbacks run
        in the sending thread and must not wait. ``send`` itself raises :class:`BadEvent`,
        :class:`Full` or :class:`Unreachable`, and then nothing was sent.
        """
        return self.place(check(event))

    def place(self, checked: Checked) -> Future[Placed]:
        """Send what was checked already."""
        if not self._room.acquire(timeout=self._block_s):
            raise Full(
                f"{self._outstanding_max} events wait for their acknowledgement, "
                f"none came for {self._block_s:g} s"
            )
        placed: Future[Placed] = Future()
        placed.set_running_or_notify_cancel()  # what is sent cannot be called back

        def told(record: Any) -> None:
            self._room.release()
            placed.set_result(Placed(checked.event, record.topic, record.partition, record.offset))

        def failed(error: BaseException) -> None:
            self._room.release()
            placed.set_exception(Unacknowledged(checked.event, str(error)))

        try:
            topic = self._topic + URGENT if checked.type in self._urgent else self._topic
            sent = self._producer.send(topic, checked.value, checked.key)
        except BaseException as error:
            self._room.release()
            if isinstance(error, KafkaError):
                raise Unreachable(f"{self._topic}: {error}") from error
            raise
        sent.add_callback(told).add_errback(failed)
        return placed

    def publish(self, events: Iterable[Event]) -> Iterator[Placed | BadEvent | Unacknowledged]:
        """Send many; one answer for each, in their order, while later ones are on their way.

        What was not acknowledged may be sent again by another call. Raises :class:`Full` and
        :class:`Unreachable` like ``send``; the events answered so far stay sent.
        """
        waiting: deque[Future[Placed] | BadEvent] = deque()
        for event in events:
            try:
                waiting.append(self.send(event))
            except BadEvent as bad:
                waiting.append(bad)
            while waiting and (len(waiting) >= self._outstanding_max or _done(waiting[0])):
                yield _answer(waiting.popleft())
        while waiting:
            yield _answer(waiting.popleft())

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until everything sent so far is answered. Raises :class:`Full` when it is not."""
        try:
            self._producer.flush(timeout_s)
        except KafkaTimeoutError as error:
            raise Full(f"not everything was answered within {timeout_s:g} s") from error

    def close(self) -> None:
        """Flush, then end: every future is done when this returns."""
        self._producer.close()

    def __enter__(self) -> "UpstreamClient":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _done(waits: Future[Placed] | BadEvent) -> bool:
    return isinstance(waits, BadEvent) or waits.done()


def _answer(waits: Future[Placed] | BadEvent) -> Placed | BadEvent | Unacknowledged:
    if isinstance(waits, BadEvent):
        return waits
    try:
        return waits.result()
    except Unacknowledged as lost:
        return lost


class OutcomeReader:
    """Reads what became of events, as one member of the consumer group ``group``.

    The brokers keep how far the group has read, so that it goes on there after a restart.
    ``connection`` goes to kafka-python as it is.
    """

    def __init__(
        self, brokers: str, group: str, *, topic: str = OUTCOMES, **connection: Any
    ) -> None:
        self._in_hand = False
        self.replies: list[dict[str, Any]] = []
        """What recipients wrote back, of the last :meth:`poll`: each names the message, and not the
        words, which the API has."""
        options = {"group_id": group, "enable_auto_commit": False, "auto_offset_reset": "earliest"}
        self._consumer = _opened(KafkaConsumer, brokers, topic, **options, **connection)

    def poll(self, timeout_s: float = 1.0) -> list[dict[str, Any]]:
        """The next outcomes, each with the fields of the reference; [] when none came.

        They count as read with the next call, so that what was in hand when a process ends comes
        again. Of two outcomes of one ``notification`` that with the higher ``pos`` is true; one
        whose ``pos`` you have is a repeat. Raises :class:`Unreachable` when the brokers cannot
        note what was read; then it comes again.
        """
        if self._in_hand:
            self._commit()
        found = self._consumer.poll(timeout_ms=round(timeout_s * 1000))
        self._in_hand = bool(found)
        values = (record.value for records in found.values() for record in records)
        data = [json.loads(value)["data"] for value in values]
        self.replies = [one for some in data for one in some.get("replies", ())]
        return [one for some in data for one in some["outcomes"]]

    def _commit(self) -> None:
        try:
            self._consumer.commit()
        except KafkaError as error:
            raise Unreachable(f"what was read cannot be noted: {error}") from error

    def close(self) -> None:
        """Leave the group, so that its other members go on at once."""
        self._consumer.close(autocommit=False)

    def __enter__(self) -> "OutcomeReader":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _opened(kind: Callable[..., Any], brokers: str, *topics: str, **options: Any) -> Any:
    """A client of kafka-python, with what is the same for all of ours."""
    try:
        return kind(
            *topics,
            bootstrap_servers=brokers.split(","),
            reconnect_backoff_max_ms=RECONNECT_MS,
            allow_auto_create_topics=False,  # a misspelt topic is a mistake, not a new one
            **options,
        )
    except KafkaError as error:
        raise Unreachable(f"{brokers}: {error}") from error


# What an event must be ----------------------------------------------------------------------------

_REQUIRED = ("specversion", "id", "source", "type", "time")
_TEXTS = (*_REQUIRED, "subject", "datacontenttype", "region", "traceparent")
_KNOWN = frozenset((*_TEXTS, "data"))
_SUBJECT = re.compile(rf"[^\s\x00-\x1f\x7f-\x9f]{{0,{MAX_SUBJECT_CHARS}}}")
_OF_RECIPIENTS = "hub.recipient."
"""Types whose data names the recipient in ``ref``; a subject may be left out there."""


def check(event: Event) -> Checked:
    """Check the envelope, as the hub will; what a type's ``data`` holds only the hub can check.

    Raises:
        BadEvent: naming the field.
    """
    said, value = _read(event)
    for field in _REQUIRED:
        if field not in said:
            raise BadEvent(field, "to be present")
    if unknown := sorted(said.keys() - _KNOWN):
        raise BadEvent(unknown[0], "no such field; only declared ones are read")
    for field in _TEXTS:
        if not isinstance(said.get(field, ""), str):
            raise BadEvent(field, "a text", type(said[field]).__name__)
    if said["specversion"] != "1.0":
        raise BadEvent("specversion", '"1.0"', said["specversion"])
    if said.get("datacontenttype", "application/json") != "application/json":
        raise BadEvent("datacontenttype", '"application/json"', said["datacontenttype"])
    for field in ("id", "source", "type", "region"):
        least = 0 if field == "region" else 1
        if not least <= len(said.get(field, "")) <= MAX_NAME_CHARS:
            raise BadEvent(field, f"{least} to {MAX_NAME_CHARS} characters")
        if not said.get(field, "").isprintable():
            raise BadEvent(field, "printable characters")
    if not _SUBJECT.fullmatch(said.get("subject", "")):
        raise BadEvent("subject", f"at most {MAX_SUBJECT_CHARS} characters, without spaces")
    if not _is_time(said["time"]):
        raise BadEvent("time", "RFC 3339 with a zone, as 2026-01-31T09:00:00+08:00")
    if not isinstance(said.get("data", {}), Mapping):
        raise BadEvent("data", "a JSON object", type(said["data"]).__name__)
    name = event_key(said["source"], said["id"])
    return Checked(name, said["type"], (_recipient(said) or name).encode(), value)


def _recipient(said: Mapping[str, Any]) -> str:
    """Whom an event is about; "" when it is about nobody in particular."""
    subject: str = said.get("subject", "")
    if not subject and said["type"].startswith(_OF_RECIPIENTS):
        return str(said.get("data", {}).get("ref", ""))
    return subject


def _read(event: Event) -> tuple[Mapping[str, Any], bytes]:
    """The fields of an event and its bytes."""
    try:
        if isinstance(event, bytes):
            said, value = json.loads(event.decode(), parse_constant=_no_number), event
            if b"\\u" in value:
                _written(said)  # an escape may hide half a character, which is no text
        else:
            said, value = event, _written(event)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadEvent("event", "well-formed JSON", str(error)) from error
    if not isinstance(said, Mapping):
        raise BadEvent("event", "a JSON object", type(said).__name__)
    if len(value) > MAX_EVENT_BYTES:
        raise BadEvent("event", f"at most {MAX_EVENT_BYTES} bytes", f"{len(value)} bytes")
    return said, value


def _written(event: Mapping[str, Any]) -> bytes:
    text = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
