"""How many text messages a text becomes, and where it is cut. Pure.

A text message carries 140 octets (3GPP TS 23.040). In the GSM 7-bit alphabet (3GPP TS 23.038) that
is 160 characters, in UCS-2 70 units; the parts of a longer text give 7 octets to the header that
joins them again, which leaves 152 and 66. (With a reference of 8 bits it is 6 octets, and one
character more; but then every 256th text to a phone may be mixed up with one still on its way.)
One character outside the alphabet makes the whole text UCS-2, so every Chinese text is.
"""

from codecs import utf_16_le_encode
from typing import Literal, NamedTuple

Encoding = Literal["gsm7", "ucs2"]

LIMITS: dict[Encoding, tuple[int, int]] = {"gsm7": (160, 152), "ucs2": (70, 66)}
"""Units in a text that stands alone, and in each part of a longer one."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # an escape and a character: two units, never parted
_GSM = _BASIC | _EXTENDED


class Segments(NamedTuple):
    """``units`` are septets in gsm7 and UTF-16 units in ucs2; an empty text has 0 ``segments``."""

    encoding: Encoding
    units: int
    segments: int


def count(text: str) -> Segments:
    """Encoding, length in its units and number of segments of ``text``."""
    encoding: Encoding = "gsm7" if _GSM.issuperset(text) else "ucs2"
    if encoding == "gsm7":
        units = len(text) + sum(map(text.count, _EXTENDED))
    else:
        units = len(utf_16_le_encode(text, "surrogatepass")[0]) // 2
    single, part = LIMITS[encoding]
    if units <= single:
        return Segments(encoding, units, 1 if text else 0)
    if units == len(text):  # every character is one unit: no cut can part a pair
        return Segments(encoding, units, -(-units // part))
    return Segments(encoding, units, len(_cut(text, encoding)))


def split(text: str) -> list[str]:
    """The segments of ``text`` in order; joined they are ``text`` again. ``[]`` when it is empty.

    A surrogate pair and an escaped character stay whole: the part before them is one unit shorter.
    """
    encoding, units, segments = count(text)
    if segments <= 1:
        return [text] if text else []
    if units == len(text):  # as above
        _, part = LIMITS[encoding]
        return [text[start : start + part] for start in range(0, units, part)]
    return _cut(text, encoding)


def _cut(text: str, encoding: Encoding) -> list[str]:
    _, part = LIMITS[encoding]
    parts, start, used = [], 0, 0
    for at, char in enumerate(text):
        wide = char in _EXTENDED if encoding == "gsm7" else char > "\uffff"
        size = 2 if wide else 1
        if used + size > part:
            parts.append(text[start:at])
            start, used = at, 0
        used += size
    parts.append(text[start:])
    return parts
