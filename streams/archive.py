"""Events as the archive keeps them, opened."""

from preferences.vault import SubjectKey
from streams.core import codec
from streams.core.notices import Declared, Upstream, upstream
from streams.journal.base import Archived


def open_archived(
    row: Archived, owner: SubjectKey | None, hub: SubjectKey, declared: Declared
) -> Upstream | None:
    """An archived event, unsealed with its subject's key, or the hub's where it has no subject;
    None when that key is gone."""
    key = owner if row.recipient else hub
    if key is None:
        return None
    decoded = codec.decode_event(key.open(row.data, row.key))
    assert isinstance(decoded, codec.Decoded), f"an archived event was decoded before: {decoded}"
    event = decoded.event
    data = codec.data_of(event)
    assert not isinstance(data, codec.Refusal)
    subject = row.recipient or event.subject  # by its own reference, where the event has an alias
    return upstream(
        event.source, event.id, event.type, subject, event.region, row.at_ms, data, declared
    )
