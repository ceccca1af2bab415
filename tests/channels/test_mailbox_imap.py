"""What is said of a mailbox elsewhere that cannot be read. With a real server: tests/peers."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from channels.mailbox_imap import Imap, fault_of

Answer = Callable[[str, str], list[str] | None]


def well(command: str, tag: str) -> list[str] | None:
    """As a server that has no complaint; None hangs up."""
    if command == "CAPABILITY":
        return ["* CAPABILITY IMAP4rev1", f"{tag} OK done"]
    if command == "SELECT":
        return ["* OK [UIDVALIDITY 1]", f"{tag} OK [READ-WRITE] done"]
    return [f"{tag} OK done"]


@contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """One connection of a server that speaks IMAP so far."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            talk, _ = listening.accept()
            with talk, talk.makefile("rw", newline="\r\n") as lines:
                print("* OK ready", file=lines, flush=True)
                for line in lines:
                    tag, command, *_ = line.split()
                    said = answer(command.upper(), tag)
                    if said is None:
                        return
                    print("\n".join(said), file=lines, flush=True)

        one = threading.Thread(target=serve)
        one.start()
        yield listening.getsockname()[1]
        one.join()


def imap(port: int, **more: str) -> Imap:
    return Imap("127.0.0.1", "hub", "secret", port, **{"tls": "none", **more})  # type: ignore[arg-type]


def test_nothing_keeps_it_from_being_read() -> None:
    asked: list[str] = []

    def answer(command: str, tag: str) -> list[str] | None:
        asked.append(command)
        return well(command, tag)

    with serving(answer) as port:
        assert fault_of(imap(port)) == ""
    assert asked == ["CAPABILITY", "LOGIN", "SELECT"], "no mail is touched"


@pytest.mark.parametrize(
    ("at", "said", "fault"),
    [
        ("LOGIN", "NO secret is wrong", "the password is wrong, or there is no user hub"),
        ("LOGIN", None, "it hangs up on a login"),
        ("SELECT", "NO nothing", "there is no folder INBOX, or it may not be opened"),
        ("SELECT", "OK [READ-ONLY] done", "the folder INBOX is read-only"),
    ],
)
def test_what_is_at_fault_is_said(at: str, said: str | None, fault: str) -> None:
    def answer(command: str, tag: str) -> list[str] | None:
        if command != at:
            return well(command, tag)
        return said if said is None else ["* OK [READ-ONLY]"] * ("ONLY" in said) + [f"{tag} {said}"]

    with serving(answer) as port:
        found = fault_of(imap(port))
    assert found.startswith(fault)
    assert "secret" not in found


def test_a_server_without_starttls_is_told_no_password() -> None:
    asked: list[str] = []

    def answer(command: str, tag: str) -> list[str] | None:
        asked.append(command)
        return well(command, tag)

    with serving(answer) as port:
        found = fault_of(imap(port, tls="starttls"))
    assert found == "it breaks off, or offers no STARTTLS"
    assert "LOGIN" not in asked


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    found = fault_of(imap(port))
    assert found == "the connection is refused: no server listens there"
