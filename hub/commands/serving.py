"""``hub up`` and ``hub sandbox``: the processes that stay."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.commands.console import MISUSED, fail, say, settings

if TYPE_CHECKING:
    from channels.sandbox_model import Faults
    from hub.settings import Settings


def up(
    sample: Annotated[
        bool, typer.Option("--sample", help="With 10,000 sample recipients and their events.")
    ] = False,
    events_per_second: Annotated[
        float, typer.Option(min=0, max=1_000, help="How many sample events arrive a second.")
    ] = 20,
    own_sandbox: Annotated[
        bool, typer.Option("--sandbox/--no-sandbox", help="Start the sandbox carrier, or use one.")
    ] = True,
) -> None:
    """Run the hub: the river, the sandbox carrier, the pages and the API."""
    import uvloop

    from hub.serving import serve

    told = settings()
    if told.database:
        fail("HUB_DATABASE names a cluster; there it is `hub web` and `hub worker`", MISUSED)
    uvloop.run(serve(told, events_per_second if sample else None, own_sandbox, say))


def sandbox(
    host: Annotated[str, typer.Option(help="Listen here; else as the settings say.")] = "",
    port: Annotated[
        int, typer.Option(min=-1, max=65_535, help="And on this port; 0 takes a free one.")
    ] = -1,
    ledger: Annotated[
        Path | None, typer.Option(help="File of what came; else in the data folder.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which message meets which fault.")] = 1,
    rough: Annotated[bool, typer.Option("--rough", help="A bad day, with every fault.")] = False,
    faults: Annotated[
        str, typer.Option(help='Faults as JSON, as {"answer_lost": 0.01, "receipt_ms": 500}.')
    ] = "",
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input does.")
    ] = False,
) -> None:
    """Run the sandbox carrier alone: a carrier that fails in every way a real one does."""
    from channels.sandbox import serve
    from hub.folder import LEDGER

    told = settings()
    host = host or told.sandbox_host
    port = told.sandbox_port if port < 0 else port

    carrier = serve(
        host, port, _file(ledger, told, LEDGER), seed, _faults(faults, rough),
        lambda port: _listening(f"{host}:{port}"),
    )  # fmt: skip
    asyncio.run(_until_told(carrier, with_parent))


def twilio_sandbox(
    host: Annotated[str, typer.Option(help="Listen here.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8124,
    ledger: Annotated[
        Path | None, typer.Option(help="File of what came; else in the data folder.")
    ] = None,
    step_ms: Annotated[
        int, typer.Option(min=1, help="How long a message or a call takes for each thing.")
    ] = 1_000,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input does.")
    ] = False,
) -> None:
    """Run a sandbox that plays Twilio for the account of the settings, until it is told to end.

    The hub speaks to it where HUB_TWILIO_URL says so.
    """
    from channels.sandbox_http import Pace
    from channels.twilio_sandbox import serve
    from hub.clock import clock_of
    from hub.folder import TWILIO_LEDGER

    told = settings()
    account = told.twilio()
    if account is None:
        fail("HUB_TWILIO_ACCOUNT and HUB_TWILIO_TOKEN name the account that it plays", MISUSED)
    file = _file(ledger, told, TWILIO_LEDGER)

    playing = serve(
        clock_of(told.clock), account, host, port, file, Pace(step_ms=step_ms), _listening
    )
    asyncio.run(_until_told(playing, with_parent))


def http_sandbox(
    app: Annotated[str, typer.Option(help="Name of the account that it plays for.")] = "fenghuo",
    host: Annotated[str, typer.Option(help="Listen here.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8125,
    ledger: Annotated[
        Path | None, typer.Option(help="File of what came; else in the data folder.")
    ] = None,
    callback_url: Annotated[
        str, typer.Option(help="Takes reports on requests that name no address of their own.")
    ] = "",
    key_env: Annotated[
        str, typer.Option(help="Variable with the key that signs requests.")
    ] = "EXAMPLE_KEY",
    callback_key_env: Annotated[
        str, typer.Option(help="Variable with the key that signs callbacks.")
    ] = "EXAMPLE_CALLBACK_KEY",
    rough: Annotated[bool, typer.Option("--rough", help="A bad day, with every fault.")] = False,
    faults: Annotated[
        str, typer.Option(help='Faults as JSON, as {"answer_lost": 0.01, "receipt_ms": 500}.')
    ] = "",
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input does.")
    ] = False,
) -> None:
    """Run a sandbox of a provider by HTTPS, for lanes that describe it, until it is told to end."""
    from channels.http_sandbox import Account, serve
    from hub.clock import clock_of
    from hub.folder import HTTP_LEDGER
    from hub.settings import secret_of

    told = settings()
    key, callback_key = secret_of(key_env), secret_of(callback_key_env)
    if not (key and callback_key):
        fail(f"{key_env} and {callback_key_env} must hold the keys that both sides know", MISUSED)
    file = _file(ledger, told, HTTP_LEDGER)

    account = Account(app, key, callback_key, callback_url)
    playing = serve(
        clock_of(told.clock), account, host, port, file, _faults(faults, rough), _listening
    )
    asyncio.run(_until_told(playing, with_parent))


def _file(ledger: Path | None, told: "Settings", name: str) -> Path:
    """Where a sandbox writes what it took: as asked for, or in the data folder."""
    file = ledger or told.data_dir / name
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _listening(where: str) -> None:
    """Whoever started it reads this line, at once."""
    say(f"listening on {where}")
    sys.stdout.flush()


def _faults(text: str, rough: bool) -> "Faults":
    import msgspec

    from channels.sandbox_model import ROUGH, Faults

    if not text:
        return ROUGH if rough else Faults()
    try:
        return msgspec.json.decode(text, type=Faults)
    except msgspec.DecodeError as error:
        fail(f"--faults: {error}", 2)


async def _until_told(carrier: Coroutine[Any, Any, None], with_parent: bool) -> None:
    """Serve until SIGTERM, SIGINT or, with a parent, the end of the pipe that it holds."""
    serving = asyncio.ensure_future(carrier)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    pipe = asyncio.StreamReader()
    if with_parent:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(pipe), sys.stdin)
        gone = asyncio.ensure_future(pipe.read())
        gone.add_done_callback(lambda _: serving.cancel())
    with suppress(asyncio.CancelledError):
        await serving
