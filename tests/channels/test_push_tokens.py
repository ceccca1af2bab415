"""Tokens of a sender: what they say, and how long one is used."""

from base64 import urlsafe_b64decode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from channels.push_tokens import ORIGINS_MAX, Tokens, Vapid, private_key, public_key
from tests.contracts.clocks import JumpingClock

KEY = bytes(range(1, 33))


def test_a_service_can_check_it() -> None:
    clock = JumpingClock(4_000_000_000_000)
    vapid = Vapid(clock, KEY, "mailto:push@authority.example")
    scheme, token, key = vapid.authorization("https://push.example").split(" ", 2)
    assert scheme == "vapid"
    assert key == f"k={public_key(KEY)}"
    point = urlsafe_b64decode(vapid.public + "=")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    claims = jwt.decode(
        token.removeprefix("t=").rstrip(","), public, ["ES256"], audience="https://push.example"
    )
    assert claims == {
        "aud": "https://push.example",
        "exp": 4_000_000_000 + 12 * 3_600,
        "sub": "mailto:push@authority.example",
    }


def test_one_is_used_until_its_time_is_over() -> None:
    made: list[tuple[str, int]] = []

    def make(whom: str, now_s: int) -> str:
        made.append((whom, now_s))
        return f"{whom} {now_s}"

    clock = JumpingClock(0)
    tokens = Tokens(clock, 60, make)
    assert {tokens.of("a"), tokens.of("a"), tokens.of("b")} == {"a 0", "b 0"}
    clock._now_ms = 59_999
    assert tokens.of("a") == "a 0"
    clock._now_ms = 60_000
    assert tokens.of("a") == "a 60"
    assert made == [("a", 0), ("b", 0), ("a", 60)]


def test_a_clock_set_back_makes_a_new_one() -> None:
    clock = JumpingClock(1_000_000)
    tokens = Tokens(clock, 60, lambda whom, now_s: str(now_s))
    assert tokens.of("a") == "1000"
    clock._now_ms = 0
    assert tokens.of("a") == "0"


def test_addresses_made_up_fill_no_memory() -> None:
    tokens = Tokens(JumpingClock(), 60, lambda whom, now_s: whom)
    for n in range(2 * ORIGINS_MAX + 1):
        tokens.of(str(n))
    assert len(tokens._made) <= ORIGINS_MAX


@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32])
def test_numbers_that_are_no_key(key: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        private_key(key)
