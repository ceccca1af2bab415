"""The pages in a real browser: read by machines, switched, filled in, and small enough."""

import json
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from streams.reading import Reading
from tests.web.browser.conftest import Served
from tests.web.test_citizen import NO_PHONE
from tests.web.world import question_answered, registered, violation

pytestmark = pytest.mark.browser

WIDTHS = (360, 1280)


def delivered(reading: Reading, ref: str) -> bool:
    """Whether everything they were told has arrived."""
    legs = reading.history(ref)
    return bool(legs) and all(leg.status == "delivered" for leg in legs)


@pytest.fixture(scope="session")
def pages(served: Served) -> dict[str, str]:
    """Every kind of page, by what it is, once something has happened."""
    world, reading = served.world, served.world.app.state.site.reading
    bring = world.bring(
        registered("P1"),
        violation("P1", 1),
        registered("P2", **NO_PHONE),
        question_answered("P2", 1),
    )
    assert served.do(bring).status_code == 202
    served.do(world.app.state.site.commands.accept([b'{"id": "mend me"}', b"\xff no text"]))
    for ref in ("P1", "P2"):
        served.do(world.until(lambda ref=ref: delivered(reading, ref)))
    served.do(world.until(lambda: len(reading.quarantined()) == 2))
    leg = reading.history("P1")[0]
    return {
        "now": "/",
        "notification": f"/notifications/{leg.stream}",
        "case": f"/cases/{quote(leg.correlation, safe='')}",
        "recipient": "/recipients/P1",
        "me": f"/me/{world.link('P1')}",
        "me with an unread message": f"/me/{world.link('P2')}",
        "catalog": "/catalog",
        "notice": "/catalog/violation-recorded",
        "emergency": "/catalog/weather-warning",
        "quarantine": "/quarantine",
        "quarantined": f"/quarantine/{reading.quarantined()[1].id}",
        "no text": f"/quarantine/{reading.quarantined()[0].id}",
        "login": "/login",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_is_accessible(served, chromium, pages, language, scheme):
    context = chromium.new_context(
        color_scheme=scheme, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    page = context.new_page()
    found = {}
    for name, path in pages.items():
        page.goto(f"{served.address}{path}?lang={language}")
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        result = Axe().run(page)
        if result.violations_count:
            found[name] = result.generate_report()
    context.close()
    assert found == {}


def test_no_page_is_wider_than_its_window(served: Served, chromium: Browser, pages):
    for width in WIDTHS:
        context = chromium.new_context(viewport={"width": width, "height": 800})
        page = context.new_page()
        for name, path in pages.items():
            for language in ("zh", "en"):
                page.goto(f"{served.address}{path}?lang={language}")
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (name, language)
        context.close()


def test_pages_are_small(served: Served, chromium: Browser):
    context = chromium.new_context()
    page = context.new_page()
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    page.goto(served.address)
    page.wait_for_load_state("networkidle")
    context.close()
    assert sum(sizes) < 120_000


def test_language_is_switched_and_kept(page: Page, served: Served, pages):
    page.goto(served.address + pages["catalog"])
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Catalog of notices")
    page.get_by_role("link", name="Quarantine").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Quarantine")
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("隔离区")


def test_by_keyboard_alone(page: Page, served: Served, pages):
    page.goto(served.address + pages["now"])
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("P1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("P1")


def test_a_switch_is_turned_off_and_stays_off(page: Page, served: Served, pages):
    page.goto(served.address + pages["me"])
    switch = page.get_by_role("checkbox", name="驾驶考试：短信")
    expect(switch).to_be_checked()
    expect(page.get_by_role("checkbox", name="交通违法：短信")).to_be_disabled()
    switch.uncheck()
    page.get_by_role("region", name="接收哪些通知").get_by_role("button", name="保存").click()
    expect(page.get_by_role("status")).to_have_text("设置已保存。")
    expect(page.get_by_role("checkbox", name="驾驶考试：短信")).not_to_be_checked()
    page.reload()
    expect(page.get_by_role("checkbox", name="驾驶考试：短信")).not_to_be_checked()


def test_quiet_hours_of_ones_own(page: Page, served: Served, pages):
    page.goto(served.address + pages["me"])
    quiet = page.get_by_role("region", name="免打扰时段")
    quiet.get_by_role("radio", name="自定义").check()
    quiet.get_by_label("从").select_option("22:30")
    quiet.get_by_label("至").select_option("06:30")
    quiet.get_by_role("button", name="保存").click()
    expect(page.get_by_role("status")).to_be_visible()
    expect(quiet.get_by_role("radio", name="自定义")).to_be_checked()
    expect(quiet.get_by_label("从")).to_have_value(str(22 * 60 + 30))


def test_an_unread_message_is_opened(page: Page, served: Served, pages):
    page.goto(served.address + pages["me with an unread message"])
    expect(page.get_by_text("驾驶证换证")).to_have_count(0)
    page.get_by_role("button", name="打开：咨询已答复").click()
    expect(page.get_by_text("驾驶证换证")).to_be_visible()
    expect(page.get_by_text("未读")).to_have_count(0)


def test_quarantine_is_mended_and_replayed(page: Page, served: Served, pages):
    page.goto(served.address + pages["quarantined"])
    field = page.get_by_label("修正后的内容")
    expect(field).to_have_value('{"id": "mend me"}')
    page.get_by_role("button", name="重新提交").click()
    expect(page.get_by_role("alert")).to_contain_text("仍被拒绝")
    field.fill(json.dumps(registered("P7"), ensure_ascii=False, indent=2))
    page.get_by_role("button", name="重新提交").click()
    expect(page.get_by_role("status")).to_have_text("已重新提交。")
    reading = served.world.app.state.site.reading
    served.do(served.world.until(lambda: reading.quarantined("replayed")))
    page.goto(f"{served.address}/quarantine?state=replayed")
    expect(page.get_by_role("row")).to_have_count(2)
    page.goto(f"{served.address}/recipients/P7")
    expect(page.get_by_text("王*")).to_be_visible()


def test_numbers_that_are_old_say_so(page: Page, served: Served, pages):
    page.goto(served.address)
    old = page.get_by_text("以下为最后一次的数据")
    expect(old).to_be_hidden()
    page.route("**/*part=live*", lambda asked: asked.fulfill(status=422))
    expect(old).to_be_visible(timeout=15_000)
    page.unroute("**/*part=live*")
    expect(old).to_be_hidden(timeout=15_000)


def test_the_first_page_keeps_itself_fresh(page: Page, served: Served, pages):
    page.goto(served.address)
    rows = page.get_by_role("region", name="最新动态").get_by_role("row")
    before = rows.count()
    page.get_by_text("数据表").first.click()
    page.get_by_role("heading", level=1).click()
    served.do(served.world.bring(registered("P8"), violation("P8", 8)))
    expect(rows).not_to_have_count(before, timeout=15_000)
    expect(page.locator("#course-table")).to_have_attribute("open", "")
    page.get_by_role("button", name="暂停刷新").click()
    expect(page.get_by_role("button", name="继续刷新")).to_be_visible()
