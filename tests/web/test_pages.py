"""The pages of staff, over a hub in which something happened."""

import json
import re

from msgspec.structs import replace

from channels.sandbox_model import Faults
from hub.bootstrap import Hub
from preferences.changes import SuppressAddress
from preferences.store import learn, load_many
from streams.journal.errors import JournalUnavailable
from streams.journal.sqlite import SqliteStore
from streams.reading import Reading
from tests.web.world import World, event, paid, registered, violation, world

PAGES = (
    "/",
    "/?span=day",
    "/?span=week",
    "/?part=live",
    "/catalog",
    "/catalog/violation-recorded",
    "/quarantine",
    "/quarantine?state=",
    "/login",
)


async def told(there: World, ref: str = "P1") -> str:
    """Somebody was told of a violation, and has it; the id of the notification."""
    answer = await there.bring(registered(ref), violation(ref, 1))
    assert answer.status_code == 202, answer.text
    reading = there.app.state.site.reading
    await there.until(lambda: [one for one in reading.history(ref) if one.status == "delivered"])
    return reading.history(ref)[0].stream


async def quarantined(there: World, raw: bytes) -> str:
    site = there.app.state.site
    assert (await site.commands.accept([raw]))[0].status == "refused"
    await there.until(lambda: site.reading.quarantined())
    return site.reading.quarantined()[0].id


def phones_in_use(there: World, ref: str) -> list[str]:
    with there.hub.store.readers.connect() as connection:
        known = load_many(connection, there.hub.river.vault, [ref])[ref].recipient
    contacts = known.profile.contacts if known else ()
    return [c.address for c in contacts if c.kind == "phone" and not c.suppressed]


class TestEveryPage:
    async def test_answers_in_both_languages(self, there):
        await told(there)
        for path in PAGES:
            mark = "&" if "?" in path else "?"
            for language, html in (("zh", 'lang="zh-CN"'), ("en", 'lang="en"')):
                page = await there.client.get(f"{path}{mark}lang={language}")
                assert page.status_code == 200, (path, page.text[-500:])
                assert "part=" in path or html in page.text

    async def test_english_pages_are_in_english(self, there):
        await told(there)
        for path in (*PAGES, "/nothing"):
            page = await there.client.get(path, headers={"accept-language": "en-GB,en"})
            ours = re.sub(r'<(\w+)[^>]* lang="zh-CN"[^>]*>.*?</\1>', "", page.text, flags=re.S)
            if not path.startswith("/catalog/"):  # whose values are Chinese in every language
                assert re.findall("[\u4e00-\u9fff]+", ours) == [], path

    async def test_the_choice_is_remembered(self, there):
        await there.client.get("/catalog?lang=en")
        assert "Catalog of notices" in (await there.client.get("/catalog")).text
        await there.client.get("/catalog?lang=zh")
        assert "通知目录" in (await there.client.get("/catalog")).text

    async def test_nothing_is_trusted_and_nothing_is_foreign(self, there):
        stream = await told(there)
        for path in (*PAGES, f"/notifications/{stream}", "/nothing"):
            page = await there.client.get(path)
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert page.headers["x-content-type-options"] == "nosniff"
            assert page.headers["referrer-policy"] == "no-referrer"
            assert page.headers["cache-control"] == "no-store"
            outside = re.sub(r'srcdoc="[^"]*"', "", page.text)
            assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', outside)
            assert not re.findall(r"<style|style=|<script>|\son\w+=", outside)
        for cookie in page.headers.get_list("set-cookie"):
            assert "samesite=strict" in cookie.lower()

    async def test_static_files_are_kept_for_good(self, there):
        page = (await there.client.get("/catalog")).text
        for address in re.findall(r'"(/static/[^"]+)"', page):
            assert "?v=" in address
            answer = await there.client.get(address)
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_our_own_script_stays_small(self, there):
        script = (await there.client.get("/static/hub.js")).text
        assert len(script.splitlines()) < 200

    async def test_what_is_not_there(self, there):
        for path in (
            "/notifications/" + "0" * 32,
            "/notifications/nonsense",
            "/cases/no%3D1",
            "/recipients/nobody",
            "/catalog/nothing",
            "/quarantine/" + "0" * 32,
            "/quarantine/nonsense",
            "/me/00000000000000",
            "/me/" + "x" * 600,
            "/recipients/a%00b",
        ):
            assert (await there.client.get(path)).status_code == 404, path

    async def test_who_finds_nothing_reads_what_can_be_found(self, there):
        page = (await there.client.get("/recipients/nobody?lang=en")).text
        assert "a case as name=number" in page
        assert "There is no such page" in (await there.client.get("/nothing?lang=en")).text


