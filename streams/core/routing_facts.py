"""What one decision knows: flat, closed, and without anything personal.

``Facts`` is journalled with every decision, so that the decision can be run again years later, on
the same facts under the same or another policy, and answer the same. Pure values.
"""

import msgspec

from templates.notice import ChannelName, NoticeClass


class ChannelFacts(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """One channel of the chain as it stands for this recipient.

    ``lanes`` are those open for the carrier, best first; the first ``len(weights)`` share the work
    in proportion. ``barred`` says of the other lanes of this carrier why they are left out
    (:data:`channels.lanes.Barred`). ``unfit`` says why the contact point cannot be used although it
    exists (``landline``).
    """

    channel: ChannelName
    contact: bool = False
    opted_out: str = ""
    suppressed: str = ""
    unfit: str = ""
    carrier: str = ""
    lanes: tuple[str, ...] = ()
    tried: bool = False
    weights: tuple[int, ...] = ()
    barred: dict[str, str] = {}


class Facts(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """The facts of one decision. Times in ms since 1970, quiet hours in minutes of the local day.

    ``at_ms`` is when it was decided; its journal row is as much younger as the commit took.
    ``cap`` and the quiet hours are the recipient's own choice (-1: the policy's).
    ``spread`` is the hash of the leg: it spreads releases over time, and legs over lanes.
    ``settled_by``, ``superseded_by`` and ``duplicate_of`` name what was found, empty for nothing.
    """

    notice: str
    cls: NoticeClass
    category: str
    event_ms: int
    expiry_ms: int
    channels: tuple[ChannelFacts, ...] = ()
    due_ms: int = 0
    known: bool = True
    respects_quiet: bool = True
    needs_consent: bool = False
    consent_ms: int = 0
    settled_by: str = ""
    superseded_by: str = ""
    duplicate_of: str = ""
    zone: str = "Asia/Shanghai"
    quiet_from: int = -1
    quiet_to: int = -1
    sent_today: int = 0
    cap: int = -1
    spread: int = 0
    language: str = "zh"
    at_ms: int = 0
