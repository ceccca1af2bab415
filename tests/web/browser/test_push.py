"""Pushes and the live inbox in a real browser.

This Chromium has no push service behind it, so what its push manager would answer is set by the
test; the worker is given its messages over the browser's own debugging door.
"""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from preferences.links import Pushed, pushed_token
from streams.core import events as e
from streams.core.codec import decode
from tests.channels.push_bench import PushService
from tests.web.browser.conftest import PUSH_SERVICE, Served
from tests.web.test_citizen import NO_PHONE
from tests.web.world import question_answered, registered

pytestmark = pytest.mark.browser

ENDPOINT = f"{PUSH_SERVICE}/push/1"
P256DH, _, AUTH = PushService().address("1").partition("#")[2].partition(".")

MANAGER = f"""
const made = {{
  endpoint: {json.dumps(ENDPOINT)},
  toJSON: () => ({json.dumps({"endpoint": ENDPOINT, "keys": {"p256dh": P256DH, "auth": AUTH}})}),
  unsubscribe: async () => {{ localStorage.removeItem("pushed"); return true; }},
}};
PushManager.prototype.getSubscription = async () => (localStorage.getItem("pushed") ? made : null);
PushManager.prototype.subscribe = async (options) => {{
  localStorage.setItem("pushed", options.applicationServerKey);
  return made;
}};
"""
"""A push manager with a service behind it: one subscription, as long as it is kept."""


@pytest.fixture
def citizen(served: Served) -> str:
    """The page of somebody with one message, unread."""
    ref = f"push-{served.number()}"
    event = question_answered(ref, served.number())
    assert served.do(served.world.bring(registered(ref, **NO_PHONE), event)).status_code == 202
    reading = served.world.app.state.site.reading
    served.do(served.world.until(lambda: reading.inbox_changes(ref, 0)))
    return ref


@pytest.fixture
def context(chromium: Browser, served: Served) -> Iterator[BrowserContext]:
    made = chromium.new_context(locale="zh-CN", viewport={"width": 1280, "height": 1000})
    made.grant_permissions(["notifications"], origin=served.address)
    yield made
    made.close()


def opened(context: BrowserContext, served: Served, ref: str) -> Page:
    page = context.new_page()
    page.goto(f"{served.address}/me/{served.world.link(ref)}")
    return page


def contacts(served: Served, ref: str) -> list[str]:
    known = served.do(served.world.hub.river.people.load([ref]))[ref]
    return [c.address for c in known.recipient.profile.contacts if c.kind == "push"]


def test_on_and_off(context: BrowserContext, served: Served, citizen: str) -> None:
    context.add_init_script(MANAGER)
    page = opened(context, served, citizen)
    state = page.locator("[data-push-state]")
    expect(state).to_have_text("此浏览器未开启推送。")
    page.get_by_role("button", name="开启推送").click()
    expect(page.get_by_role("status").first).to_have_text("设置已保存。")
    expect(state).to_have_text("此浏览器已开启推送。")
    expect(page.get_by_text("已开启的浏览器：1 个")).to_be_visible()
    assert contacts(served, citizen) == [f"{ENDPOINT}#{P256DH}.{AUTH}"]
    key = page.evaluate("localStorage.getItem('pushed')")
    assert key == served.world.app.state.site.push_key
    page.get_by_role("button", name="关闭推送").click()
    expect(state).to_have_text("此浏览器未开启推送。")
    expect(page.get_by_text("全部关闭")).to_have_count(0)
    assert contacts(served, citizen) == []
    assert page.evaluate("localStorage.getItem('pushed')") is None


def test_another_browsers_is_not_taken_for_this_ones(
    context: BrowserContext, served: Served, citizen: str
) -> None:
    address = f"/me/{served.world.link(citizen)}/push"
    form = {"endpoint": f"{PUSH_SERVICE}/push/2", "p256dh": P256DH, "auth": AUTH}
    assert served.do(served.world.post(address, **form)).status_code == 303
    context.add_init_script(MANAGER)
    page = opened(context, served, citizen)
    expect(page.locator("[data-push-state]")).to_have_text("此浏览器未开启推送。")
    page.get_by_role("button", name="全部关闭").click()
    expect(page.get_by_text("设置已保存。")).to_be_visible()
    assert contacts(served, citizen) == []


def test_a_browser_without_a_service_says_so(
    context: BrowserContext, served: Served, citizen: str
) -> None:
    page = opened(context, served, citizen)
    expect(page.locator("[data-push-state]")).to_have_text("此浏览器未开启推送。")
    page.get_by_role("button", name="开启推送").click()
    expect(page.locator("[data-push-state]")).to_have_text("未能开启推送，请稍后再试。")
    expect(page.get_by_role("button", name="开启推送")).to_be_visible()


