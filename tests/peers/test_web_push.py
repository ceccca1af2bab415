"""Web Push before a service that is not ours: what it decrypts is what was written."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from channels.base import Accepted, Message, Permanent, Transient
from channels.push_account import WebPush
from channels.push_web import PushWeb
from hub.clock import Real
from preferences import store
from tests.channels.push_bench import CONTACT, FAR, KEY
from tests.contracts.channel_contract import kinds
from tests.peers.web_push import Browser, WebPushService
from tests.web.test_push import LANES
from tests.web.world import World, question_answered, registered, world

pytestmark = pytest.mark.peers

TEN_IN_SHANGHAI = timedelta(hours=2)
"""Of the day, in UTC: far from quiet hours."""


@pytest.fixture(scope="module")
def service() -> Iterator[WebPushService]:
    with WebPushService() as service:
        yield service


@pytest.fixture
async def channel(service: WebPushService) -> AsyncIterator[PushWeb]:
    account = WebPush(CONTACT, KEY, (service.url,))
    made = PushWeb(Real(), account, lambda lane, attempt: f"/pushed/{attempt}")
    yield made
    await made.close()


def message(to: Browser, n: int, attempt: int = 1) -> Message:
    name = f"{n:032x}:{attempt}"
    return Message(name, to.address, "您的咨询已有答复，请登录查看。", FAR, subject="咨询已答复")


async def test_what_it_decrypts_is_what_was_written(
    service: WebPushService, channel: PushWeb
) -> None:
    browser = service.subscribe(channel.vapid.public)
    sent = message(browser, 1)
    assert kinds(await channel.send("push-web", [sent], 5_000)) == [Accepted]
    (shown,) = service.shown(browser)
    assert (shown["title"], shown["body"]) == (sent.subject, sent.text)
    assert (shown["tag"], shown["proof"]) == (f"{1:032x}", f"/pushed/{sent.attempt}")


async def test_two_sends_of_one_message_have_one_tag(
    service: WebPushService, channel: PushWeb
) -> None:
    browser = service.subscribe(channel.vapid.public)
    both = [message(browser, 1, 1), message(browser, 1, 4), message(browser, 2)]
    assert kinds(await channel.send("push-web", both, 5_000)) == [Accepted] * 3
    assert len(service.shown(browser)) == 3
    assert len({shown["tag"] for shown in service.shown(browser)}) == 2


async def test_a_browser_that_is_gone(service: WebPushService, channel: PushWeb) -> None:
    browser, other = (service.subscribe(channel.vapid.public) for _ in range(2))
    service.expire(browser)
    outcomes = await channel.send("push-web", [message(browser, 1), message(other, 2)], 5_000)
    assert outcomes[0] == Permanent("410", "recipient")
    assert isinstance(outcomes[1], Accepted)


async def test_it_refuses_a_sender_that_is_another(
    service: WebPushService, channel: PushWeb
) -> None:
    """Else the others would prove nothing. (It answers 400 where those in use say 403.)"""
    other = PushWeb(Real(), WebPush(CONTACT, KEY[::-1], (service.url,)), lambda *_: "")
    browser = service.subscribe(channel.vapid.public)
    assert await other.send("push-web", [message(browser, 1)], 5_000) == [Transient("400")]
    await other.close()
    assert service.shown(browser) == []


class TestJourney:
    """A citizen switches pushes on; a question is answered, twice; then the browser is gone."""

    @pytest.fixture
    async def there(self, service: WebPushService, tmp_path: Path) -> AsyncIterator[World]:
        lanes = tmp_path / "lanes.toml"
        lanes.write_text(LANES)
        # the peer goes by its own clock, and takes no token that has ended: not before now
        now = datetime.now(UTC)
        today = now.replace(hour=0, minute=0, second=0, microsecond=0) + TEN_IN_SHANGHAI
        start = today if today > now else today + timedelta(days=1)
        told = {"lanes": lanes, "push_contact": CONTACT, "push_hosts": (service.url,)}
        async with world(tmp_path, start_ms=round(start.timestamp() * 1_000), **told) as there:
            yield there

    async def test_it(self, there: World, service: WebPushService) -> None:
        site = there.app.state.site
        browser = service.subscribe(site.push_key)
        await there.bring(registered("P1"))
        page = f"/me/{there.link('P1')}"
        for _ in range(200):
            if (await there.client.get(page)).status_code == 200:
                break
            await asyncio.sleep(0.02)
        told = {"endpoint": browser.endpoint, "p256dh": browser.p256dh, "auth": browser.auth}
        assert (await there.post(f"{page}/push", **told)).status_code == 303

        await self.answered(there, 1)
        await there.until(lambda: service.shown(browser))
        (shown,) = service.shown(browser)
        assert (shown["title"], shown["body"]) == (
            "咨询已答复", "您的咨询（00000001）已有答复，请登录查看。",
        )  # fmt: skip
        leg = site.reading.history("P1")[0]
        assert (shown["tag"], leg.channel) == (leg.stream, "push")
        await there.until(lambda: site.reading.history("P1")[0].status == "accepted")
        await there.client.post(shown["proof"], data={"what": "opened"})
        await there.until(lambda: site.reading.history("P1")[0].status == "read")

        service.expire(browser)
        await self.answered(there, 2)
        await there.until(lambda: {"delivered", "read"} == self.statuses(there))
        (second,) = [leg for leg in site.reading.history("P1") if leg.status == "delivered"]
        assert second.channel == "sms", "the next way was taken"
        assert len(service.shown(browser)) == 1
        with there.hub.store.readers.connect() as connection:
            found = store.load_many(connection, there.hub.vault, ["P1"])["P1"].recipient
        assert found is not None
        (contact,) = [c for c in found.profile.contacts if c.kind == "push"]
        assert contact.suppressed == "410"

    def statuses(self, there: World) -> set[str]:
        return {leg.status for leg in there.app.state.site.reading.history("P1")}

    async def answered(self, there: World, number: int) -> None:
        at = datetime.fromtimestamp(there.hub.clock.now_ms() / 1_000 - 60, UTC)
        await there.bring({**question_answered("P1", number), "time": at.isoformat()})
