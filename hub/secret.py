"""What only the hub may know: a secret that does not show itself, and keys in files."""

import base64
import os
import threading
from pathlib import Path

KEY_BYTES = 32  # AES-256, and as much for BLAKE2b


class SettingsError(ValueError):
    """A setting is unknown, malformed or missing. The message names it and shows no secret."""


class Secret:
    """A text that nobody sees by accident: only `reveal` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def key_bytes(name: str, text: str) -> bytes:
    """The key that this text is in base64. Raises :class:`SettingsError`, which names it."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{name} must be {KEY_BYTES} bytes in base64")
    return key


def make_key(file: Path, mode: int = 0o600) -> bool:
    """Put a new key into this file, unless there is one; whether that was so. Its folder is the
    owner's alone."""
    if file.exists():
        return False
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
    draft.chmod(mode)
    try:
        os.link(draft, file)
    except FileExistsError:  # another process was first: its key it is
        return False
    finally:
        draft.unlink()
    return True


def made_once(file: Path) -> Secret:
    """The key in this file, which only its owner may read; made by the first who asks. Raises
    :class:`SettingsError` where others can read it."""
    make_key(file)
    if file.stat().st_mode & 0o077:
        raise SettingsError(f"{file} can be read by others: chmod 600 {file}")
    return Secret(file.read_text(encoding="ascii").strip())
