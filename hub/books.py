"""The hub's books, opened to be read: no river runs, and nothing is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from hub.bootstrap import check_keys, documents, open_store, open_vault
from hub.folder import JOURNAL, owner
from hub.settings import Settings
from streams.core.identity import Index
from streams.documents import load
from streams.journal.base import Store
from streams.pipeline.river import Documents
from streams.projections.following import Follower
from streams.reading import Reading

FOLLOW_ROWS = 10_000


class NoJournal(Exception):  # noqa: N818 - a state of the folder, not a mistake
    """No hub has ever run on this folder."""


class Books(NamedTuple):
    """The journal, its read models, and the documents in force."""

    settings: Settings
    store: Store
    keys: Index
    documents: Documents
    reading: Reading


@contextmanager
def open_books(settings: Settings) -> Iterator[Books]:
    """Open the journal, beside a running hub or alone; the read models are as of now, unless a
    running hub is moving them along. Raises :class:`NoJournal`, and of a cluster what
    `hub.migrating.check_postgres` does."""
    check_there(settings)
    store = open_store(settings)
    try:
        if not settings.database:
            check_keys(settings, store)
        index = Index(settings.key("index_key"))
        known = load(store, index, documents(settings))
        if not settings.database and owner(settings.data_dir) is None:
            catch_up(store)
        reading = Reading(store, open_vault(settings), index, lambda: known)
        yield Books(settings, store, index, known, reading)
    finally:
        store.close()


def check_there(settings: Settings) -> None:
    """Raises :class:`NoJournal` rather than have one made by whoever only asks."""
    if not settings.database and not (settings.data_dir / JOURNAL).is_file():
        raise NoJournal(f"no hub has run on {settings.data_dir} yet; `hub up` starts one")


def catch_up(store: Store) -> None:
    """Bring the read models up to the end of the journal."""
    follower = Follower(store)
    while follower.follow(FOLLOW_ROWS):
        pass
