"""Pushes to a citizen's browser: switched on and off, sent, proved, and dropped when it is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from preferences import store
from preferences.links import Pushed, pushed_token
from preferences.recipient import ContactPoint
from streams.core import events as e
from streams.core.codec import decode
from tests.channels.push_bench import CONTACT, PushService
from tests.web.world import World, question_answered, registered, world

LANES = """
[[lane]]
name = "push-web"
channel = "push"
provider = "push_web"
carriers = ["web"]
rate_per_s = 100

[[lane]]
name = "sms-any"
channel = "sms"
provider = "sandbox"
rate_per_s = 100
segments_max = 10

[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 100
"""


class PushWorld:
    """A hub with a push service of its own."""

    def __init__(self, there: World, service: PushService) -> None:
        self.there = there
        self.service = service

    def form(self, name: str) -> dict[str, str]:
        """What a browser's page hands in for the subscription of this name."""
        endpoint, _, keys = self.service.address(name).partition("#")
        p256dh, _, auth = keys.partition(".")
        return {"endpoint": endpoint, "p256dh": p256dh, "auth": auth}

    async def subscribed(self, name: str, ref: str = "P1") -> str:
        """Somebody switched pushes on in this browser; the address of their page."""
        address = f"/me/{self.there.link(ref)}"
        answer = await self.there.post(f"{address}/push", **self.form(name))
        assert answer.status_code == 303, answer.text
        return address

    def contacts(self, ref: str = "P1") -> list[ContactPoint]:
        """Those for pushes, as they are kept."""
        with self.there.hub.store.readers.connect() as connection:
            found = store.load_many(connection, self.there.hub.vault, [ref])[ref]
        assert found.recipient is not None
        return [c for c in found.recipient.profile.contacts if c.kind == "push"]

    def journalled(self, kind: type[e.Base]) -> list[e.Base]:
        rows = self.there.hub.store.since(0, 10_000)
        return [x for x in (decode(r.type, r.data) for r in rows) if type(x) is kind]

    def leg(self, ref: str = "P1"):
        return self.there.app.state.site.reading.history(ref)[0]

    def status(self) -> str:
        """How it stands with P1's last notification; "" before there is one."""
        legs = self.there.app.state.site.reading.history("P1")
        return legs[0].status if legs else ""

    async def register(self, ref: str = "P1", **more: object) -> None:
        await self.there.bring(registered(ref, **more))
        link = self.there.link(ref)
        for _ in range(200):
            if (await self.there.client.get(f"/me/{link}")).status_code == 200:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("never registered")


@asynccontextmanager
async def push_world(folder: Path) -> AsyncIterator[PushWorld]:
    service = PushService()
    await service.start()
    lanes = folder / "lanes.toml"
    lanes.write_text(LANES)
    told = {"lanes": lanes, "push_contact": CONTACT, "push_hosts": (service.url,)}
    async with world(folder, **told) as there:
        yield PushWorld(there, service)
    await service.stop()


@pytest.fixture
async def pushing(tmp_path: Path) -> AsyncIterator[PushWorld]:
    async with push_world(tmp_path) as made:
        yield made


class TestSubscribing:
    async def test_the_page_offers_it_and_names_our_key(self, pushing: PushWorld) -> None:
        await pushing.register()
        site = pushing.there.app.state.site
        page = (await pushing.there.client.get(f"/me/{pushing.there.link('P1')}")).text
        assert f'data-push="{site.push_key}"' in page
        assert "浏览器推送" in page
        assert "全部关闭" not in page

    async def test_a_hub_that_pushes_to_no_browser_offers_nothing(self, there: World) -> None:
        await there.bring(registered("P1"))
        address = f"/me/{there.link('P1')}"
        await there.until(lambda: there.app.state.site.reading.history)
        for _ in range(200):
            page = await there.client.get(address)
            if page.status_code == 200:
                break
            await asyncio.sleep(0.02)
        assert "data-push" not in page.text
        assert (await there.post(f"{address}/push", endpoint="x")).status_code == 404

    async def test_a_browser_is_a_sealed_contact_point_and_journalled(
        self, pushing: PushWorld
    ) -> None:
        await pushing.register()
        address = await pushing.subscribed("ok-1")
        assert pushing.contacts() == [
            ContactPoint("push", pushing.service.address("ok-1"), label="own")
        ]
        (said,) = pushing.journalled(e.PreferenceChanged)
        assert (said.kind, said.by, said.recipient) == ("subscribe", "citizen", "P1")
        rows = pushing.there.hub.store.since(0, 10_000)
        assert not [row for row in rows if b"/push/ok-1" in row.data], "it lies nowhere open"
        page = (await pushing.there.client.get(address)).text
        assert "已开启的浏览器：1 个" in page
        assert pushing.service.url not in page, "the page itself tells no endpoint"

    async def test_staff_see_whose_service_it_is_and_no_more(self, pushing: PushWorld) -> None:
        await pushing.register()
        await pushing.subscribed("ok-1")
        page = (await pushing.there.client.get("/recipients/P1")).text
        assert "127.0.0.1/…" in page
        assert "ok-1" not in page

    async def test_twice_is_once(self, pushing: PushWorld) -> None:
        await pushing.register()
        await pushing.subscribed("ok-1")
        await pushing.subscribed("ok-1")
        assert len(pushing.contacts()) == 1
        assert len(pushing.journalled(e.PreferenceChanged)) == 1

    async def test_one_browser_ends_and_the_others_stay(self, pushing: PushWorld) -> None:
        await pushing.register()
        await pushing.subscribed("ok-1")
        address = await pushing.subscribed("ok-2")
        ended = pushing.form("ok-1")["endpoint"]
        await pushing.there.post(f"{address}/push/end", endpoint=ended)
        assert [c.address for c in pushing.contacts()] == [pushing.service.address("ok-2")]

    async def test_all_end_at_once(self, pushing: PushWorld) -> None:
        await pushing.register(push=["a-token-of-upstreams"])
        await pushing.subscribed("ok-1")
        address = await pushing.subscribed("ok-2")
        await pushing.there.post(f"{address}/push/end")
        assert [c.address for c in pushing.contacts()] == ["a-token-of-upstreams"]
        kinds = [said.kind for said in pushing.journalled(e.PreferenceChanged)]
        assert kinds == ["subscribe", "subscribe", "unsubscribe"]

    async def test_another_endpoint_ends_nothing(self, pushing: PushWorld) -> None:
        await pushing.register()
        address = await pushing.subscribed("ok-1")
        await pushing.there.post(f"{address}/push/end", endpoint="https://push.example/other")
        assert len(pushing.contacts()) == 1

    @pytest.mark.parametrize(
        "changed",
        [
            {"endpoint": ""},
            {"endpoint": "https://evil.example/push/ok-1"},
            {"endpoint": "http://127.0.0.1:1/push/ok-1"},
            {"p256dh": "AAAA"},
            {"auth": ""},
        ],
    )
    async def test_what_is_no_subscription_is_said_so(
        self, pushing: PushWorld, changed: dict[str, str]
    ) -> None:
        await pushing.register()
        address = f"/me/{pushing.there.link('P1')}"
        answer = await pushing.there.post(f"{address}/push", **{**pushing.form("ok-1"), **changed})
        assert answer.status_code == 422
        assert "推送订阅无法使用" in answer.text
        assert pushing.contacts() == []

    async def test_it_takes_the_pages_own_form(self, pushing: PushWorld) -> None:
        await pushing.register()
        address = f"/me/{pushing.there.link('P1')}"
        for path in ("push", "push/end"):
            forged = await pushing.there.client.post(f"{address}/{path}", data=pushing.form("ok-1"))
            assert forged.status_code == 403
        assert pushing.contacts() == []

    async def test_a_new_registration_leaves_it(self, pushing: PushWorld) -> None:
        await pushing.register()
        await pushing.subscribed("ok-1")
        again = {**registered("P1", name="王小丽"), "id": "r-again"}
        await pushing.there.bring(again)
        with pushing.there.hub.store.readers.connect() as connection:

            def name() -> str:
                found = store.load_many(connection, pushing.there.hub.vault, ["P1"])["P1"]
                connection.rollback()
                return found.recipient.profile.name if found.recipient else ""

            await pushing.there.until(lambda: name() == "王小丽")
        assert [c.address for c in pushing.contacts()] == [pushing.service.address("ok-1")]


class TestSending:
    async def test_what_the_browser_shows_is_what_was_written(self, pushing: PushWorld) -> None:
        await pushing.register()
        await pushing.subscribed("ok-1")
        await pushing.there.bring(question_answered("P1", 1))
        await pushing.there.until(lambda: pushing.service.taken)
        (taken,) = pushing.service.taken
        assert taken.shown["title"] == "咨询已答复"
        assert taken.shown["body"] == "您的咨询（00000001）已有答复，请登录查看。"
        assert taken.headers["Urgency"] == "normal"
        assert 0 < int(taken.headers["TTL"]) <= 72 * 3_600
        await pushing.there.until(lambda: pushing.status() == "accepted")
        assert (pushing.leg().channel, pushing.leg().lane) == ("push", "push-web")

    async def test_the_newest_browser_gets_it(self, pushing: PushWorld) -> None:
        await pushing.register(push=["a-token-of-upstreams"])
        await pushing.subscribed("bad_recipient-1")
        await pushing.subscribed("ok-2")
        await pushing.there.bring(question_answered("P1", 1))
        await pushing.there.until(lambda: pushing.service.taken)

    async def test_one_that_is_gone_is_dropped_and_the_next_channel_taken(
        self, pushing: PushWorld
    ) -> None:
        await pushing.register()
        await pushing.subscribed("bad_recipient-1")
        await pushing.there.bring(question_answered("P1", 1))
        await pushing.there.until(lambda: pushing.status() == "delivered")
        assert pushing.leg().channel == "sms"
        (contact,) = pushing.contacts()
        assert contact.suppressed == "410"
        (refused,) = pushing.journalled(e.Refused)
        assert (refused.code, refused.scope) == ("410", "recipient")
        page = (await pushing.there.client.get(f"/me/{pushing.there.link('P1')}")).text
        assert "全部关闭" not in page, "a browser that is gone is on no more"
        assert pushing.service.taken == []

    async def test_switched_on_again_it_is_used_again(self, pushing: PushWorld) -> None:
        await pushing.register()
        await pushing.subscribed("bad_recipient-1")
        await pushing.there.bring(question_answered("P1", 1))
        await pushing.there.until(lambda: pushing.status() == "delivered")
        await pushing.subscribed("bad_recipient-1")
        (contact,) = pushing.contacts()
        assert contact.suppressed == ""


class TestProof:
    async def shown(self, pushing: PushWorld) -> str:
        await pushing.register()
        await pushing.subscribed("ok-1")
        await pushing.there.bring(question_answered("P1", 1))
        await pushing.there.until(lambda: pushing.service.taken)
        await pushing.there.until(lambda: pushing.status() == "accepted")
        return pushing.service.taken[0].shown["proof"]

    async def test_shown_is_delivered_and_opened_is_read(self, pushing: PushWorld) -> None:
        proof = await self.shown(pushing)
        for what, status in (("shown", "delivered"), ("opened", "read"), ("shown", "read")):
            answer = await pushing.there.client.post(proof, data={"what": what})
            assert answer.status_code == 204
            await pushing.there.until(lambda status=status: pushing.status() == status)
        assert len(pushing.journalled(e.Delivered)) == 1
        assert len(pushing.journalled(e.Read)) == 1

    @pytest.mark.parametrize("what", ["", "refused", "delivered"])
    async def test_nothing_else_happens_to_a_push(self, pushing: PushWorld, what: str) -> None:
        proof = await self.shown(pushing)
        assert (await pushing.there.client.post(proof, data={"what": what})).status_code == 404
        assert pushing.status() == "accepted"

    async def test_a_forged_or_old_proof_proves_nothing(self, pushing: PushWorld) -> None:
        proof = await self.shown(pushing)
        site = pushing.there.app.state.site
        leg = Pushed("push-web", f"{pushing.leg().stream}:2")
        old = f"/pushed/{pushed_token(site.signer, leg, site.now_ms())}"
        other = f"/pushed/{site.signer.sign('unsubscribe', leg, site.now_ms() + 1_000_000)}"
        for address in (proof[:-2], old, other, "/pushed/nonsense"):
            answer = await pushing.there.client.post(address, data={"what": "opened"})
            assert answer.status_code == 404
        assert pushing.status() == "accepted"


async def test_without_a_lane_for_browsers_nothing_is_offered(tmp_path: Path) -> None:
    """It would be told to the sandbox, and the citizen would wait."""
    async with world(tmp_path, push_contact=CONTACT) as there:
        site = there.app.state.site
        assert site.push is not None
        assert not site.pushes


async def test_the_worker_may_serve_the_citizens_pages(there: World) -> None:
    answer = await there.client.get("/me/worker.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-cache"
    assert "showNotification" in answer.text
