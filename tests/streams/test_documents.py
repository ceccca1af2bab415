"""What is in force is what the journal says was published last."""

from pathlib import Path

import pytest

from streams.core.policy import DEFAULT
from streams.documents import Published, Refresher, load, with_wordings
from streams.journal.base import Store
from templates.errors import CatalogRefused
from tests.streams.small_hub import SmallHub, small_hub

NOTICE = "violation-recorded"


async def publish(small: SmallHub, old: str, new: str) -> None:
    files = dict(small.hub.river.documents.catalog.files[NOTICE])
    files["zh.sms.j2"] = files["zh.sms.j2"].replace(old, new, 1)
    found = await small.commands.publish_wording(NOTICE, files, "staff:li")
    assert not isinstance(found, list), found


async def test_another_process_takes_over_what_was_published(
    tmp_path: Path, hub_store: Store
) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        river = small.hub.river
        seed = river.documents
        other = Refresher(small.hub.store, river, seed)
        assert not other.refresh()
        await publish(small, "，", "；")
        await publish(small, "，", "；")
        published = river.documents
        river.documents = seed  # as a process that knows nothing yet
        assert other.refresh()
        assert river.documents.wordings[NOTICE].name == f"{NOTICE}@3"
        assert river.documents.catalog.files == published.catalog.files
        assert not other.refresh(), "nothing new"


async def test_the_seed_is_in_force_until_something_is_published(
    tmp_path: Path, hub_store: Store
) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        seed = small.hub.river.documents
        assert load(small.hub.store, small.hub.river.index, seed) == seed
        assert seed.policy is DEFAULT


async def test_other_notices_keep_their_wording(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        before = small.hub.river.documents
        await publish(small, "，", "；")
        after = small.hub.river.documents
        others = before.wordings.keys() - {NOTICE}
        assert all(after.wordings[name] is before.wordings[name] for name in others)
        assert after.catalog.notices.keys() == before.catalog.notices.keys()


async def test_what_cannot_be_read_is_not_passed_over(tmp_path: Path, hub_store: Store) -> None:
    async with small_hub(tmp_path, store=hub_store) as small:
        with pytest.raises(CatalogRefused):
            with_wordings(small.hub.river.documents, [Published(NOTICE, 2, {"zh.sms.j2": "x"})])
