"""The whole way of a mail through a real Postfix and back, in the one-process hub.

Failure and delay reports with our ENVID move the citizen to the next channel, or wait; success is
relayed and no more; a bounce after that is on the timeline and in the rates.
"""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.bootstrap import Hub, open_hub
from hub.clock import Scaled
from hub.mail import returns_of
from hub.settings import Settings, load
from preferences import store as preference_store
from streams.core import codec
from streams.core import events as e
from streams.core.events import JournalEvent
from tests.cluster.native_kafka import free_ports
from tests.hub.fining import event
from tests.peers.postfix import DOMAIN, Postfix
from tests.streams.small_hub import MORNING

pytestmark = pytest.mark.peers

EXAMINED = "gov.approval.case.examined.v1"
PATIENCE_S = 20

LANES = """
[[lane]]
name = "email"
channel = "email"
provider = "smtp"
rate_per_s = 500

[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 500
"""


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    [port] = free_ports(1)
    with Postfix(port) as running:
        yield running


def settings_of(folder: Path, postfix: Postfix, **more: str) -> Settings:
    file = folder / "lanes.toml"
    file.write_text(LANES, encoding="utf-8")
    told = {
        "HUB_DATA_DIR": str(folder / "hub"),
        "HUB_LANES": str(file),
        "HUB_PUBLIC_URL": "https://hub.example",
        "HUB_SMTP_HOST": "127.0.0.1",
        "HUB_SMTP_PORT": str(postfix.port),
        "HUB_SMTP_TLS": "none",
        "HUB_SMTP_SUCCESS": "true",
        "HUB_MAIL_RETURN": f"mail@{DOMAIN}",
        "HUB_MAIL_INBOX": f"lmtp://127.0.0.1:{postfix.lmtp_port}",
    }
    return load({**told, **more})


class Post:
    """A running hub that mails a case's progress to one person at each domain."""

    def __init__(self, settings: Settings, domains: tuple[str, ...]) -> None:
        self.hub: Hub = open_hub(settings, Scaled(1, MORNING))
        self.domains = domains
        self._running = asyncio.create_task(self.hub.bed.run())

    async def mail(self) -> None:
        people = [
            event(
                self.hub, "hub.recipient.registered.v1", domain,
                {"ref": domain, "kind": "person", "name": "王丽", "emails": [f"w@{domain}.test"]},
            )
            for domain in self.domains
        ]  # fmt: skip
        cases = [
            event(self.hub, EXAMINED, domain, {"case_no": domain, "matter": "户口", "by": "鼓楼"})
            for domain in self.domains
        ]
        for told in (people, cases):
            answers = await self.hub.commands.accept(told)
            assert {answer.status for answer in answers} == {"accepted"}, answers
            await asyncio.sleep(0.3)  # who somebody is was routed before what happened to them

    def story(self, domain: str) -> list[JournalEvent]:
        legs = self.hub.reading.history(domain)
        if not legs:
            return []
        rows = self.hub.store.read([bytes.fromhex(legs[0].stream)])
        return [codec.decode(row.type, row.data) for [*found] in rows.values() for row in found]

    def kinds(self, domain: str) -> list[str]:
        return [type(one).__name__ for one in self.story(domain)]

    def one(self, domain: str, kind: type[Any]) -> Any:
        return next((one for one in self.story(domain) if isinstance(one, kind)), None)

    def suppressed(self, domain: str) -> str:
        with self.hub.store.readers.connect() as connection:
            known = preference_store.load_many(connection, self.hub.vault, [domain])[domain]
        assert known.recipient is not None
        [contact] = [c for c in known.recipient.profile.contacts if c.kind == "email"]
        return contact.suppressed

    def attempt(self, domain: str) -> str:
        [leg] = self.hub.reading.history(domain)
        intent = next(
            n for n, one in enumerate(self.story(domain), 1) if isinstance(one, e.AttemptIntended)
        )
        return f"{leg.stream}:{intent}"

    async def until(self, true: Callable[[], object], what: str) -> None:
        for _ in range(PATIENCE_S * 20):
            if true():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"it never came to that: {what}")

    async def end(self) -> None:
        self.hub.bed.stop()
        await self._running
        await self.hub.close()


@pytest.fixture
async def post(tmp_path: Path, postfix: Postfix) -> AsyncIterator[Post]:
    post = Post(
        settings_of(tmp_path, postfix), ("gone", "full", "spam", "away", "late", "ok")
    )  # fmt: skip
    await post.mail()
    yield post
    await post.end()


