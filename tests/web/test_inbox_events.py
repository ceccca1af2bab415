"""The inbox told to a page as it changes: nothing missed, nothing doubled, and not too many."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx
import pytest
import uvicorn

from hub.serving import Server
from streams.core import events as e
from streams.core.codec import decode
from tests.web.test_citizen import NO_PHONE, in_the_inbox
from tests.web.world import World, question_answered, registered, violation
from web import inbox_streams


class Told(NamedTuple):
    """One event as a browser reads it."""

    id: int
    stream: str
    what: str


@pytest.fixture
async def server(there: World) -> AsyncIterator[Server]:
    """The hub really listens: a client in the same process would wait for a stream's end."""
    server = Server(uvicorn.Config(there.app, port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await there.until(lambda: server.started)
    yield server
    server.should_exit = True
    await serving


@pytest.fixture
def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


class Stream:
    """What a browser makes of an answer."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def told(self, count: int) -> list[Told]:
        """The next so many events."""
        found: list[Told] = []
        values: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            values[name] = value
            if line:
                continue
            if values.get("event") == "inbox":
                data = json.loads(values["data"])
                found.append(Told(int(values["id"]), data["stream"], data["what"]))
                if len(found) == count:
                    break
            values = {}
        return found


@asynccontextmanager
async def opened(url: str, last: str = "") -> AsyncIterator[Stream]:
    headers = {"last-event-id": last} if last else {}
    async with (
        httpx.AsyncClient(timeout=20, trust_env=False) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        yield Stream(answer)


def journalled(there: World, kind: type[e.Base]) -> list[int]:
    """Positions of the rows of one kind."""
    return [r.pos for r in there.hub.store.since(0, 10_000) if type(decode(r.type, r.data)) is kind]


async def another(there: World) -> None:
    """P2 has a message in the inbox, too."""
    await there.bring(registered("P2", **NO_PHONE), question_answered("P2", 50))
    await there.until(lambda: there.app.state.site.reading.inbox_changes("P2", 0))


class TestStream:
    async def test_a_message_is_told_as_it_arrives(self, there: World, address: str) -> None:
        first = await in_the_inbox(there)
        async with opened(f"{address}/me/{there.link('P1')}/events") as events:
            assert events.answer.headers["content-type"].startswith("text/event-stream")
            assert "no-store" in events.answer.headers["cache-control"]
            await there.bring(question_answered("P1", 2))
            (one,) = await events.told(1)
        legs = there.app.state.site.reading.history("P1")
        (second,) = {leg.stream for leg in legs} - {first}
        assert one == (max(journalled(there, e.Delivered)), second, "arrived")

    async def test_the_page_says_from_where_it_follows(self, there: World, address: str) -> None:
        """What came between the page and its stream is told."""
        await there.bring(registered("P1", **NO_PHONE))
        link = there.link("P1")
        stream = await in_the_inbox(there)
        async with opened(f"{address}/me/{link}/events?since=0") as events:
            (one,) = await events.told(1)
        assert (one.stream, one.what) == (stream, "arrived")

    async def test_opened_elsewhere_is_told_too(self, there: World, address: str) -> None:
        stream = await in_the_inbox(there)
        async with opened(f"{address}/me/{there.link('P1')}/events") as events:
            await there.post(f"/me/{there.link('P1')}/read", stream=stream)
            assert [(one.stream, one.what) for one in await events.told(1)] == [(stream, "read")]

    async def test_coming_again_tells_the_rest_once(self, there: World, address: str) -> None:
        await in_the_inbox(there)
        url = f"{address}/me/{there.link('P1')}/events"
        async with opened(f"{url}?since=0") as events:
            (first,) = await events.told(1)
        await there.bring(*[question_answered("P1", n) for n in range(2, 5)])
        await there.until(lambda: len(journalled(there, e.Delivered)) == 4)
        async with opened(f"{url}?since=0", last=str(first.id)) as events:
            rest = await events.told(3)
            await there.bring(question_answered("P1", 5))
            rest += await events.told(1)
        seen = [first, *rest]
        assert [one.id for one in seen] == journalled(there, e.Delivered)
        assert len({one.stream for one in seen}) == 5

    async def test_others_messages_are_not_told(self, there: World, address: str) -> None:
        await in_the_inbox(there)
        await another(there)
        async with opened(f"{address}/me/{there.link('P2')}/events") as events:
            await there.bring(question_answered("P1", 7), question_answered("P2", 8))
            (one,) = await events.told(1)
        mine = {leg.stream for leg in there.app.state.site.reading.history("P2")}
        assert one.stream in mine

    async def test_what_came_by_text_message_is_no_news_of_the_inbox(
        self, there: World, address: str
    ) -> None:
        stream = await in_the_inbox(there)
        await there.bring(registered("P2"), violation("P2", 1))
        await there.until(lambda: len(journalled(there, e.Delivered)) == 2)
        reading = there.app.state.site.reading
        assert [one.stream for one in reading.inbox_changes("P1", 0)] == [stream]
        assert reading.inbox_changes("P2", 0) == []

    @pytest.mark.parametrize("last", ["x", "-1", "9" * 30, "999999999", "٣"])
    async def test_a_position_that_is_none_begins_now(
        self, there: World, address: str, last: str
    ) -> None:
        await in_the_inbox(there)
        url = f"{address}/me/{there.link('P1')}/events?since={last}"
        async with opened(url) as events:
            await there.bring(question_answered("P1", 2))
            (one,) = await events.told(1)
        assert one.id == max(journalled(there, e.Delivered))


class TestLimits:
    async def test_a_link_that_has_ended_opens_none(self, there: World, address: str) -> None:
        await in_the_inbox(there)
        async with opened(f"{address}/me/{there.link('P1', 0)}/events") as events:
            assert events.answer.status_code == 404

    async def test_a_person_has_so_many_pages(
        self, there: World, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inbox_streams, "OWN_MAX", 1)
        await in_the_inbox(there)
        await another(there)
        url = f"{address}/me/{there.link('P1')}/events"
        streams = there.app.state.site.inbox_streams
        async with opened(url):
            await there.until(lambda: not streams.has_room("P1"))
            async with opened(url) as events:
                assert events.answer.status_code == 429
            async with opened(f"{address}/me/{there.link('P2')}/events") as events:
                assert events.answer.status_code == 200
        await there.until(lambda: streams.has_room("P1"))
        async with opened(url) as events:
            assert events.answer.status_code == 200, "who leaves makes room"

    async def test_a_process_has_so_many(
        self, there: World, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inbox_streams, "STREAMS_MAX", 1)
        await in_the_inbox(there)
        await another(there)
        async with opened(f"{address}/me/{there.link('P1')}/events"):
            await there.until(lambda: not there.app.state.site.inbox_streams.has_room("P2"))
            async with opened(f"{address}/me/{there.link('P2')}/events") as events:
                assert events.answer.status_code == 429

    async def test_none_holds_up_the_end_of_the_process(
        self, there: World, server: Server, address: str
    ) -> None:
        await in_the_inbox(there)
        async with opened(f"{address}/me/{there.link('P1')}/events") as events:
            streams = there.app.state.site.inbox_streams
            await there.until(lambda: streams._pages)
            server.should_exit = True
            async with asyncio.timeout(2):
                assert await events.told(1) == []
            assert not streams.has_room("P1")

    async def test_a_stream_says_that_it_lives_and_ends_in_time(
        self, there: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inbox_streams, "BEAT_MS", 50)
        monkeypatch.setattr(inbox_streams, "STREAM_MS", 400)
        await in_the_inbox(there)
        streams = there.app.state.site.inbox_streams
        head = there.hub.store.head()
        found = [change async for change in streams.follow("P1", head)]
        assert set(found) == {None}
        assert len(found) > 1
        assert streams._pages == []
        assert streams._looking is None, "nobody looks while nobody is told"


async def test_opening_a_message_thrice_is_journalled_once(there: World) -> None:
    """The strongest proof there is; that it stops what would follow, see the journeys."""
    stream = await in_the_inbox(there)
    link = f"/me/{there.link('P1')}"
    for _ in range(3):
        await there.post(f"{link}/read", stream=stream)
    assert len(journalled(there, e.Read)) == 1
    assert there.app.state.site.reading.history("P1")[0].status == "read"