class TestNow:
    async def test_alarms_come_first(self, still):
        page = (await still.client.get("/?lang=en")).text
        assert re.findall(r'aria-labelledby="(\w+)"', page)[:2] == ["alarms", "stages"]

    async def test_the_categories_add_up(self, there):
        await told(there)
        await there.until(lambda: there.app.state.site.reading.standing().notifications)
        page = (await there.client.get("/?lang=en")).text
        assert "add up to all 1 notifications" in page
        assert "交通违法记录通知" in (await there.client.get("/?lang=zh")).text

    async def test_an_empty_hub(self, there):
        page = await there.client.get("/?lang=en")
        assert page.status_code == 200
        assert "POST /v1/events" in page.text

    async def test_what_is_out_of_reach_is_an_alarm(self, still, monkeypatch):
        monkeypatch.setattr(Hub, "wrong", lambda _: ["the brokers do not answer"])
        for path in ("/?lang=en", "/?part=live&lang=en"):
            assert "the brokers do not answer" in (await still.client.get(path)).text

    async def test_a_kind_of_worker_that_is_nowhere_is_an_alarm(self, still, monkeypatch):
        assert "at work" not in (await still.client.get("/?part=live&lang=en")).text
        monkeypatch.setattr(Hub, "absent", lambda _: ["dispatcher"])
        assert "No dispatcher is at work" in (await still.client.get("/?part=live&lang=en")).text
        assert (await still.client.get("/readyz")).status_code == 200  # the pages are

    async def test_a_lane_left_alone_is_an_alarm(self, still, monkeypatch):
        first, *rest = still.hub.reading.lanes(still.hub.clock.now_ms(), "en")
        stand = [replace(first, state="left_alone"), *rest]
        assert "Lanes left alone" not in (await still.client.get("/?part=live&lang=en")).text
        monkeypatch.setattr(Reading, "lanes", lambda *_: stand)
        assert (
            "Lanes left alone, whose carrier fails or refuses us: 1"
            in (await still.client.get("/?part=live&lang=en")).text
        )

    async def test_a_database_that_is_away_is_no_fault_of_the_pages(self, still, monkeypatch):
        def gone(_: object) -> None:
            raise JournalUnavailable("gone\nand more of it")

        monkeypatch.setattr(SqliteStore, "head", gone)
        monkeypatch.setattr(Reading, "standing", gone)
        page = await still.client.get("/?lang=en")
        assert (page.status_code, "The database does not answer" in page.text) == (503, True)
        answer = await still.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["wrong"] == ["the database is away: gone"]
        assert (await still.client.get("/metrics")).status_code == 503

    async def test_finding(self, still):
        for asked, address in (
            ("01A20B471EA088BB9E4A83993EA61B7F", "/notifications/01a20b471ea088bb9e4a83993ea61b7f"),
            ("violation_no=12 3", "/cases/violation_no%3D12%203"),
            (" P1 ", "/recipients/P1"),
            ("//evil.example", "/recipients/%2F%2Fevil.example"),
            ("", "/"),
        ):
            answer = await still.client.get("/find", params={"q": asked})
            assert (answer.status_code, answer.headers["location"]) == (303, address)


class TestStories:
    async def test_a_notification_is_explained(self, there):
        stream = await told(there)
        page = (await there.client.get(f"/notifications/{stream}?lang=en")).text
        assert "first channel" in page
        assert "【交管12123】" in page  # the words as they were sent
        assert "13800138000" not in page
        assert "8000" in page
        assert "DELIVRD" in page

    async def test_too_late_is_marked(self, tmp_path):
        async with world(tmp_path, Faults(receipt_lost=1.0)) as there:
            await there.bring(registered("P1"), violation("P1", 1))
            reading = there.app.state.site.reading
            await there.until(lambda: [x for x in reading.history("P1") if x.status == "accepted"])
            assert (await there.bring(paid("P1", 1))).status_code == 202
            await there.until(lambda: [x for x in reading.history("P1") if x.too_late])
            stream = next(x.stream for x in reading.history("P1") if x.too_late)
            for path in (f"/notifications/{stream}", "/cases/violation_no%3D0000000000000001"):
                page = (await there.client.get(path + "?lang=en")).text
                assert "Stopped too late" in page
            assert "Settles the case" in page

    async def test_a_large_case_leads_on_to_its_other_parts(self, there, monkeypatch):
        await told(there)
        reading = there.app.state.site.reading
        await there.bring(registered("P2"), {**violation("P2", 1), "id": "of the owner"})
        await there.until(lambda: reading.history("P2"))
        case = "/cases/violation_no%3D0000000000000001"
        whole = (await there.client.get(case + "?lang=en")).text
        assert "Further ones" not in whole
        monkeypatch.setattr("streams.reading.CASE_MAX", 1)
        first = (await there.client.get(case + "?lang=en")).text
        [after] = re.findall(r'href="(\?after=[0-9a-f]{32})">Further ones', first)
        second = (await there.client.get(f"{case}{after}&lang=en")).text
        assert "Further ones" not in second
        assert ["/recipients/P1" in page for page in (first, second)].count(True) == 1
        assert ["/recipients/P2" in page for page in (first, second)].count(True) == 1

    async def test_a_recipient_is_masked(self, there):
        await told(there)
        page = (await there.client.get("/recipients/P1?lang=en")).text
        assert "王*" in page
        assert "王丽" not in page
        assert "wangli@" not in page
        assert "w***@example.cn" in page
        assert "Traffic violation recorded" in page

    async def test_who_was_erased_is_not_shown_but_by_whom_and_why(self, there):
        await told(there)
        await there.hub.commands.erase_recipient("P1", "shell:li", "letter 12 <b>")
        page = (await there.client.get("/recipients/P1?lang=en")).text
        assert "王*" not in page
        assert "destroyed by shell:li" in page
        assert "letter 12 &lt;b&gt;" in page
        assert "Nobody is registered" not in page
        assert "Traffic violation recorded" in page

    async def test_an_address_out_of_use_says_why_and_how_it_comes_back(self, there):
        """Also one that was refused before its present owner was first registered."""
        vault = there.hub.river.vault
        refused = SuppressAddress(vault.blind("phone", "+8613800138000").hex(), "UNDELIV 27")
        with there.hub.store.transaction() as connection:
            learn(connection, vault, refused)
        await told(there)
        page = (await there.client.get("/recipients/P1?lang=en")).text
        assert "not used: UNDELIV 27" in page
        assert "takes it out of their registration and brings it back" in page

        for name, phones in (("out", []), ("back", ["13800138000"])):
            changed = {"ref": "P1", "phones": phones}
            await there.bring(event(name, "hub.recipient.contact-changed.v1", "", changed))
        await there.until(lambda: phones_in_use(there, "P1"))
        page = (await there.client.get("/recipients/P1?lang=en")).text
        assert "not used" not in page
        assert "takes it out of their registration" not in page

    async def test_a_link_to_try_is_made_by_post_only(self, there):
        await told(there)
        refused = await there.client.post("/recipients/P1/link", data={})
        assert refused.status_code == 403
        made = await there.post("/recipients/P1/link")
        assert made.status_code == 303
        assert (await there.client.get(made.headers["location"])).status_code == 200