async def test_what_comes_back_decides_what_follows(post: Post) -> None:
    def reached_inbox(domain: str) -> bool:
        return post.kinds(domain)[-1:] == ["Delivered"] or "Escalated" in post.kinds(domain)

    for domain in ("gone", "full", "spam", "late"):
        await post.until(lambda d=domain: reached_inbox(d), domain)  # type: ignore[misc]
    for domain in ("away", "late", "ok"):
        await post.until(lambda d=domain: post.one(d, e.Reported), domain)  # type: ignore[misc]

    bounced = {d: post.one(d, e.Undelivered) for d in ("gone", "full", "spam", "late")}
    assert {d: (x.status, x.code, x.then) for d, x in bounced.items()} == {
        "gone": ("undelivered", "5.1.1", "never"),
        "full": ("undelivered", "5.2.2", ""),
        "spam": ("rejected", "5.7.1", ""),
        "late": ("undelivered", "5.1.1", "never"),
    }
    assert {d: post.suppressed(d) for d in post.domains} == {
        "gone": "5.1.1", "full": "", "spam": "", "away": "", "late": "5.1.1", "ok": "",
    }  # fmt: skip
    for domain in ("gone", "full", "spam", "late"):
        [leg] = post.hub.reading.history(domain)
        assert leg.channel == "inbox", domain

    assert post.one("away", e.Reported).status == "delayed"
    assert post.one("ok", e.Reported).status == "relayed"
    for domain in ("away", "ok"):
        [leg] = post.hub.reading.history(domain)
        assert (leg.channel, leg.status) == ("email", "accepted"), "it waits, and is not delivered"

    assert "Reported" in post.kinds("late"), "relayed first, and yet it came back"
    assert post.kinds("late").index("Undelivered") < post.kinds("late").index("Escalated")
    await post.until(lambda: _counted(post.hub, "undelivered") == 4, "the bounces are in the rates")
    assert _counted(post.hub, "delivered") == 0
    assert _counted(post.hub, "accepted") == 6


async def test_nobody_can_forge_a_report(post: Post, postfix: Postfix) -> None:
    """Somebody knows ENVID and mailbox, and reports that the mail did not arrive."""
    await post.until(lambda: post.one("ok", e.Reported), "it was relayed")
    before, attempt = post.kinds("ok"), post.attempt("ok")
    text = (
        "From: <MAILER-DAEMON@evil.test>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; evil\r\nOriginal-Envelope-Id: {attempt}\r\n\r\n"
        "Final-Recipient: rfc822; w@ok.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
    )
    token = "a" * 48
    for to in (f"mail@{DOMAIN}", f"mail+{token}@{DOMAIN}"):
        await asyncio.to_thread(_send, postfix, to, text)
    await post.until(lambda: postfix.log.count("it is no answer to a mail of ours") >= 2, "550")
    assert post.kinds("ok") == before
    assert post.suppressed("ok") == ""


async def test_an_answer_is_served_as_one_to_the_mail_it_answers(
    post: Post, postfix: Postfix
) -> None:
    await post.until(lambda: post.one("ok", e.Reported), "it was relayed")
    returns = returns_of(post.hub.settings)
    assert returns is not None
    attempt = post.attempt("ok")
    to = returns.address_of("reply", attempt)
    text = f"From: w@ok.test\r\nTo: {to}\r\nSubject: Re\r\n\r\nTD\r\n\r\n> hello\r\n"
    await asyncio.to_thread(_send, postfix, to, text, "w@ok.test")
    await post.until(lambda: post.hub.reading.replies("ok"), "the answer was read")
    [reply] = post.hub.reading.replies("ok")
    assert (reply.text, reply.asked, reply.done) == ("TD", "stop", "stopped")
    assert reply.notification == attempt.partition(":")[0]
    await post.until(lambda: len(post.hub.reading.history("ok")) == 2, "it was answered")


async def test_a_bounce_waits_at_the_mail_server_while_the_hub_is_away(
    tmp_path: Path, postfix: Postfix
) -> None:
    nowhere = f"lmtp://127.0.0.1:{free_ports(1)[0]}"
    deaf = Post(settings_of(tmp_path, postfix, HUB_MAIL_INBOX=nowhere), ("gone",))
    await deaf.mail()
    await deaf.until(lambda: deaf.one("gone", e.Accepted), "it was handed over")
    await asyncio.sleep(1)
    assert deaf.one("gone", e.Undelivered) is None
    await deaf.end()
    post = Post(settings_of(tmp_path, postfix), ("gone",))
    await post.until(lambda: "Escalated" in post.kinds("gone"), "the bounce is brought")
    assert post.suppressed("gone") == "5.1.1"
    await post.end()


def _send(postfix: Postfix, to: str, text: str, sender: str = "") -> None:
    """What comes without a sender, comes from a server."""
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=10) as server:
        server.sendmail(sender, [to], text.encode())


def _counted(hub: Hub, name: str) -> int:
    with hub.store.readers.connect() as connection:
        found = connection.exec_driver_sql(
            f"SELECT coalesce(sum({name}), 0) FROM rate WHERE channel = 'email'"
        )
        return int(found.scalar_one())
