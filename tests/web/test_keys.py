"""API keys: shown once, kept as a hash, paced."""

import hashlib

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from web.keys import (
    METADATA,
    Pace,
    api_key,
    check_key,
    create_key,
    find_key,
    list_keys,
    revoke_key,
)

NOW_MS = 1_764_000_000_000
DAY_MS = 86_400_000


def entropy(size: int) -> bytes:
    return bytes(range(size))


@pytest.fixture
def connection(engine):
    METADATA.create_all(engine)
    with engine.begin() as open_connection:
        yield open_connection


def made(connection: Connection, scope: str = "events", until_ms: int = NOW_MS + DAY_MS) -> str:
    return create_key(connection, entropy, "traffic platform", scope, NOW_MS, until_ms)


def test_a_key_names_itself_and_opens_its_scope(connection):
    text = made(connection)
    prefix, live, key_id, secret = text.split("_")
    assert (prefix, live, len(key_id), len(secret)) == ("fh", "live", 8, 52)
    key = check_key(connection, text, "events", NOW_MS)
    assert key is not None
    assert (key.id, key.name) == (key_id, "traffic platform")
    assert check_key(connection, text, "operator", NOW_MS) is None


def test_the_table_holds_a_hash_and_no_secret(connection):
    secret = made(connection).rpartition("_")[2]
    row = connection.execute(select(api_key)).one()
    assert row.digest == hashlib.sha256(secret.encode()).digest()
    assert secret not in repr(tuple(row))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1] + ("a" if text[-1] != "a" else "b"),
        lambda text: text.replace("fh_live_", "fh_test_"),
        lambda text: text.replace("_live_a", "_live_b"),
        lambda text: text + "a",
        lambda text: "",
        lambda text: "fh_live__",
        lambda text: "é" * 70,
    ],
)
def test_no_other_text_opens(connection, spoil):
    text = made(connection)
    assert check_key(connection, spoil(text), "events", NOW_MS) is None


def test_a_key_ends_when_it_expires_or_is_revoked(connection):
    text = made(connection)
    assert check_key(connection, text, "events", NOW_MS + DAY_MS) is None
    key_id = text.split("_")[2]
    assert revoke_key(connection, key_id, NOW_MS)
    assert not revoke_key(connection, key_id, NOW_MS)
    assert check_key(connection, text, "events", NOW_MS) is None
    assert [key.revoked_ms for key in list_keys(connection)] == [NOW_MS]
    assert find_key(connection, key_id) is not None
    assert find_key(connection, "nobody22") is None


def test_the_same_id_is_never_given_twice(connection):
    made(connection)
    with pytest.raises(IntegrityError):
        made(connection)


class TestPace:
    def test_a_burst_passes_and_then_the_rate(self):
        pace = Pace(per_s=10, burst=20)
        assert pace.take("a", 20, NOW_MS) == 0
        assert pace.take("a", 1, NOW_MS) == 100
        assert pace.take("a", 1, NOW_MS + 99) == 1
        assert pace.take("a", 1, NOW_MS + 100) == 0

    def test_what_is_refused_costs_nothing(self):
        pace = Pace(per_s=10, burst=20)
        assert pace.take("a", 21, NOW_MS) == 100
        assert pace.take("a", 20, NOW_MS) == 0

    def test_keys_do_not_slow_each_other(self):
        pace = Pace(per_s=10, burst=20)
        assert pace.take("a", 20, NOW_MS) == 0
        assert pace.take("b", 20, NOW_MS) == 0

    def test_never_more_than_rate_and_burst(self):
        pace, taken = Pace(per_s=10, burst=20), 0
        for ms in range(0, 10_000, 7):
            taken += pace.take("a", 1, NOW_MS + ms) == 0
        assert taken <= 20 + 100
        assert taken >= 118
