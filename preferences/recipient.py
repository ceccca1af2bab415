"""Who is told: recipients, their contact points and what they chose. Pure values.

A recipient's ``ref`` is the authority's own opaque reference (never an identity number); names,
numbers and addresses are sealed wherever they are stored.
"""

from typing import Literal

import msgspec

RecipientKind = Literal["person", "enterprise", "officer"]
ContactKind = Literal["phone", "email", "push", "wechat", "inbox"]


class ContactPoint(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One way to reach somebody. Phones are E.164; ``carrier`` is learned, not declared."""

    kind: ContactKind
    address: str
    carrier: str = ""
    landline: bool = False
    suppressed: str = ""
    label: str = ""


class ContactPerson(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person an enterprise names for a role (``filing``, ``legal``); a recipient of its own."""

    role: str
    ref: str


class Profile(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What upstream registered about a recipient. Sealed as one value."""

    ref: str
    kind: RecipientKind
    name: str
    contacts: tuple[ContactPoint, ...] = ()
    persons: tuple[ContactPerson, ...] = ()
    aliases: tuple[str, ...] = ()
    region: str = ""
    zone: str = "Asia/Shanghai"
    language: str = ""
    attributes: dict[str, str] = {}


class Consent(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Consent to a category, with the proof that it was given."""

    category: str
    given: bool
    at_ms: int
    proof: str


class Preferences(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a recipient chose. Defaults mean "as the policy says".

    ``off`` holds ``category/channel`` pairs, ``*`` standing for every channel or category;
    quiet hours are minutes of the local day (``-1``: policy's own); ``caps`` per class and day.
    """

    version: int = 0
    off: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    quiet_from: int = -1
    quiet_to: int = -1
    language: str = ""
    caps: dict[str, int] = {}
    consents: tuple[Consent, ...] = ()


class Recipient(msgspec.Struct, frozen=True):
    """A recipient as the decision sees one: profile and preferences together."""

    profile: Profile
    preferences: Preferences = Preferences()

    @property
    def language(self) -> str:
        """The language chosen, else registered, else empty (the hub's default)."""
        return self.preferences.language or self.profile.language
