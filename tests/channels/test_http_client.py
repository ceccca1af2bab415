"""One client for all who are asked by HTTP: what it proves of a request that has no answer, before
servers that misbehave."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from channels.base import NotSent, Unknown
from channels.http_client import ANSWER_MAX, Answered, HttpClient
from tests.channels.odd_servers import of, served, silent
from tests.contracts.clocks import RealClock

Make = Callable[..., HttpClient]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes clients, which are closed at the end."""
    made = []

    def one(connect_s: float = 2, answer_s: float = 2, **more: int) -> HttpClient:
        made.append(HttpClient(RealClock(), connect_s, answer_s, **more))
        return made[-1]

    yield one
    for client in made:
        await client.close()


class Server:
    """Answers so, and counts connections and requests."""

    def __init__(self, answer: bytes, cut_after: int = 10**9) -> None:
        self.connections = 0
        self.heads: list[str] = []
        self._answer = answer
        self._cut_after = cut_after

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            await reader.readexactly(1)  # the body of every request here
            self.heads.append(head.decode())
            if len(self.heads) > self._cut_after:
                writer.transport.abort()
                return
            writer.write(self._answer)


async def ask(client: HttpClient, address: str, deadline_ms: int = 0) -> object:
    return await client.post(f"http://{address}/", b"x", {}, deadline_ms)


async def test_an_answer_is_whole_and_its_connection_is_kept(make: Make) -> None:
    server, client = Server(of("201 Created", "done", "X-Id: 7")), make()
    async with served(server.talk) as address:
        for _ in range(3):
            answer = await ask(client, address)
            assert isinstance(answer, Answered)
            assert (answer.status, answer.headers["x-id"], answer.body) == (201, "7", b"done")
    assert (server.connections, len(server.heads)) == (1, 3)


async def test_neither_cookies_nor_redirects_are_followed(make: Make) -> None:
    answer = of("302 Found", "", "Location: /elsewhere", "Set-Cookie: who=me")
    server, client = Server(answer), make()
    async with served(server.talk) as address:
        named = address.replace("127.0.0.1", "localhost")  # cookies are for names
        for _ in range(2):
            found = await ask(client, named)
            assert isinstance(found, Answered)
            assert found.status == 302
    assert len(server.heads) == 2
    assert "cookie" not in "".join(server.heads).lower()


async def test_nobody_there_proves_that_nothing_was_sent(make: Make) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        assert await ask(make(), address) == NotSent("ClientConnectorError")


async def test_what_is_no_address_proves_it_too(make: Make) -> None:
    found = await make().post("http://", b"x", {})
    assert isinstance(found, NotSent)


async def test_a_connection_that_is_not_made_in_time_proves_it_too(make: Make) -> None:
    began_s = asyncio.get_running_loop().time()
    async with served(silent) as address:  # which begins no TLS
        found = await make(connect_s=0.2).post(f"https://{address}/", b"x", {})
    assert found == NotSent("ConnectionTimeoutError")
    assert asyncio.get_running_loop().time() - began_s < 2


async def test_connecting_counts_to_the_deadline(make: Make) -> None:
    began_s = asyncio.get_running_loop().time()
    async with served(silent) as address:
        deadline_ms = RealClock().now_ms() + 200
        found = await make(connect_s=60).post(f"https://{address}/", b"x", {}, deadline_ms)
    assert found == NotSent("ConnectionTimeoutError")
    assert asyncio.get_running_loop().time() - began_s < 2


@pytest.mark.parametrize("ahead_ms", [-1, -60_000])
async def test_nothing_begins_after_its_deadline(make: Make, ahead_ms: int) -> None:
    server = Server(of("200 OK"))
    async with served(server.talk) as address:
        deadline_ms = RealClock().now_ms() + ahead_ms
        assert await ask(make(), address, deadline_ms) == NotSent("past its deadline", ours=True)
    assert server.connections == 0


async def test_who_never_answers_holds_nobody_longer_than_the_limit(make: Make) -> None:
    client = make(answer_s=0.2)
    began_s = asyncio.get_running_loop().time()
    async with served(silent) as address:
        found = await asyncio.gather(*(ask(client, address) for _ in range(5)))
    assert found == [Unknown("SocketTimeoutError")] * 5
    assert asyncio.get_running_loop().time() - began_s < 2


async def test_one_byte_at_a_time_is_not_waited_for_for_ever(make: Make) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in of("200 OK", "x" * 1_000):
            if writer.is_closing():
                return
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.02)

    began_s = asyncio.get_running_loop().time()
    async with served(talk) as address:
        assert await ask(make(0.3, 0.3), address) == Unknown("TimeoutError")
    assert asyncio.get_running_loop().time() - began_s < 3


async def test_a_kept_connection_that_is_cut_behind_a_request_is_not_used_again(
    make: Make,
) -> None:
    """HTTP's libraries repeat what they think may be repeated; a message may not."""
    server, client = Server(of("200 OK"), cut_after=1), make()
    async with served(server.talk) as address:
        assert isinstance(await ask(client, address), Answered)
        assert isinstance(await ask(client, address), Unknown)
    assert (server.connections, len(server.heads)) == (1, 2)


@pytest.mark.parametrize(("length", "kind"), [(ANSWER_MAX, Answered), (ANSWER_MAX + 1, Unknown)])
async def test_an_answer_too_long_is_not_believed(make: Make, length: int, kind: type) -> None:
    server = Server(of("200 OK", " " * length))
    async with served(server.talk) as address:
        assert isinstance(await ask(make(), address), kind)
        assert isinstance(await ask(make(answer_max=length), address), Answered)


async def test_as_many_are_asked_at_a_time_as_ask(make: Make) -> None:
    waiting, all_there = 0, asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        await reader.readuntil(b"\r\n\r\n")
        waiting += 1
        if waiting == 150:  # the library's own limit is 100
            all_there.set()
        await all_there.wait()
        writer.write(of("200 OK"))

    client = make(20, 20)  # so many connections at once may take long to be made
    async with served(talk) as address:
        found = await asyncio.gather(*(ask(client, address) for _ in range(150)))
    assert {type(one) for one in found} == {Answered}


async def test_closing_hangs_up_on_who_waits_and_lets_nobody_begin(make: Make) -> None:
    client = make(answer_s=60)
    asked = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()

    async with served(talk) as address:
        waiting = asyncio.create_task(ask(client, address))
        await asyncio.wait_for(asked.wait(), 5)
        await client.close()
        assert isinstance(await asyncio.wait_for(waiting, 5), Unknown)
        assert await ask(client, address) == NotSent("closed", ours=True)
        await client.close()


async def test_who_is_cancelled_leaves_no_connection_that_another_would_be_answered_by(
    make: Make,
) -> None:
    client, asked, turn = make(), asyncio.Event(), 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal turn
        turn += 1
        mine = turn
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        if mine == 2:
            writer.write(of("200 OK", "two"))

    async with served(talk) as address:
        first = asyncio.create_task(ask(client, address))
        await asyncio.wait_for(asked.wait(), 5)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = await ask(client, address)
    assert isinstance(second, Answered)
    assert second.body == b"two"
