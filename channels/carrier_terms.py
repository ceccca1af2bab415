"""What a carrier's contract says of the connections of one lane. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where, how many, and how long to wait. Bounds are checked where a lanes file is read."""

    host: Annotated[str, Meta(min_length=1, description="Address of the carrier's server.")]
    port: Annotated[int, Meta(ge=1, le=65_535, description="Port there.")]
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
