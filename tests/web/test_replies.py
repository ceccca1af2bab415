"""What people wrote back, on the pages: for operators on the case, for themselves in their history;
and for upstream systems by its name."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from channels.base import Reply
from streams.views import Written
from tests.web.world import World, registered, violation, world

PHONE = "+8613800001234"
WORDS = "那天不是我开的车<b>"


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as there:
        await there.bring(registered("P1", phones=[PHONE]), violation("P1", 1))
        await there.until(lambda: _sent(there))
        yield there


def _sent(there: World) -> bool:
    return any(leg.status == "delivered" for leg in there.hub.reading.history("P1"))


async def writes(there: World, text: str, ref: str) -> Written:
    known = len(there.hub.reading.replies("P1"))
    reply = Reply("sms-cmcc", PHONE, "12123", text, there.hub.clock.now_ms(), ref=ref)
    await there.hub.commands.take_reply(reply)
    await there.until(lambda: len(there.hub.reading.replies("P1")) > known)
    return there.hub.reading.replies("P1")[0]


async def test_operators_read_it_on_the_case(there: World) -> None:
    await writes(there, WORDS, "1")
    page = (await there.client.get("/cases/violation_no%3D0000000000000001")).text
    assert "收件人回复" in page
    assert "那天不是我开的车&lt;b&gt;" in page
    assert "转交办理方" in page
    person = (await there.client.get("/recipients/P1")).text
    assert "回复记录" in person
    assert "那天不是我开的车&lt;b&gt;" in person


async def test_people_find_what_they_wrote_with_its_time_and_what_was_done(there: World) -> None:
    reply = await writes(there, "ＴＤ", "1")
    page = (await there.client.get(f"/me/{there.link('P1')}")).text
    written = page[page.index("您的回复") :]
    zone = there.app.state.site.zone
    at = datetime.fromtimestamp(reply.at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")
    for shown in ("ＴＤ", at, "依法送达，不能退订", "已答复", "交通违法记录通知"):
        assert shown in written
    english = (await there.client.get(f"/me/{there.link('P1')}?lang=en")).text
    assert "What you wrote back" in english


async def test_upstream_reads_the_words_by_the_name_it_was_told(there: World) -> None:
    reply = await writes(there, WORDS, "1")
    headers = {"authorization": f"Bearer {there.key()}"}
    told = (await there.client.get("/v1/outcomes", headers=headers)).json()["replies"]
    assert [one["reply"] for one in told] == [reply.reply]
    assert WORDS not in str(told)
    answer = await there.client.get(f"/v1/replies/{reply.reply}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == WORDS
    assert answer.json()["notification"] == told[0]["notification"]
    for name in ("0" * 32, "nonsense"):
        assert (await there.client.get(f"/v1/replies/{name}", headers=headers)).status_code == 404
    assert (await there.client.get(f"/v1/replies/{reply.reply}")).status_code == 401
