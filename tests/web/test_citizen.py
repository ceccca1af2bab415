"""A recipient's own page: their messages and their choices, and nobody else's."""

import re

from preferences import store
from preferences.recipient import Preferences
from tests.web.world import World, question_answered, registered, violation

NO_PHONE = {"phones": [], "emails": []}
"""Somebody whom only the inbox reaches."""


async def in_the_inbox(there: World, ref: str = "P1", **more: object) -> str:
    """Somebody has an unread message; its stream."""
    answer = await there.bring(registered(ref, **NO_PHONE, **more), question_answered(ref, 1))
    assert answer.status_code == 202, answer.text
    reading = there.app.state.site.reading
    await there.until(lambda: [one for one in reading.history(ref) if one.status == "delivered"])
    return reading.history(ref)[0].stream


def preferences(there: World) -> Preferences:
    """What P1 chose."""
    with there.hub.store.readers.connect() as connection:
        return store.load_many(connection, there.hub.vault, ["P1"])["P1"].preferences


class TestMessages:
    async def test_history_with_its_words(self, there):
        await there.bring(registered("P1"), violation("P1", 1))
        reading = there.app.state.site.reading
        await there.until(lambda: reading.history("P1"))
        page = await there.client.get(f"/me/{there.link('P1')}")
        assert page.status_code == 200
        assert "王丽，您好" in page.text
        assert "【交管12123】" in page.text
        assert page.headers["cache-control"] == "no-store"
        assert 'href="/quarantine"' not in page.text

    async def test_opening_an_unread_message_is_a_post(self, there):
        stream = await in_the_inbox(there)
        address = f"/me/{there.link('P1')}"
        page = (await there.client.get(address)).text
        assert "未读" in page
        assert "驾驶证换证" not in page
        inbox = there.hub.inbox
        assert inbox.list("P1", 10)[0].read_ms == 0, "looking changes nothing"
        opened = await there.post(f"{address}/read", stream=stream)
        assert opened.headers["location"] == f"{address}?opened={stream}#m-{stream}"
        assert inbox.list("P1", 10)[0].read_ms > 0
        page = (await there.client.get(address)).text
        assert "驾驶证换证" in page
        assert "未读" not in page
        reading = there.app.state.site.reading
        await there.until(lambda: reading.history("P1")[0].status == "read")

    async def test_nobody_opens_anothers(self, there):
        stream = await in_the_inbox(there)
        await there.bring(registered("P2"))
        address = f"/me/{there.link('P2')}"
        for _ in range(100):
            if (await there.client.get(address)).status_code == 200:
                break
        await there.post(f"{address}/read", stream=stream)
        assert there.hub.inbox.list("P1", 10)[0].read_ms == 0

    async def test_a_stream_that_is_none(self, there):
        await in_the_inbox(there)
        for stream in ("", "nonsense", "<script>", "0" * 33):
            answer = await there.post(f"/me/{there.link('P1')}/read", stream=stream)
            assert answer.status_code == 404

    async def test_in_their_own_language(self, there):
        await in_the_inbox(there, language="en", name="Alice")
        address = f"/me/{there.link('P1')}"
        assert "Hello Alice" in (await there.client.get(address)).text
        assert "Alice，您好" in (await there.client.get(f"{address}?lang=zh")).text


class TestLinks:
    async def test_an_expired_link_opens_nothing(self, there):
        await in_the_inbox(there)
        assert (await there.client.get(f"/me/{there.link('P1', 0)}")).status_code == 404

    async def test_nothing_changes_on_get(self, there):
        await in_the_inbox(there)
        address = f"/me/{there.link('P1')}"
        before = there.hub.store.head()
        for what in ("read", "switches", "quiet", "language", "consent"):
            assert (await there.client.get(f"{address}/{what}")).status_code in (404, 405)
        await there.client.get(f"{address}?language=en&on=&mode=none")
        assert there.hub.store.head() == before


class TestChoices:
    async def test_switching_one_off_and_on(self, there):
        await in_the_inbox(there)
        address = f"/me/{there.link('P1')}"
        ticked = re.findall(r'value="([a-z-]+/[a-z]+)"', (await there.client.get(address)).text)
        without = [pair for pair in ticked if pair != "questions/sms"]
        saved = await there.post(f"{address}/switches", on=without)
        assert saved.headers["location"] == f"{address}?saved"
        assert preferences(there).off == ("questions/sms",)
        assert "设置已保存" in (await there.client.get(f"{address}?saved")).text
        await there.post(f"{address}/switches", on=ticked)
        assert preferences(there).off == ()

    async def test_what_is_told_by_law_stays_on(self, there):
        await in_the_inbox(there)
        await there.post(f"/me/{there.link('P1')}/switches")
        off = preferences(there).off
        assert "questions/sms" in off
        assert not [pair for pair in off if pair.startswith(("traffic-violation/", "warning/"))]

    async def test_quiet_hours(self, there):
        await in_the_inbox(there)
        for form, chosen in (
            ({"mode": "own", "from": 1320, "to": 420}, (1320, 420)),
            ({"mode": "none"}, (0, 0)),
            ({"mode": "policy"}, (-1, -1)),
        ):
            await there.post(f"/me/{there.link('P1')}/quiet", **form)
            after = preferences(there)
            assert (after.quiet_from, after.quiet_to) == chosen

    async def test_impossible_quiet_hours(self, there):
        await in_the_inbox(there)
        for form in (
            {"mode": "own"},
            {"mode": "own", "from": "x", "to": "-5"},
            {"mode": "own", "from": 0, "to": 1380},
            {"mode": "own", "from": 9999, "to": 0},
        ):
            answer = await there.post(f"/me/{there.link('P1')}/quiet", **form)
            assert answer.status_code == 422
            assert "14 小时" in answer.text
        assert preferences(there).quiet_from == -1

    async def test_language(self, there):
        await in_the_inbox(there)
        address = f"/me/{there.link('P1')}"
        await there.post(f"{address}/language", language="en")
        assert preferences(there).language == "en"
        answer = await there.post(f"{address}/language", language="klingon")
        assert answer.status_code == 422

    async def test_consent_and_its_end(self, there):
        await in_the_inbox(there)
        address = f"/me/{there.link('P1')}"
        await there.post(f"{address}/consent", category="fire-safety", given="yes")
        assert [c.given for c in preferences(there).consents] == [True]
        await there.post(f"{address}/consent", category="fire-safety", given="no")
        assert [c.given for c in preferences(there).consents] == [False]
        answer = await there.post(f"{address}/consent", category="nothing", given="yes")
        assert answer.status_code == 422
