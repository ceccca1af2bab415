"""Where the mailbox is, as one setting says it. Pure.

lmtp://127.0.0.1:2424                          our own server hands mails over
maildir:///var/mail/fenghuo                    it writes them into a folder
imaps://fenghuo@mail.example/INBOX             on a server elsewhere, by TLS
imap://fenghuo@mail.example/INBOX              the same by STARTTLS
"""

from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

Kind = Literal["lmtp", "maildir", "imaps", "imap"]

PORTS: dict[str, int] = {"imaps": 993, "imap": 143}

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Place(NamedTuple):
    """``path`` is the folder: of files, or the one on the server."""

    kind: Kind
    host: str = ""
    port: int = 0
    user: str = ""
    path: str = ""


def read_place(text: str) -> Place:
    """Raises ValueError saying what was expected."""
    parts = urlsplit(text)
    match parts.scheme:
        case "lmtp":
            if not parts.hostname or parts.port is None or parts.path not in ("", "/"):
                raise ValueError("lmtp://host:port")
            return Place("lmtp", parts.hostname, parts.port)
        case "maildir":
            if parts.netloc or not parts.path.startswith("/"):
                raise ValueError("maildir:///folder")
            return Place("maildir", path=unquote(parts.path))
        case "imaps" | "imap" as kind:
            if not parts.hostname or not parts.username:
                raise ValueError(f"{kind}://user@host/folder")
            if parts.password is not None:
                raise ValueError("an address without the password: mail_inbox_password holds it")
            folder = unquote(parts.path.strip("/")) or "INBOX"
            port = parts.port or PORTS[kind]
            return Place(kind, parts.hostname, port, unquote(parts.username), folder)
        case _:
            raise ValueError("an address that begins with lmtp://, maildir://, imaps:// or imap://")
