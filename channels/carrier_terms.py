"""What a carrier's contract says of the connections of one lane. Pure."""

import msgspec


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a carrier's contract says of its connections."""

    host: str
    port: int
    binds: int = 1
    window: int = 16
    """Submits without an answer, on each bind."""
    tls: bool = False
    tls_ca: str = ""
    """File of the authority that vouches for the carrier; empty: those the system knows."""
    answer_ms: int = 10_000
    """Without an answer for so long a submit is given up as unknown."""
    probe_ms: int = 30_000
    """A silent link is asked after so long whether it is there; after half as much again it is
    cut."""
