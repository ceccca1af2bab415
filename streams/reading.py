"""What is shown: read models for pages and the command line, over the store's reader engine.

Synchronous, and never in the way of a writer; call it in a thread from an event loop.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from preferences.vault import Vault
from streams.core.identity import Index
from streams.journal.sqlite import SqliteStore
from streams.pipeline.river import Documents
from streams.views import (
    CaseTimeline,
    Change,
    Delivery,
    Explanation,
    Leg,
    Minute,
    QuarantinedItem,
    Report,
    Timeline,
    Totals,
)

By = Literal["channel", "carrier", "notice", "lane", "region"]


class Reading:
    """``documents`` answers with those in force; ``backlog`` with the records that wait, by topic:
    (how many, offset of the oldest)."""

    def __init__(
        self,
        store: SqliteStore,
        vault: Vault,
        index: Index,
        documents: Callable[[], Documents],
        backlog: Callable[[], Mapping[str, tuple[int, int]]] = dict,
    ) -> None:
        self._store = store
        self._vault = vault
        self._index = index
        self._documents = documents
        self.backlog = backlog

    # Numbers

    def standing(self) -> Totals:
        """Where every leg stands now."""
        raise NotImplementedError

    def report(self) -> Report:
        """The accounts by the projections; :func:`streams.recount.recount` makes the same from the
        journal itself."""
        raise NotImplementedError

    def delivery(self, by: By, since_ms: int, until_ms: int) -> list[Delivery]:
        """What happened between two times (whole minutes), a line for each channel, carrier, …,
        the busiest first."""
        raise NotImplementedError

    def minutes(
        self, since_ms: int, until_ms: int, step_ms: int = 60_000, by: By | None = None,
        name: str = "",
    ) -> list[Minute]:  # fmt: skip
        """A series for a chart: every span of ``step_ms`` (whole minutes), also the empty ones;
        of one channel, carrier, … alone when ``by`` and ``name`` say which."""
        raise NotImplementedError

    def newest(self, limit: int) -> list[Change]:
        """The legs that moved last, the newest first (at most ``projections.newest.KEPT``)."""
        raise NotImplementedError

    def quarantined(
        self, state: str = "open", limit: int = 100, before: str = ""
    ) -> list[QuarantinedItem]:
        """Items by state ("" for all), the newest first; ``before`` is the id to go on from."""
        raise NotImplementedError

    def quarantined_raw(self, item: str) -> bytes | None:
        """The original bytes of an item; None when there is no such item."""
        raise NotImplementedError

    # Stories

    def timeline(self, stream: str, unseal: bool = False) -> Timeline | None:
        """Everything journalled about one leg; None when unknown. ``unseal`` shows the words and
        the address: the caller has checked who asks."""
        raise NotImplementedError

    def explain(self, stream: str, version: int) -> Explanation | None:
        """The decision in that row made again, step by step; None where the row decided nothing."""
        raise NotImplementedError

    def history(self, ref: str, limit: int = 50, before: str = "") -> list[Leg]:
        """The legs of one recipient (own reference or alias), by the time of their events, the
        newest first; ``before`` is the stream to go on from."""
        raise NotImplementedError

    def case(self, correlation: str, unseal: bool = False) -> CaseTimeline | None:
        """A case (``case_no=…``, as heads name it) with its events and notifications on one
        timeline; None when nothing is known of it."""
        raise NotImplementedError
