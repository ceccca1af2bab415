"""Which number is it, and whose network? Normalising and the prefix table. Pure.

Numbers are E.164 (``+8613800138000``) wherever they are kept. A prefix names the network that
*issued* a number; since numbers may be ported, what was learned about a citizen goes before it.
"""

import re
import unicodedata
from typing import Literal

import msgspec

Kind = Literal["mobile", "landline", "service", "foreign"]

CARRIERS = ("cmcc", "cucc", "ctcc", "cbn")
"""China Mobile, China Unicom, China Telecom, China Broadnet."""

INTL = "intl"
"""The carrier of every number outside +86."""

PORTED = "ported"
"""The carrier of a number that its prefix's network refused, until a report names another."""

TEXT_MAX = 40
"""Characters looked at: the longest number with its punctuation fits, a pasted page does not."""

E164_DIGITS_MIN, E164_DIGITS_MAX = 7, 15


class Phone(msgspec.Struct, frozen=True):
    """A number as it is kept. ``number`` is E.164, but a service number's digits as dialled."""

    number: str
    kind: Kind
    carrier: str = ""

    @property
    def takes_sms(self) -> bool:
        """Fixed lines and service numbers never get one."""
        return self.kind in ("mobile", "foreign")


class PhoneFault(msgspec.Struct, frozen=True):
    """Why a text is no number that anybody could be reached by."""

    reason: Literal["empty", "not a number", "too short", "too long", "data card", "unassigned"]


_PREFIXES = {
    "cmcc": """134 135 136 137 138 139 147 150 151 152 157 158 159 172 178 182 183 184 187 188
        195 197 198 1703 1705 1706 165""",
    "cucc": """130 131 132 145 155 156 166 167 171 175 176 185 186 196 1704 1707 1708 1709""",
    "ctcc": """133 153 173 174 177 180 181 189 190 191 193 199 1700 1701 1702 162 1349""",
    "cbn": """161 192""",
}
"""As numbers were issued. 162, 165 and 1349 are corrections: they are assigned, and the library
the table was taken from (phonenumbers) does not say to whom. Resellers stand under their host
network, which is what routing needs."""

CARRIER_OF_PREFIX: dict[str, str] = {
    prefix: carrier for carrier, prefixes in _PREFIXES.items() for prefix in prefixes.split()
}

_PLAIN_MOBILE = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
"""What nearly every number looks like; all others take the long way."""

_ASSIGNED = re.compile(
    r"1(?:610[0-9]|740[0-5])[0-9]{6}"
    r"|1(?:[38][0-9]|4[57]|[59][0-35-9]|6[25-7]|7[0-35-8])[0-9]{8}"
)
_DATA_CARD = re.compile(r"14[0-9]{9,11}|1064[0-9]{9}")
"""Numbers of meters and cameras: nobody reads what is sent there."""

_LANDLINE = re.compile(r"0?(?:10|2[0-57-9]|[3-9][0-9]{2})[2-9][0-9]{6,7}")
_SERVICE = re.compile(
    r"11[0-9]|12[0-9]{1,4}|100[0-9]{2}|1010[0-9]{4}|9[56][0-9]{3,6}|106[0-9]{5,17}|[48]00[0-9]{7}"
)
_PUNCTUATION = str.maketrans("", "", " \t-()./·\u00a0\u200b")


def normalise(text: str) -> Phone | PhoneFault:
    """Read a number as people and systems write it: full-width digits, spaces, 0086 and all.

    Answers a :class:`Phone`, also for numbers that take no SMS (see ``takes_sms``), or a
    :class:`PhoneFault`.
    """
    plain = _PLAIN_MOBILE.fullmatch(text)
    if plain is not None:
        return _mobile(plain.group(1))
    digits = unicodedata.normalize("NFKC", text[: TEXT_MAX + 1]).translate(_PUNCTUATION)
    if not digits:
        return PhoneFault("empty")
    if len(text) > TEXT_MAX:
        return PhoneFault("too long")
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not digits.removeprefix("+").isdecimal():
        return PhoneFault("not a number")
    if digits.startswith("+") and not digits.startswith("+86"):
        return _foreign(digits)
    return _chinese(digits.removeprefix("+86"))


def carrier_of(e164: str) -> str:
    """The network that issued a Chinese mobile number, ``intl`` for any number of elsewhere, ""
    when the table does not know it."""
    if not e164.startswith("+861"):
        return INTL if e164.startswith("+") and not e164.startswith("+86") else ""
    return CARRIER_OF_PREFIX.get(e164[3:7]) or CARRIER_OF_PREFIX.get(e164[3:6], "")


def mask(number: str) -> str:
    """A number fit for a log or a screen: ``138****8000``. Short ones show two digits only."""
    digits = number.removeprefix("+86")
    if len(digits) < 9:
        return "*" * max(0, len(digits) - 2) + digits[-2:]
    return f"{digits[:3]}****{digits[-4:]}"


def _mobile(digits: str) -> Phone | PhoneFault:
    if _ASSIGNED.fullmatch(digits) is None:
        return PhoneFault("data card" if _DATA_CARD.fullmatch(digits) else "unassigned")
    number = "+86" + digits
    return Phone(number, "mobile", carrier_of(number))


def _foreign(e164: str) -> Phone | PhoneFault:
    if len(e164) - 1 < E164_DIGITS_MIN:
        return PhoneFault("too short")
    if len(e164) - 1 > E164_DIGITS_MAX:
        return PhoneFault("too long")
    if e164[1] == "0":
        return PhoneFault("not a number")
    return Phone(e164, "foreign", INTL)


def _chinese(digits: str) -> Phone | PhoneFault:
    """``digits`` are national, with or without the trunk's zero, or 86 and a mobile number."""
    plain = _PLAIN_MOBILE.fullmatch(digits)
    if plain is not None:
        return _mobile(plain.group(1))
    if _DATA_CARD.fullmatch(digits):
        return PhoneFault("data card")
    if _SERVICE.fullmatch(digits):
        return Phone(digits, "service")
    if _LANDLINE.fullmatch(digits):
        return Phone("+86" + digits.removeprefix("0"), "landline")
    if len(digits) < E164_DIGITS_MIN:
        return PhoneFault("too short")
    return PhoneFault("too long" if len(digits) > E164_DIGITS_MAX else "unassigned")
