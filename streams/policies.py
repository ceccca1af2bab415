"""Every routing policy that ever was in force, as the journal holds them, and a draft of one."""

from collections.abc import Mapping

import msgspec

from preferences.fault import Fault
from streams.core import codec
from streams.core.events import PolicyPublished
from streams.core.identity import Index
from streams.core.policy import DEFAULT, Policy, load, missing_classes
from streams.documents import POLICY
from streams.journal.base import Reader


def published(reader: Reader, index: Index) -> Mapping[int, Policy]:
    """By version, with the one a hub begins with."""
    key = (index.kind(POLICY), b"")
    streams = reader.lookup([key]).get(key, [])
    known = {DEFAULT.version: DEFAULT}
    for rows in reader.read(streams).values():
        for row in rows:
            event = codec.decode(row.type, row.data)
            if isinstance(event, PolicyPublished):
                known[event.policy] = load(event.text.encode())
    return known


def read_draft(text: bytes) -> Policy | Fault:
    """A policy that could be in force, whatever its version."""
    try:
        draft = load(text)
    except msgspec.ValidationError as error:
        refused = codec.refusal(str(error), shape=Policy)
        got = f", got {refused.got}" if refused.got else ""
        return Fault(refused.field, refused.expected + got)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Fault("policy", f"TOML; {error}")
    if missing := missing_classes(draft):
        return Fault(f"classes.{missing[0]}", "to be present")
    return draft
