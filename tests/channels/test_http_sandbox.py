"""The provider that we play: it is as strict as a real one, and loses nothing by dying."""

import json
from collections.abc import AsyncIterator
from hashlib import sha256

import httpx
import pytest

from channels.base import Accepted
from channels.http_request import Written
from channels.http_sandbox import AGE_MAX_MS
from tests.channels.http_bench import HttpBench
from tests.contracts.channel_contract import kinds


@pytest.fixture
async def bench() -> AsyncIterator[HttpBench]:
    bench = HttpBench()
    await bench.open()
    yield bench
    await bench.close()


async def asked(written: Written) -> tuple[int, str]:
    """Status and code of what a request is answered with."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(written.url, content=written.body, headers=written.headers)
    return answer.status_code, answer.json()["code"]


async def test_a_request_is_taken_once(bench: HttpBench) -> None:
    written = bench.written(1)
    assert await asked(written) == (200, "0")
    assert await asked(written) == (401, "4011")
    assert len(bench.taken()) == 1


async def test_what_is_not_signed_so_is_refused(bench: HttpBench) -> None:
    written = bench.written(1)
    for name in ("X-App", "X-Timestamp", "X-Nonce", "X-Signature"):
        headers = {**written.headers, name: "1"}
        assert await asked(written._replace(headers=headers)) == (401, "4010")
    assert await asked(written._replace(body=written.body + b" ")) == (401, "4010")
    elsewhere = written.url.replace("messages", "calls")
    assert await asked(written._replace(url=elsewhere)) == (401, "4010")
    assert bench.taken() == []


async def test_what_is_stale_is_refused(bench: HttpBench) -> None:
    old = bench.written(1, bench.now_ms() - AGE_MAX_MS - 1_000)
    assert await asked(old) == (401, "4011")
    assert bench.taken() == []


async def test_a_body_that_is_none(bench: HttpBench) -> None:
    assert await asked(bench.written(1, fields={"to": 7})) == (400, "4000")


async def test_reports_owed_are_brought_by_who_comes_after_it(bench: HttpBench) -> None:
    """To the account's own address: those of requests died with the process."""
    bench.sandbox.deaf = True
    bench.door.fails = 10**6
    (outcome,) = await bench.send(bench.message(1, "receipt_late"))
    await bench.sandbox.stop()
    bench.door.fails = 0
    bench.sandbox = bench.provider(f"{bench.door.url}/callbacks/http/{bench.lane}")
    await bench.sandbox.start()
    (receipt,) = await bench.receipts()
    assert isinstance(outcome, Accepted)
    assert (receipt.ref, receipt.attempt) == (outcome.ref, bench.message(1).attempt)


async def test_its_ledger_holds_no_number_and_no_words(bench: HttpBench) -> None:
    message = bench.message(1)
    assert kinds(await bench.send(message)) == [Accepted]
    text = bench.ledger.read_text("utf-8")
    assert message.to not in text
    assert json.dumps(message.text)[1:-1] not in text
    assert sha256(message.to.encode()).hexdigest() not in text
