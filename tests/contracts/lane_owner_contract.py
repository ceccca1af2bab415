"""What lane ownership keeps on every database: a suite to inherit.

A database joins with a subclass and one fixture, ``store``: an empty journal with the table of
owners beside it.
"""

import asyncio

import pytest
from sqlalchemy import select

from hub.clock import Virtual
from streams.journal.base import Group, Store
from streams.journal.group import GroupCommit
from streams.lane_owner import LANE_OWNER, Claim, LaneLost, Ownership
from tests.contracts.journal_contract import AT, name, unit

SMS, MAIL = "dispatch.sms-any", "dispatch.email"


def intent(claim: Claim, *streams: int) -> Group:
    return Group([unit(stream, 1) for stream in streams], effects=[claim.check])


@pytest.fixture
def ownership(store: Store) -> Ownership:
    return Ownership(store.transaction)


class LaneOwnerContract:
    def test_each_claim_raises_the_epoch_of_its_partition(self, ownership: Ownership) -> None:
        assert ownership.claim(SMS, 0, "one", AT) == Claim(SMS, 0, 1)
        assert ownership.claim(SMS, 0, "other", AT) == Claim(SMS, 0, 2)
        assert ownership.claim(SMS, 0, "other", AT) == Claim(SMS, 0, 3)
        assert ownership.claim(SMS, 1, "one", AT) == Claim(SMS, 1, 1)
        assert ownership.claim(MAIL, 0, "one", AT) == Claim(MAIL, 0, 1)

    def test_the_table_says_who_and_since_when(self, store: Store, ownership: Ownership) -> None:
        ownership.claim(SMS, 0, "one", AT)
        ownership.claim(SMS, 0, "other", AT + 5)
        with store.readers.connect() as connection:
            rows = connection.execute(select(LANE_OWNER)).all()
        assert rows == [(SMS, 0, 2, "other", AT + 5)]

    def test_the_owner_appends(self, store: Store, ownership: Ownership) -> None:
        claim = ownership.claim(SMS, 0, "one", AT)
        ownership.claim(SMS, 1, "other", AT)
        ownership.claim(MAIL, 0, "other", AT)
        for stream in (1, 2):
            assert store.commit([intent(claim, stream)], AT)[0].won == (True,)

    def test_after_a_claim_the_former_owner_appends_nothing(
        self, store: Store, ownership: Ownership
    ) -> None:
        former = ownership.claim(SMS, 0, "one", AT)
        store.commit([intent(former, 1)], AT)
        claim = ownership.claim(SMS, 0, "other", AT)
        with pytest.raises(LaneLost) as raised:
            store.commit([intent(former, 2, 3)], AT)
        assert (raised.value.topic, raised.value.partition) == (SMS, 0)
        assert store.read([name(2), name(3)]) == {}
        assert store.commit([intent(claim, 2)], AT)[0].won == (True,)
        assert store.head() == 2

    def test_who_never_claimed_has_nothing(self, store: Store) -> None:
        with pytest.raises(LaneLost):
            store.commit([intent(Claim(SMS, 0, 1), 1)], AT)

    async def test_the_other_groups_of_the_round_are_written(
        self, store: Store, ownership: Ownership
    ) -> None:
        former = ownership.claim(SMS, 0, "one", AT)
        kept = ownership.claim(MAIL, 0, "one", AT)
        ownership.claim(SMS, 0, "other", AT)
        journal = GroupCommit(store, Virtual(AT))
        groups = [Group([unit(1, 1)]), intent(former, 2), intent(kept, 3), intent(former, 4)]
        answers = await asyncio.gather(*map(journal.append, groups), return_exceptions=True)
        await journal.close()
        assert [type(answer) is LaneLost for answer in answers] == [False, True, False, True]
        assert [row.stream for row in store.since(0, 9)] == [name(1), name(3)]
        assert list(store.verify()) == []
