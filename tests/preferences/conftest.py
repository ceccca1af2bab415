"""Recipients at rest need the tables of both who keep them, and keys."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from preferences import addresses, store
from preferences.vault import Keys, Pooled, Vault

KEYS = Keys(b"k" * 32, b"i" * 32, kek_id=1)


def create_tables(engine: Engine) -> None:
    for metadata in (store.metadata, addresses.metadata):
        metadata.create_all(engine)


@pytest.fixture
def vault() -> Vault:
    return Vault(KEYS, Pooled(os.urandom))


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    create_tables(engine)
    with engine.connect() as connection:
        yield connection
