"""``hub verify``, ``checkpoint``, ``rebuild``: is the journal whole, and what follows it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.console import Json, fail, say, say_json, settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SHOWN = 100
"""Faults that are shown one by one; their number is always said."""

ROWS = 5_000
"""Journal rows a rebuild takes in at once: a fraction of a second, so that commits get between."""


Notes = Annotated[
    Path | None, typer.Option(help="File of `hub checkpoint`: is the journal what it was then?")
]
SignedBy = Annotated[
    Path | None, typer.Option("--key", help="PEM of the Ed25519 key they are signed with.")
]


def verify(checkpoints: Notes = None, key: SignedBy = None, json: Json = False) -> None:
    """Walk the journal's chain: is any row changed, missing, swapped or cut off?

    With the checkpoints that were signed before, and their key (its public half will do), also
    whether all of it was written anew by somebody who can write the whole database.
    """
    from hub.books import open_books
    from streams.journal.proof import check_checkpoints

    signed_by = _signed_by(checkpoints, key) if checkpoints else None
    with open_books(settings()) as books:
        store = books.store
        rows = store.head()
        faults = list(store.verify())
        if checkpoints and signed_by:
            faults += check_checkpoints(checkpoints, store.shard, signed_by, store.chains_at)
    if json:
        say_json({"rows": rows, "faults": faults})
    else:
        for fault in faults[:SHOWN]:
            say(fault)
        say(f"{rows:,} rows, {len(faults):,} faults")
    if faults:
        raise typer.Exit(1)


def _signed_by(notes: Path, key: Path | None) -> "Ed25519PublicKey":
    """Asked before the journal is walked, which may take minutes."""
    if key is None:
        fail("--key is required with --checkpoints: whoever wrote the file may have signed it", 2)
    _check_file(notes)
    return _public(key)


def _private(file: Path) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(file), password=None)
    except (ValueError, TypeError):  # the latter: it has a password
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        fail(f"{file}: expected a private Ed25519 key in PEM, without a password", 2)
    return key


def _public(file: Path) -> "Ed25519PublicKey":
    """A public key; a private one has its own."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    text = _read(file)
    if b"PRIVATE KEY" in text:
        return _private(file).public_key()
    try:
        key = load_pem_public_key(text)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        fail(f"{file}: expected an Ed25519 key in PEM", 2)
    return key


def _read(file: Path) -> bytes:
    _check_file(file)
    return file.read_bytes()


def _check_file(file: Path) -> None:
    if not file.is_file():
        fail(f"{file}: is a folder" if file.is_dir() else f"{file}: there is no such file", 2)


def checkpoint(
    file: Annotated[Path, typer.Argument(help="The note is added to it; keep it elsewhere.")],
    key: Annotated[Path, typer.Option(help="PEM of an Ed25519 key, without a password.")],
    json: Json = False,
) -> None:
    """Sign where the journal stands, so that nobody can write its past anew unseen.

    Daily, say, to a place that those who can write the database cannot write. Make a key by
    `openssl genpkey -algorithm ed25519`, and keep it there, too.
    """
    from hub.books import open_books
    from streams.journal.proof import write_checkpoint

    signing = _private(key)
    with open_books(settings()) as books:
        head = books.store.standing()
        write_checkpoint(file, books.store.shard, head, signing)
    if json:
        say_json({"row": head.pos, "chain": head.chain.hex()})
    else:
        say(f"row {head.pos:,}, chain {head.chain.hex()}")


def rebuild(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which read models; all unless told.")
    ] = None,
    json: Json = False,
) -> None:
    """Make the read models again from the journal, beside a running hub or without one."""
    from hub.books import open_books
    from streams.projections.following import ALL
    from streams.projections.following import rebuild as again

    known = [projection.name for projection in ALL]
    if unknown := set(names or ()) - set(known):
        fail(f"no read model is called {min(unknown)}; there are {', '.join(known)}", 2)
    done: dict[str, int] = {}
    with open_books(settings()) as books:
        for name in names or known:
            done[name] = max(again(books.store, name, ROWS), default=0)
            if not json:
                say(f"{name}: up to row {done[name]:,}")
    if json:
        say_json(done)
