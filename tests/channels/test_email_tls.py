"""Who is spoken to, and who we are: TLS and the login, against a real server."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from channels.base import Accepted, NotSent, Outcome, Permanent
from channels.email_smtp import EmailChannel, Smtp
from tests.channels.mail_certificates import certificate, server_context
from tests.channels.test_email_smtp import FROM, message
from tests.contracts.clocks import RealClock

# of aiosmtpd, which does not count the TLS that was there before it
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


class Taking:
    """An aiosmtpd handler that takes what comes over TLS from who is logged in."""

    def __init__(self) -> None:
        self.taken = 0
        self.asked = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.taken += 1
        return "250 2.0.0 queued"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        self.asked += 1
        right = isinstance(data, LoginPassword) and data == LoginPassword(b"hub", b"secret")
        return AuthResult(success=right, handled=False)


@asynccontextmanager
async def serving(
    context: ssl.SSLContext, implicit: bool = False
) -> AsyncIterator[tuple[Taking, int]]:
    taking = Taking()
    loop = asyncio.get_running_loop()
    made: list[SMTP] = []

    def session() -> SMTP:
        made.append(
            SMTP(
                taking, hostname="127.0.0.1", loop=loop, authenticator=taking.authenticate,
                tls_context=None if implicit else context, require_starttls=not implicit,
                auth_required=True, auth_require_tls=not implicit,
            )
        )  # fmt: skip
        return made[-1]

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if implicit else None)
    try:
        yield taking, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in made:
            if one.transport is not None:
                one.transport.abort()
        await asyncio.sleep(0.05)


async def sent(port: int, **fields: Any) -> Outcome | None:
    smtp = Smtp("127.0.0.1", port, sender=FROM, username="hub", connect_s=3, **fields)
    channel = EmailChannel(RealClock(), smtp)
    try:
        [outcome] = await channel.send("email-a", [message(1)], 5_000)
        return outcome
    finally:
        await channel.close()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_over_tls_and_logged_in(files: tuple[Path, Path], tls: str) -> None:
    async with serving(server_context(*files), tls == "tls") as (taking, port):
        outcome = await sent(port, tls=tls, password="secret", ca_file=str(files[0]))
    assert isinstance(outcome, Accepted)
    assert (taking.taken, taking.asked) == (1, 1)


async def test_a_wrong_password_is_the_accounts_fault(files: tuple[Path, Path]) -> None:
    async with serving(server_context(*files)) as (taking, port):
        outcome = await sent(port, password="wrong", ca_file=str(files[0]))
    assert isinstance(outcome, Permanent)
    assert outcome.scope == "account"
    assert outcome.code.startswith("535")
    assert taking.taken == 0


async def test_a_certificate_that_nobody_vouches_for(files: tuple[Path, Path]) -> None:
    """Neither a mail nor the password goes there."""
    async with serving(server_context(*files)) as (taking, port):
        outcome = await sent(port, password="secret")
    assert isinstance(outcome, NotSent)
    assert (taking.taken, taking.asked) == (0, 0)


async def test_a_certificate_of_another_host(tmp_path: Path) -> None:
    others = certificate(tmp_path, "127.0.0.9")
    async with serving(server_context(*others)) as (taking, port):
        outcome = await sent(port, password="secret", ca_file=str(others[0]))
    assert isinstance(outcome, NotSent)
    assert (taking.taken, taking.asked) == (0, 0)
