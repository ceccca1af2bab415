"""One click in a mail reader, and the page for those whose reader shows the link."""

import pytest

from preferences import store
from preferences.links import Unsubscribe, unsubscribe_token
from preferences.recipient import Preferences
from streams.core.codec import decode
from streams.core.events import PreferenceChanged
from streams.core.identity import named_stream
from tests.web.world import YEAR_MS, World, registered

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def link(there: World, category: str = "approval", lasts_ms: int = YEAR_MS) -> str:
    await there.bring(registered("P1"))
    await there.until(lambda: preferences(there) is not None)
    what = Unsubscribe("P1", category, "email")
    now_ms = there.hub.clock.now_ms()
    return "/u/" + unsubscribe_token(there.app.state.site.signer, what, now_ms + lasts_ms)


def preferences(there: World) -> Preferences | None:
    with there.hub.store.readers.connect() as connection:
        known = store.load_many(connection, there.hub.vault, ["P1"]).get("P1")
    return known.preferences if known and known.recipient else None


def off(there: World) -> tuple[str, ...]:
    chosen = preferences(there)
    assert chosen is not None
    return chosen.off


def choices(there: World) -> list[tuple[str, str]]:
    stream = named_stream("preferences", "P1")
    rows = there.hub.store.read([stream]).get(stream, [])
    events = [decode(row.type, row.data) for row in rows]
    return [(e.kind, e.by) for e in events if isinstance(e, PreferenceChanged)]


@pytest.mark.parametrize("as_files", [False, True], ids=["urlencoded", "multipart"])
async def test_a_readers_click_needs_nothing_before_it(there: World, as_files: bool) -> None:
    """RFC 8058 allows both forms; there is no cookie, no login and no page."""
    address = await link(there)
    if as_files:
        answer = await there.client.post(address, files={"List-Unsubscribe": (None, "One-Click")})
    else:
        answer = await there.client.post(address, data=ONE_CLICK)
    assert answer.status_code == 200
    assert off(there) == ("approval/email",)
    assert choices(there) == [("switch_category", "email:one-click")]


async def test_clicking_again_changes_nothing_more(there: World) -> None:
    address = await link(there)
    for _ in range(3):
        assert (await there.client.post(address, data=ONE_CLICK)).status_code == 200
    assert len(choices(there)) == 1


async def test_opening_the_link_only_asks(there: World) -> None:
    address = await link(there)
    page = await there.client.get(address)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert f'action="{address}"' in page.text
    assert "退订" in page.text
    assert off(there) == ()
    assert 'href="/quarantine"' not in page.text, "it is no page of the staff's"
    assert "王丽" not in page.text, "whoever was forwarded the mail learns nothing"
    await there.client.post(address, data=ONE_CLICK)
    assert "已退订" in (await there.client.get(address)).text


async def test_a_post_that_is_no_click_changes_nothing(there: World) -> None:
    address = await link(there)
    for data in ({}, {"List-Unsubscribe": "yes"}, {"one": "click"}):
        assert (await there.client.post(address, data=data)).status_code == 400
    assert off(there) == ()


async def test_what_is_sent_by_law_stays_on_and_says_so(there: World) -> None:
    address = await link(there, "traffic-violation")
    answer = await there.client.post(address, data=ONE_CLICK)
    assert answer.status_code == 422
    assert "依法告知" in answer.text
    assert off(there) == ()
    assert "依法告知" in (await there.client.get(address)).text


async def test_links_that_are_none(there: World) -> None:
    address = await link(there)
    forged = address[:-4] + ("AAAA" if not address.endswith("AAAA") else "BBBB")
    expired = await link(there, lasts_ms=-1)
    inbox = "/u/" + there.link("P1")
    for bad in (forged, expired, inbox, "/u/x"):
        assert (await there.client.get(bad)).status_code == 404
        assert (await there.client.post(bad, data=ONE_CLICK)).status_code == 404
    assert off(there) == ()


async def test_in_the_recipients_own_language(there: World) -> None:
    await there.bring(registered("P1", language="en"))
    await there.until(lambda: preferences(there) is not None)
    assert "Unsubscribe" in (await there.client.get(await link(there))).text