def test_one_that_blocks_notifications_says_so(
    chromium: Browser, served: Served, citizen: str
) -> None:
    context = chromium.new_context(locale="zh-CN")
    context.add_init_script("Object.defineProperty(Notification, 'permission', {value: 'denied'})")
    page = opened(context, served, citizen)
    expect(page.locator("[data-push-state]")).to_contain_text("您已在浏览器中禁止本站通知")
    expect(page.get_by_role("button", name="开启推送")).to_be_hidden()
    context.close()


def test_without_script_it_says_what_cannot_be(
    chromium: Browser, served: Served, citizen: str
) -> None:
    context = chromium.new_context(locale="zh-CN", java_script_enabled=False)
    page = opened(context, served, citizen)
    expect(page.locator("[data-push-state]")).to_have_text("此浏览器不支持推送。")
    context.close()


class TestWorker:
    """What is delivered to the worker, as the push service would."""

    def push(self, page: Page, served: Served, **said: str) -> None:
        door = page.context.new_cdp_session(page)
        registrations: list[str] = []
        door.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: registrations.extend(
                one["registrationId"] for one in event["registrations"]
            ),
        )
        door.send("ServiceWorker.enable")
        page.wait_for_function("navigator.serviceWorker.ready.then(() => true)")
        page.wait_for_timeout(200)
        assert registrations
        told = {"origin": served.address, "registrationId": registrations[-1]}
        door.send("ServiceWorker.deliverPushMessage", {**told, "data": json.dumps(said)})

    def notifications(self, page: Page) -> list[dict[str, str]]:
        return page.evaluate(
            """async () => {
              const there = await navigator.serviceWorker.ready;
              const shown = await there.getNotifications();
              return shown.map(({ title, body, tag }) => ({ title, body, tag }));
            }"""
        )

    def until_shown(self, page: Page, count: int) -> list[dict[str, str]]:
        for _ in range(100):
            if len(found := self.notifications(page)) >= count:
                return found
            page.wait_for_timeout(50)
        raise AssertionError("nothing is shown")

    def test_two_sends_of_one_message_show_once_and_are_proved(
        self, context: BrowserContext, served: Served, citizen: str
    ) -> None:
        site = served.world.app.state.site
        leg = site.reading.history(citizen)[0]
        attempt = Pushed("inbox", f"{leg.stream}:2")
        proof = f"/pushed/{pushed_token(site.signer, attempt, site.now_ms() + 60_000)}"
        page = opened(context, served, citizen)
        one = {"title": "咨询已答复", "body": "请打开查看", "tag": "a", "proof": proof}
        self.push(page, served, **one)
        assert self.until_shown(page, 1) == [
            {"title": "咨询已答复", "body": "请打开查看", "tag": "a"}
        ]
        self.push(page, served, **one)
        self.push(page, served, **{**one, "tag": "b"})
        assert {shown["tag"] for shown in self.until_shown(page, 2)} == {"a", "b"}
        assert len(self.notifications(page)) == 2

        def proofs() -> int:
            rows = served.world.hub.store.since(0, 100_000)
            said = [decode(r.type, r.data) for r in rows if r.stream.hex() == leg.stream]
            return sum(isinstance(x, e.Delivered) and x.code == "shown" for x in said)

        served.do(served.world.until(proofs))
        assert proofs() == 1


class TestLive:
    def test_a_message_appears_as_it_arrives(
        self, context: BrowserContext, served: Served, citizen: str
    ) -> None:
        page = opened(context, served, citizen)
        expect(page.locator(".letters > li")).to_have_count(1)
        page.evaluate("window.same = true")
        served.do(served.world.bring(question_answered(citizen, served.number())))
        expect(page.locator(".letters > li")).to_have_count(2)
        assert page.evaluate("window.same"), "the page itself was not loaded anew"

    def test_what_is_read_elsewhere_is_read_here(
        self, context: BrowserContext, served: Served, citizen: str
    ) -> None:
        here, there = (opened(context, served, citizen) for _ in range(2))
        expect(here.get_by_text("未读")).to_be_visible()
        there.get_by_role("button", name="打开：", exact=False).click()
        expect(there.get_by_text("未读")).to_have_count(0)
        expect(here.get_by_text("未读")).to_have_count(0)

    def test_nothing_moves_under_somebodys_hand(
        self, context: BrowserContext, served: Served, citizen: str
    ) -> None:
        page = opened(context, served, citizen)
        page.get_by_role("button", name="打开：", exact=False).focus()
        served.do(served.world.bring(question_answered(citizen, served.number())))
        page.wait_for_timeout(2_500)
        expect(page.locator(".letters > li")).to_have_count(1)
        page.locator("h1").click()
        page.evaluate("document.activeElement.blur()")
        expect(page.locator(".letters > li")).to_have_count(2)
