"""One owner a lane partition, on both databases."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from streams import postgres as database_of
from streams.journal.base import Group
from streams.journal.errors import JournalLocked
from streams.journal.postgres import PostgresStore
from streams.journal.sqlite import SqliteStore
from streams.lane_owner import METADATA, Claim, LaneLost, Ownership
from tests.contracts.journal_contract import AT, unit
from tests.contracts.lane_owner_contract import SMS, LaneOwnerContract, intent, ownership

__all__ = ["ownership"]  # the contract's fixture


class TestOnSqlite(LaneOwnerContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqliteStore]:
        store = SqliteStore(tmp_path / "hub.db")
        METADATA.create_all(store.engine)
        yield store
        store.close()


@pytest.mark.cluster
class TestOnPostgres(LaneOwnerContract):
    @pytest.fixture
    def store(self, database: str) -> Iterator[PostgresStore]:
        store = PostgresStore(database)
        METADATA.create_all(store.engine)
        yield store
        store.close()

    def test_a_claim_waits_for_an_intent_and_an_intent_for_a_claim(
        self, store: PostgresStore, ownership: Ownership
    ) -> None:
        former = ownership.claim(SMS, 0, "one", AT)
        claims: list[Claim] = []
        claiming = threading.Thread(
            target=lambda: claims.append(ownership.claim(SMS, 0, "other", AT))
        )

        def overtake(_: object) -> None:
            """Another claims once the intent is checked, and before it is committed."""
            claiming.start()
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            with store.readers.connect() as connection:
                while claiming.is_alive() and not connection.scalar(waiting):
                    connection.rollback()
            assert claiming.is_alive(), "it waits for the intent"

        checked = Group([unit(1, 1)], effects=[former.check, overtake])
        assert store.commit([checked], AT)[0].won == (True,)
        claiming.join()
        assert claims == [Claim(SMS, 0, 2)]
        with pytest.raises(LaneLost):
            store.commit([intent(former, 2)], AT)

    @pytest.mark.parametrize("stopped_in", ["intent", "claim"])
    def test_who_was_stopped_in_an_intent_or_a_claim_stops_nobody(
        self,
        store: PostgresStore,
        ownership: Ownership,
        monkeypatch: pytest.MonkeyPatch,
        stopped_in: str,
    ) -> None:
        """Its successor claims in vain once, though nobody else commits; or its predecessor hands
        on over, for its claim was never committed."""
        former = ownership.claim(SMS, 0, "one", AT)
        monkeypatch.setattr(database_of, "LOCK_MS", 50)
        other = PostgresStore(store.engine.url.render_as_string(hide_password=False))
        with closing(other), store.engine.connect() as stopped:
            if stopped_in == "intent":
                stopped.execute(text("UPDATE journal_head SET pos = pos"))
                former.check(stopped)
            else:
                stopped.execute(text("UPDATE lane_owner SET epoch = epoch + 1"))

            def go_on() -> object:
                if stopped_in == "intent":
                    return Ownership(other.transaction).claim(SMS, 0, "other", AT)
                return other.commit([intent(former, 1)], AT)[0].won

            with pytest.raises(JournalLocked):  # and the session of whoever was stopped is ended
                go_on()
            tries = 0
            while (tries := tries + 1) < 10:
                try:
                    went = go_on()
                except JournalLocked:
                    continue
                break
            assert went == (Claim(SMS, 0, 2) if stopped_in == "intent" else (True,))
            stopped.invalidate()

    def test_two_that_claim_at_once_are_told_apart(
        self, store: PostgresStore, ownership: Ownership
    ) -> None:
        claims: list[Claim] = []
        together = threading.Barrier(3)

        def claim(owner: str) -> None:
            together.wait()
            claims.extend(ownership.claim(SMS, 0, owner, AT) for _ in range(50))

        threads = [threading.Thread(target=claim, args=(owner,)) for owner in ("a", "b", "c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(claim.epoch for claim in claims) == [*range(1, 151)]
