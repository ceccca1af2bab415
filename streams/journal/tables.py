"""The journal's tables as whoever asks in SQL sees them: the rows of one shard."""

from sqlalchemy import FromClause, select

from streams.journal import postgres_schema, schema
from streams.journal.base import Store


def rows_of(store: Store) -> FromClause:
    """``pos``, ``stream``, ``version``, ``type``, ``at_ms``, ``data``."""
    return _own(store, "journal")


def batches_of(store: Store) -> FromClause:
    """One row a commit: ``first``, ``last``, ``at_ms`` and the rest of its proof."""
    return _own(store, "journal_batch")


def _own(store: Store, name: str) -> FromClause:
    if store.engine.dialect.name == "sqlite":  # a file is a shard
        return schema.metadata.tables[name]
    table = postgres_schema.metadata.tables[name]
    return select(table).where(table.c.shard == store.shard).subquery(name)
