"""What a lanes file says of an account at a carrier, whatever the protocol. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from channels.carrier_verdicts import Verdict


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where, how many, how long to wait, and from which number. Bounds are checked where a lanes
    file is read."""

    host: Annotated[str, Meta(min_length=1, description="Address of the carrier's server.")]
    port: Annotated[int, Meta(ge=1, le=65_535, description="Port there.")]
    password_env: Annotated[
        str,
        Meta(
            pattern="^(?!HUB_)[A-Za-z_][A-Za-z0-9_]*$",
            description="Environment variable that holds its password; not one of the hub's own.",
        ),
    ]
    binds: Annotated[
        int,
        Meta(ge=1, le=64, description="Connections of each process that sends."),
    ] = 1
    window: Annotated[
        int,
        Meta(ge=1, le=10_000, description="Submits that may await their answer on each of them."),
    ] = 16
    tls: Annotated[bool, Meta(description="Whether the connections are encrypted.")] = False
    tls_ca: Annotated[
        str,
        Meta(description="File of the authority that vouches for it; empty: the system's own."),
    ] = ""
    answer_ms: Annotated[
        int,
        Meta(
            ge=1_000, le=300_000, description="Without an answer for so long its fate is unknown."
        ),
    ] = 10_000
    probe_ms: Annotated[
        int,
        Meta(
            ge=1_000, le=600_000,
            description="A link silent for so long is asked; half as long again, and it is cut.",
        ),
    ] = 30_000  # fmt: skip
    extension_digits: Annotated[
        int,
        Meta(
            ge=0, le=6,
            description="Digits behind the sender that tell messages apart, where the carrier "
            "allows them.",
        ),
    ] = 0  # fmt: skip
    receipt_zone_min: Annotated[
        int,
        Meta(ge=-840, le=840, description="Minutes east of UTC of the times it writes."),
    ] = 480
    codes: Annotated[
        dict[str, Verdict],
        Meta(description='The carrier\'s own refusals, as "0x401" = "content".'),
    ] = msgspec.field(default_factory=dict)

    def environment(self) -> tuple[str, ...]:
        """The variables that hold its secrets."""
        return (self.password_env,)


def fault_of_terms(terms: Terms) -> str:
    """What is wrong that each field by itself does not show, naming the field; "" when nothing
    is."""
    if terms.tls_ca and not terms.tls:
        return "tls_ca is given, but tls is false"
    return ""


def fault_of_sender(terms: Terms, sender: str, sender_max: int) -> str:
    """What is wrong with the number that a lane sends under, naming the field; "" when nothing is.
    ``sender_max`` is the width of the protocol's field."""
    if terms.extension_digits and not sender.lstrip("+").isdecimal():
        return "extension_digits needs a sender of digits"
    if len(sender) + terms.extension_digits > sender_max:
        return f"sender and its extension must be at most {sender_max} characters"
    return ""