class TestQuarantine:
    async def test_mend_and_replay(self, there):
        raw = b'{"specversion": "1.0", "id": "m1"}'
        item = await quarantined(there, raw)
        page = (await there.client.get(f"/quarantine/{item}?lang=en")).text
        assert "&#34;m1&#34;" in page
        for shown in ("/quarantine", f"/quarantine/{item}"):
            assert "已填写，不能缺少" in (await there.client.get(shown + "?lang=zh")).text
        still_bad = await there.post(f"/quarantine/{item}/replay", mended="{}")
        assert still_bad.status_code == 422
        assert 'role="alert"' in still_bad.text
        for language, said in (("zh", "实际为 列表。"), ("en", "It was a list.")):
            told = await there.post(f"/quarantine/{item}/replay?lang={language}", mended="[]")
            assert said in told.text
        good = await there.post(f"/quarantine/{item}/replay", mended=json.dumps(registered("P9")))
        assert good.status_code == 303
        reading = there.app.state.site.reading
        await there.until(lambda: reading.quarantined("replayed"))
        assert reading.quarantined("replayed")[0].by == "staff"
        assert reading.quarantined_raw(item) == raw
        await there.until(lambda: reading.backlog().get("events", (0, 0))[0] == 0)
        assert (await there.client.get("/recipients/P9")).status_code == 200

    async def test_drop_with_a_reason(self, there):
        item = await quarantined(there, b"\xff\xfe no text")
        page = (await there.client.get(f"/quarantine/{item}")).text
        assert "ff fe 20" in page
        assert "<textarea" not in page
        unsaid = await there.post(f"/quarantine/{item}/drop", reason=" ")
        assert unsaid.status_code == 422
        assert (await there.post(f"/quarantine/{item}/drop", reason="test")).status_code == 303
        reading = there.app.state.site.reading
        await there.until(lambda: reading.quarantined("dropped"), seconds=2)
        assert reading.quarantined("dropped")[0].reason == "test"

    async def test_what_came_is_shown_and_never_run(self, there):
        item = await quarantined(there, b'<script>alert("x")</script></textarea>')
        page = (await there.client.get(f"/quarantine/{item}")).text
        assert "<script>alert" not in page
        assert "</textarea><" not in page.replace("</textarea>\n", "")


class TestForms:
    async def test_every_post_asks_for_its_token(self, there):
        await told(there)
        item = await quarantined(there, b"{}")
        reference = there.link("P1")
        paths = (
            "/login",
            "/logout",
            "/recipients/P1/link",
            f"/quarantine/{item}/replay",
            f"/quarantine/{item}/drop",
            *(f"/me/{reference}/{what}" for what in ("read", "switches", "quiet", "language")),
            f"/me/{reference}/consent",
        )
        for path in paths:
            await there.client.get("/login")
            answer = await there.client.post(path, data={"_csrf_token": "0" * 128})
            assert answer.status_code == 403, path
