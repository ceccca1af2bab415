"""The journal in PostgreSQL keeps the contract."""

from collections.abc import Iterator

import pytest

from streams.journal.postgres import CAREFUL_COMMITS, PostgresStore
from tests.contracts.journal_contract import AT, JournalContract

pytestmark = pytest.mark.cluster


@pytest.fixture(params=["careful", "straight"])
def store(database: str, request: pytest.FixtureRequest) -> Iterator[PostgresStore]:
    """As it is after opening, and as it is when nobody was faster for a while."""
    store = PostgresStore(database)
    if request.param == "straight":
        for _ in range(CAREFUL_COMMITS):
            store.commit([], AT)
    yield store
    store.close()


class TestPostgres(JournalContract):
    pass
