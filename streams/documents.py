"""Documents in force: what was published, over the catalog and the policy the hub came with.

The journal is the truth about them. A process reads it at its start, and again when something was
published by another.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from channels.lanes import Lanes
from streams.core import events as e
from streams.core.codec import decode
from streams.core.identity import Index, named_stream
from streams.core.policy import load as load_policy
from streams.core.standings import LANE
from streams.event_record import rules_of
from streams.journal.base import JournalStore, Reader
from streams.lane_stories import as_they_stand
from streams.pipeline.river import Documents, River
from templates.catalog_files import build_catalog
from templates.wording_versions import SEED_VERSION, load_wording

WORDING, POLICY, TRANSFER = "wording", "policy", "transfer"


class Published(NamedTuple):
    """Wording of one notice, as the row of its stream says; its number counts on from the seed."""

    notice: str
    version: int
    files: Mapping[str, str]


def wording_stream(notice: str) -> bytes:
    """Where the versions of a notice's wording are."""
    return named_stream(WORDING, notice)


POLICY_STREAM = named_stream(POLICY)


def transfer_stream(lane: str) -> bytes:
    """Where it is decided whether a lane may take numbers of the mainland abroad."""
    return named_stream(TRANSFER, lane)


def load(reader: Reader, index: Index, seed: Documents) -> Documents:
    """What is in force: each notice's last published wording, the last policy and the last word on
    each lane's transfer abroad, over ``seed``.

    Raises:
        WordingError: what was published cannot be read any more. The hub does not start then: the
            words of the seed are not those that were approved.
    """
    lanes = as_they_stand(reader, index, seed.lanes)
    kinds = [(index.kind(kind), b"") for kind in (WORDING, POLICY, TRANSFER)]
    streams = [stream for found in reader.lookup(kinds).values() for stream in found]
    wordings: list[Published] = []
    policy = seed.policy
    transfers: set[str] = set()
    for rows in reader.read(streams).values():
        last = rows[-1]
        match decode(last.type, last.data):
            case e.WordingPublished() as said:
                wordings.append(Published(said.notice, last.version + SEED_VERSION, said.files))
            case e.PolicyPublished(text=text):
                policy = load_policy(text.encode())
            case e.TransferDecided(lane=lane, allowed=True):
                transfers.add(lane)
    documents = with_wordings(seed, wordings)
    return documents._replace(policy=policy, lanes=lanes, transfers=frozenset(transfers))


def with_wordings(documents: Documents, published: Sequence[Published]) -> Documents:
    """The documents once these are in force, the catalog's declarations among them.

    Raises:
        WordingError: their files cannot be read, or contradict another notice's.
    """
    if not published:
        return documents
    catalog = documents.catalog
    files = {**catalog.files, **{one.notice: dict(one.files) for one in published}}
    loaded = {
        one.notice: load_wording(one.notice, one.files, one.version, documents.hosts)
        for one in published
    }
    catalog = build_catalog(files, catalog.senders)
    return documents._replace(
        catalog=catalog,
        rules=rules_of(catalog, documents.hosts) if documents.rules else b"",
        wordings={**documents.wordings, **loaded},
    )


class Refresher:
    """Keeps a river's documents as the journal has them, also when another process published.

    Asks for one key range each time, which is nearly always empty. Called from the thread that
    follows the journal: a step sees the documents replaced as a whole, or not yet. ``file`` answers
    with the lanes of the lanes file where that has changed.
    """

    def __init__(
        self,
        store: JournalStore,
        river: River,
        seed: Documents,
        file: Callable[[], Lanes | None] = lambda: None,
    ) -> None:
        self._store = store
        self._river = river
        self._seed = seed
        self._file = file
        self._pos = 0  # the first look finds what was published before the start

    def refresh(self) -> bool:
        """Take over what was published since the last time; whether anything was."""
        index, head = self._river.index, self._store.head()
        kinds = [index.kind(name) for name in (WORDING, POLICY, LANE, TRANSFER)]
        news = self._store.lookups_since(self._pos, kinds)
        lanes = self._file()
        if lanes is not None:
            self._seed = self._seed._replace(lanes=lanes)
        if news.keys() - {index.kind(LANE)}:
            self._river.documents = load(self._store, index, self._seed)
        elif news or lanes is not None:
            stand = as_they_stand(self._store, index, self._seed.lanes)
            self._river.documents = self._river.documents._replace(lanes=stand)
        self._pos = head
        return bool(news) or lanes is not None
