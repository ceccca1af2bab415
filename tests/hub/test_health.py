"""Whoever asks a worker how it is hears what is wrong, also from one that cannot answer."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.carrier import Carrier
from hub.health import REQUEST_MAX, HealthPort, Signs, ask


class Clock:
    """Seconds that pass when they are told to."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class TestSigns:
    def test_what_was_never_seen_is_wrong(self) -> None:
        signs = Signs(Clock())
        signs.expect("database", 30, "the database does not answer")
        assert signs.wrong() == ["the database does not answer (not once so far)"]

    def test_a_sign_holds_for_its_time_and_no_longer(self) -> None:
        clock = Clock()
        signs = Signs(clock)
        signs.expect("database", 30, "the database does not answer")
        signs.see("database")
        clock.now_s += 30
        assert signs.wrong() == []
        clock.now_s += 1
        assert signs.wrong() == ["the database does not answer (for 31 s)"]
        signs.see("database")
        assert signs.wrong() == []

    def test_everything_wrong_is_said(self) -> None:
        clock = Clock()
        signs = Signs(clock)
        signs.expect("database", 30, "the database does not answer")
        signs.expect("slice", 60, "no slice was finished")
        signs.see("slice")
        clock.now_s += 100
        assert signs.wrong() == [
            "the database does not answer (not once so far)",
            "no slice was finished (for 100 s)",
        ]

    def test_a_name_that_is_not_expected_is_a_mistake(self) -> None:
        with pytest.raises(KeyError):
            Signs(Clock()).see("databse")


class TestThePort:
    async def test_says_that_all_is_well(self) -> None:
        async with HealthPort(0, list) as port, client(port) as asking:
            for path in ("/healthz", "/readyz"):
                answer = await asking.get(path)
                assert (answer.status_code, answer.json()) == (200, {"status": "ok", "wrong": []})

    async def test_says_what_is_wrong_as_of_now(self) -> None:
        wrong: list[str] = []
        async with HealthPort(0, lambda: wrong) as port, client(port) as asking:
            assert (await asking.get("/readyz")).status_code == 200
            wrong.append("the broker is away")
            answer = await asking.get("/readyz")
            assert (answer.status_code, answer.json()["wrong"]) == (503, ["the broker is away"])
            assert (await asking.get("/healthz")).status_code == 200

    async def test_tells_what_is_to_be_looked_at_though_nothing_is_wrong(self) -> None:
        notes = ["lane sms-cmcc is not bound: the carrier refused the bind"]
        wrong: list[str] = []
        port = HealthPort(0, lambda: wrong, notes=lambda: notes)
        async with port, client(port) as asking:
            answer = await asking.get("/readyz")
            assert (answer.status_code, answer.json()) == (200, {"status": "ok", "wrong": notes})
            wrong.append("the broker is away")
            assert (await asking.get("/readyz")).json()["wrong"] == wrong

    async def test_knows_no_other_page(self) -> None:
        async with HealthPort(0, list) as port, client(port) as asking:
            assert (await asking.get("/")).status_code == 404

    @pytest.mark.parametrize("sent", [b"GET /healthz", b"\r\n\r\n", b"x" * 2 * REQUEST_MAX])
    async def test_bears_whatever_is_sent(self, sent: bytes) -> None:
        async with HealthPort(0, list) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port.port)
            writer.write(sent)
            writer.write_eof()
            assert not (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            assert await asyncio.to_thread(ask, "127.0.0.1", port.port) == []

    async def test_is_free_again_once_it_is_closed(self) -> None:
        async with HealthPort(0, list) as port:
            pass
        async with HealthPort(port.port, list) as again:
            assert again.port == port.port


class TestAsking:
    async def test_hears_what_is_wrong(self) -> None:
        wrong = ["the database does not answer (for 31 s)", "no slice was finished (for 70 s)"]
        async with HealthPort(0, lambda: wrong) as port:
            assert await asyncio.to_thread(ask, "0.0.0.0", port.port) == wrong

    def test_nobody_there_is_wrong(self, silent: socket.socket) -> None:
        host, port = silent.getsockname()
        silent.close()
        assert ask(host, port) == [f"{host}:{port} does not answer: [Errno 111] Connection refused"]

    def test_a_process_that_is_stuck_is_wrong(
        self, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The system takes the connection for it; no answer ever comes."""
        monkeypatch.setattr("hub.health.ANSWER_S", 0.2)
        host, port = silent.getsockname()
        assert ask(host, port) == [f"{host}:{port} does not answer: timed out"]


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def client(port: HealthPort) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port.port}")


class TestTheCommand:
    async def test_asks_the_worker_of_the_settings(self) -> None:
        wrong: list[str] = []
        async with HealthPort(0, lambda: wrong) as port:
            environment = {"HUB_WORKER_PORT": str(port.port)}
            assert await run(environment) == (0, "ready\n")
            wrong += ["the broker is away", "no slice was finished"]
            assert await run(environment) == (1, "the broker is away\nno slice was finished\n")

    async def test_asks_the_pages(self) -> None:
        async with HealthPort(0, list) as port:
            assert await run({"HUB_PORT": str(port.port)}, "web") == (0, "ready\n")

    async def test_asks_the_sandbox_carrier(self, tmp_path: Path) -> None:
        carrier = Carrier("127.0.0.1", 0, tmp_path / "ledger.jsonl")
        await carrier.start()
        environment = {"HUB_SANDBOX_PORT": str(carrier.port)}
        assert await run(environment, "sandbox") == (0, "ready\n")
        await carrier.end()
        nobody = f"nobody is at 127.0.0.1:{carrier.port}\n"
        assert await run(environment, "sandbox") == (1, nobody)

    async def test_a_worker_without_a_port_cannot_be_asked(self) -> None:
        code, output = await run({})
        assert code == 2
        assert "HUB_WORKER_PORT" in output


async def run(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    result = await asyncio.to_thread(
        CliRunner().invoke, app, ["health", *arguments], env=environment
    )
    return result.exit_code, result.output
