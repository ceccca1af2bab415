"""What is said in a call that is going on."""

from pathlib import Path

from streams.calls import said
from tests.streams.small_hub import small_hub


async def test_an_attempt_says_what_it_was_routed_with(tmp_path: Path) -> None:
    async with small_hub(tmp_path) as small:
        await small.register("a")
        await small.violation("a")
        await small.pass_time(60_000)
        stream = bytes.fromhex(small.stream_of("a"))
        found = await said(small.hub.river, stream, 2)
        assert found is not None
        assert found.recipient == "a"
        assert "违" in found.text


async def test_what_is_no_attempt_says_nothing(tmp_path: Path) -> None:
    async with small_hub(tmp_path) as small:
        await small.register("a")
        await small.violation("a")
        await small.pass_time(60_000)
        stream = bytes.fromhex(small.stream_of("a"))
        assert await said(small.hub.river, stream, 1) is None
        assert await said(small.hub.river, stream, 9) is None
        assert await said(small.hub.river, bytes(16), 2) is None
