"""What a recipient chooses: what there is to choose from, and how a choice is kept.

Commands and replies share this: a tick on a page and a word sent back do the same.
"""

from functools import partial

import msgspec
from sqlalchemy import Connection

from preferences import store
from preferences.changes import Choice, Offer, SwitchCategory, apply
from preferences.fault import Fault
from preferences.recipient import Preferences
from preferences.vault import SubjectKey
from streams.core import events as e
from streams.core.identity import named_stream
from streams.pipeline.river import Documents, Effect, River
from templates.notice import LANGUAGES

_encode = msgspec.json.Encoder().encode


class Erased(Exception):  # noqa: N818 - named for what happened
    """The recipient was erased while they chose: nothing was written."""


def choices_stream(ref: str) -> bytes:
    """The stream of what one recipient chose, and wrote back."""
    return named_stream("preferences", ref)


def offer_of(documents: Documents) -> Offer:
    """What there is to choose from, by the catalog and the policy in force. ``kept`` are the
    categories sent by law or in an emergency."""
    categories: dict[str, dict[str, None]] = {}
    kept: set[str] = set()
    classes = documents.policy.classes
    for notice in documents.catalog.notices.values():
        later = notice.escalation.to if notice.escalation else ()
        known = categories.setdefault(notice.category, {})
        known.update(dict.fromkeys((*notice.channels, *later)))
        if not classes[notice.cls].opt_out:
            kept.add(notice.category)
    return Offer(
        categories={name: tuple(channels) for name, channels in sorted(categories.items())},
        kept=frozenset(kept),
        capped=frozenset(name for name, rule in classes.items() if rule.cap),
        languages=LANGUAGES,
    )


def after_choice(
    before: Preferences, choice: Choice, offer: Offer, now_ms: int
) -> Preferences | Fault:
    """The preferences after a choice; the same object when nothing changes. A category that is
    sent by law cannot be switched off: the fault says so."""
    if isinstance(choice, SwitchCategory) and not choice.on and choice.category in offer.kept:
        return Fault("category", f"one that may be refused; {choice.category} is sent by law")
    return apply(before, choice, offer, now_ms)


def chosen(ref: str, choice: Choice, by: str, key: SubjectKey) -> e.PreferenceChanged:
    """The row that records a choice."""
    sealed = key.seal(_encode(choice), choices_stream(ref))
    return e.PreferenceChanged(
        recipient=ref, kind=str(type(choice).__struct_config__.tag), by=by, sealed=sealed
    )


def keeping(river: River, ref: str, after: Preferences) -> Effect:
    """Keeps preferences inside the journal's transaction, and only when their row won. Raises
    :class:`Erased` there."""
    return partial(_save, river, ref, after)


def _save(river: River, ref: str, after: Preferences, connection: Connection) -> None:
    if not store.save_preferences(connection, river.vault, ref, after):
        raise Erased
