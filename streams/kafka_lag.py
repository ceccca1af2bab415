"""What waits on the topics of a cluster: how far the groups of workers are behind, and which groups
have nobody in them."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams.topics import EVENTS, INBOUND, PARKED, dispatch_topic

GROUPS = {
    "hub-router": (EVENTS,),
    "hub-dispatcher": (dispatch_topic(""),),
    "hub-receiver": (PARKED, INBOUND),
}
"""What each group serves: topics whose names begin so."""

LOOK_S = 2.0
"""How old the answer is at most: brokers are asked beside the pages, not by each of them."""

REQUEST_MS = 5_000


class Lag:
    """Asks the brokers in a thread of its own, from the first question on. ``wrong`` says when they
    do not answer, ``absent`` names the kinds of workers of which none is in its group."""

    def __init__(self, brokers: str) -> None:
        self._brokers = brokers.split(",")
        self._waiting: dict[str, tuple[int, int]] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self.wrong = ""
        self.absent: Sequence[str] = ()

    def waiting(self) -> Mapping[str, tuple[int, int]]:
        """Records that wait, by topic, and the lowest offset among the first of them; without
        topics where none does."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="lag", daemon=True)
            self._thread.start()
        return self._waiting

    def close(self) -> None:
        """Ask no more."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._ending.is_set():
            try:
                self._ask_on()
            except KafkaError as error:
                self.wrong = f"the brokers do not answer: {type(error).__name__}"
            self._ending.wait(LOOK_S)

    def _ask_on(self) -> None:
        """Until they fail to answer, or for good."""
        admin = KafkaAdminClient(bootstrap_servers=self._brokers, request_timeout_ms=REQUEST_MS)
        reader = KafkaConsumer(bootstrap_servers=self._brokers)
        try:
            while not self._ending.is_set():
                self._waiting = _behind(admin, reader)
                self.absent = _absent(admin)
                self.wrong = ""
                self._ending.wait(LOOK_S)
        finally:
            reader.close()
            admin.close()


def _behind(admin: KafkaAdminClient, reader: KafkaConsumer) -> dict[str, tuple[int, int]]:
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    topics = reader.topics()
    for group, committed in admin.list_group_offsets(list(GROUPS)).items():
        # of all its partitions: one that nobody has served yet has no offset, and may hold much
        served = [
            TopicPartition(topic, number)
            for topic in topics
            if topic.startswith(GROUPS[group])
            for number in reader.partitions_for_topic(topic) or ()
        ]
        for tp, end in reader.end_offsets(served).items():
            done = committed[tp].offset if tp in committed else 0
            if end > done:
                found[tp.topic].append((end - done, done))
    return {
        topic: (sum(count for count, _ in some), min(first for _, first in some))
        for topic, some in found.items()
    }


def _absent(admin: KafkaAdminClient) -> list[str]:
    """Whoever stopped answering is out of its group once its session has ended."""
    groups = admin.describe_groups(list(GROUPS))
    return [name.removeprefix("hub-") for name in GROUPS if not groups[name]["members"]]
