"""The parts of a cluster, started natively once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.cluster.native_kafka import NativeKafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeKafka]:
    """A running broker for every test; each names its own topics and groups."""
    broker = NativeKafka(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.stop()
