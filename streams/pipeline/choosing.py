"""What a recipient chooses: what there is to choose from, and how a choice is kept.

Commands, replies and complaints share this: a tick on a page and a word sent back do the same.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from preferences import store
from preferences.changes import Choice, Offer, SwitchCategory, UnsuppressAddress, apply
from preferences.fault import Fault
from preferences.recipient import Preferences, Profile, Recipient
from preferences.subscriptions import Subscription, with_subscription
from preferences.vault import SubjectKey
from streams.core import events as e
from streams.core.identity import named_stream
from streams.journal.base import Group, Reader, Unit
from streams.pipeline.river import Documents, Effect, Known, River, entry
from streams.pipeline.stopping import redecide_open
from templates.notice import LANGUAGES

_encode = msgspec.json.Encoder().encode


async def choose(river: River, ref: str, choice: Choice, by: str) -> Preferences | Fault:
    """Apply one choice, and have what is still open decided again by it. A category that is sent
    by law cannot be switched off: the fault says so. Nothing is journalled when the choice changes
    nothing."""
    while (standing := await _standing(river, ref)) is not None:
        known, who, version = standing
        before, offer = who.preferences, offer_of(river.documents)
        after = after_choice(before, choice, offer, river.clock.now_ms())
        if isinstance(after, Fault) or after is before:
            return after
        changed = entry(
            choices_stream(known.ref), version, chosen(known.ref, choice, by, known.key)
        )
        unit = Unit((changed,), effects=(keeping(river, known.ref, after),))
        with suppress(Erased):
            if await _append(river, unit, known.ref):
                return after
    return Fault("ref", "a registered recipient")


async def subscribe(river: River, ref: str, change: Subscription, by: str) -> Profile | Fault:
    """Add a browser to somebody's own contact points, or take one or all away, and have what is
    still open decided again by it. Nothing is journalled when nothing changes."""
    while (standing := await _standing(river, ref)) is not None:
        known, who, version = standing
        after = with_subscription(who.profile, change)
        if after is who.profile:
            return after
        changed = entry(
            choices_stream(known.ref), version, chosen(known.ref, change, by, known.key)
        )
        counted = replace(who.preferences, version=who.preferences.version + 1)
        save = partial(_subscribe, river, known.ref, change, counted)
        with suppress(Erased):
            if await _append(river, Unit((changed,), effects=(save,)), known.ref):
                return after
    return Fault("ref", "a registered recipient")


async def reach_again(river: River, kind: str, address: str, by: str) -> None:
    """An address that was refused for good has shown that it works: whoever has it is reached by it
    again, and what is still open is decided again. Nothing is journalled when it was in use."""
    fact = UnsuppressAddress(river.vault.blind(kind, address).hex())
    for ref in await river.people.find(kind, address):
        while (standing := await _standing(river, ref)) is not None:
            known, who, version = standing
            if not is_suppressed(who, kind, address):
                break
            changed = entry(
                choices_stream(known.ref), version, chosen(known.ref, fact, by, known.key)
            )
            unit = Unit((changed,), effects=(river.people.restore(kind, address),))
            if await _append(river, unit, known.ref):
                break


def is_suppressed(who: Recipient, kind: str, address: str) -> bool:
    """Whether this contact point of somebody's is out of use."""
    return any(
        contact.suppressed and contact.kind == kind
        for contact in who.profile.contacts
        if contact.address.casefold() == address.casefold()
    )


async def _standing(river: River, ref: str) -> tuple[Known, Recipient, int] | None:
    """Somebody registered, and the next version of what they chose. They are read after it:
    whoever changes them meanwhile takes it."""
    known = (await river.people.load([ref])).get(ref)
    if known is None or known.recipient is None:
        return None
    stream = choices_stream(known.ref)
    rows = (await river.journal.read([stream])).get(stream)
    known = (await river.people.load([ref])).get(ref)
    if known is None or known.recipient is None:
        return None
    return known, known.recipient, rows[-1].version + 1 if rows else 1


async def _append(river: River, unit: Unit, ref: str) -> bool:
    """False when another choice came before this one: nothing is written."""
    now_ms = river.clock.now_ms()

    def look(reader: Reader) -> Sequence[Unit]:
        return redecide_open(river, reader, [ref], now_ms)

    return (await river.journal.append(Group([unit], look=look))).won[0]


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


def chosen(
    ref: str, choice: Choice | Subscription | UnsuppressAddress, by: str, key: SubjectKey
) -> e.PreferenceChanged:
    """The row that records a choice, or that an address works again."""
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


def _subscribe(
    river: River, ref: str, change: Subscription, counted: Preferences, connection: Connection
) -> None:
    if not store.save_subscription(connection, river.vault, ref, change, counted):
        raise Erased
