"""Published wording: a notice's files as one version, with the hash that approvals bind to. Pure.

A version is the folder's files by name, whether read from the catalog or from a journalled
``WordingPublished``; the same files always have the same hash.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from templates import links
from templates.catalog_files import bodies_of, parse_folder
from templates.render import Wording, compile_wording

COMPILED_KEPT = 256
"""Wordings that are not compiled again: a few versions of each notice. A catalog takes a fifth of a
second, and is read whenever a hub is opened or what was published is followed."""

SEED_VERSION = 1
"""What the catalog in the checkout counts as; the first published version is the next."""


def content_hash(notice_id: str, files: Mapping[str, str]) -> str:
    """64 hex digits over the notice's id and its files, whatever their order or line endings."""
    digest = hashlib.blake2b(digest_size=32)
    for text in (notice_id, *_flat(canonical(files))):
        data = text.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def canonical(files: Mapping[str, str]) -> dict[str, str]:
    """The files as they are hashed, journalled and compiled: line ends ``\\n``, sorted by name."""
    return {
        name: text.replace("\r\n", "\n").replace("\r", "\n") for name, text in sorted(files.items())
    }


def load_wording(
    notice_id: str,
    files: Mapping[str, str],
    version: int = SEED_VERSION,
    hosts: frozenset[str] = links.OFFICIAL,
) -> Wording:
    """The wording in ``files``; raises what :mod:`templates.errors` draws.

    ``files`` hold ``notice.toml``, ``sample.json`` and the bodies by file name.
    """
    return _compiled(notice_id, tuple(canonical(files).items()), version, hosts)


@lru_cache(COMPILED_KEPT)
def _compiled(
    notice_id: str, named: tuple[tuple[str, str], ...], version: int, hosts: frozenset[str]
) -> Wording:
    """The same texts are always the same wording, which nobody changes."""
    texts = dict(named)
    declaration = parse_folder(notice_id, texts)
    return compile_wording(
        declaration.notice,
        declaration.variables,
        bodies_of(texts),
        version,
        content_hash(notice_id, texts),
        hosts,
    )


def _flat(files: Mapping[str, str]) -> list[str]:
    return [text for pair in files.items() for text in pair]
