"""Sealing: what comes back, what is refused, and that nothing is ever drawn twice."""

import os
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preferences.vault import (
    KEYS_KEPT,
    POOL_BYTES,
    KekMissing,
    KeyErased,
    Keys,
    Pooled,
    SealBroken,
    SubjectKey,
    Vault,
    is_sealed,
)

KEYS = Keys(kek=b"k" * 32, index_key=b"i" * 32, kek_id=7)


def vault(keys: Keys = KEYS) -> Vault:
    return Vault(keys, Pooled(os.urandom))


@given(plain=st.binary(max_size=300), aad=st.binary(max_size=20))
def test_what_is_sealed_opens_with_the_stored_key(plain: bytes, aad: bytes) -> None:
    wrapped, key = vault().new_key("r-1")
    again = vault().unwrap("r-1", wrapped)
    assert again.open(key.seal(plain, aad), aad) == plain


@given(plain=st.binary(max_size=300))
def test_sealed_values_are_told_from_text(plain: bytes) -> None:
    _, key = vault().new_key("r-1")
    assert is_sealed(key.seal(plain, b""))


@pytest.mark.parametrize("text", [b"", b"{}", b" {}", b"[]", b"\xef\xbb\xbf{}", "烽火".encode()])
def test_text_is_not_taken_for_sealed(text: bytes) -> None:
    assert not is_sealed(text)


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_any_changed_byte_is_noticed(at: int, flip: int) -> None:
    _, key = vault().new_key("r-1")
    sealed = bytearray(key.seal(b"+86138", b"a"))
    sealed[at % len(sealed)] ^= flip
    with pytest.raises(SealBroken):
        key.open(bytes(sealed), b"a")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02", b"\x01short", b"\x03" + b"x" * 40])
def test_what_was_never_sealed_is_refused(sealed: bytes) -> None:
    with pytest.raises(SealBroken):
        vault().hub.open(sealed, b"")


def test_a_seal_holds_only_in_its_place() -> None:
    _, key = vault().new_key("r-1")
    with pytest.raises(SealBroken):
        key.open(key.seal(b"x", b"profile"), b"preferences")


def test_a_key_belongs_to_one_recipient() -> None:
    wrapped, _ = vault().new_key("r-1")
    with pytest.raises(SealBroken, match="r-2"):
        vault().unwrap("r-2", wrapped)


@pytest.mark.parametrize("wrapped", [b"\x02nonsense", b"\x01\x00\x07", b"\x01"])
def test_what_is_not_a_wrapped_key_is_refused(wrapped: bytes) -> None:
    with pytest.raises((SealBroken, KekMissing)):
        vault().unwrap("r-1", wrapped)


def test_an_erased_key_says_so() -> None:
    with pytest.raises(KeyErased):
        vault().unwrap("r-1", b"")


def test_forgetting_drops_the_keys_at_hand() -> None:
    ours = vault()
    wrapped, _ = ours.new_key("r-1")
    first = ours.unwrap("r-1", wrapped)
    assert ours.unwrap("r-1", wrapped) is first
    ours.forget()
    assert ours.unwrap("r-1", wrapped) is not first


def test_keys_at_hand_are_bounded() -> None:
    assert vault()._kept.cache_info().maxsize == KEYS_KEPT


def test_the_key_encryption_key_is_rotated_without_touching_what_is_sealed() -> None:
    wrapped, key = vault().new_key("r-1")
    sealed = key.seal(b"name", b"")
    both = vault(Keys(b"n" * 32, KEYS.index_key, 8, retired={7: KEYS.kek}))
    assert both.unwrap("r-1", wrapped).open(sealed, b"") == b"name"

    rewrapped = both.rewrap("r-1", wrapped)
    assert both.rewrap("r-1", rewrapped) == rewrapped
    only_new = vault(Keys(b"n" * 32, KEYS.index_key, 8))
    assert only_new.unwrap("r-1", rewrapped).open(sealed, b"") == b"name"
    with pytest.raises(KekMissing, match="7"):
        only_new.unwrap("r-1", wrapped)


def test_the_hub_key_survives_rotation() -> None:
    sealed = vault().hub.seal(b"bulletin", b"")
    assert vault(Keys(b"n" * 32, KEYS.index_key, 8)).hub.open(sealed, b"") == b"bulletin"


def test_blind_indexes_are_keyed_and_tell_kinds_apart() -> None:
    ours, other = vault(), vault(Keys(KEYS.kek, b"o" * 32))
    phone = ours.blind("phone", "+8613800138000")
    assert len(phone) == 16
    assert phone == vault().blind("phone", "+8613800138000")
    assert ours.blind("email", "A@B.cn") == ours.blind("email", "a@b.cn")
    assert (
        len(
            {
                phone,
                ours.blind("alias", "+8613800138000"),
                other.blind("phone", "+8613800138000"),
                ours.digest(b"phone\0+8613800138000"),
            }
        )
        == 4
    )


def test_secrets_are_not_shown() -> None:
    assert "kkk" not in repr(KEYS)
    assert "iii" not in repr(KEYS)
    with pytest.raises(TypeError):
        pickle.dumps(SubjectKey(b"k" * 32, os.urandom))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kek": b"short", "index_key": b"i" * 32}, "32 bytes"),
        ({"kek": b"k" * 32, "index_key": b"i" * 32, "kek_id": 65536}, "65535"),
        ({"kek": b"k" * 32, "index_key": b"i" * 32, "retired": {1: b"r" * 32}}, "both"),
        ({"kek": b"k" * 32, "index_key": b"i" * 32, "retired": {2: b"r"}}, "32 bytes"),
    ],
)
def test_keys_that_cannot_be_are_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Keys(**fields)  # type: ignore[arg-type]


def test_nothing_is_drawn_twice_by_many_threads() -> None:
    pooled = Pooled(os.urandom)

    def draw(_: int) -> list[bytes]:
        return [pooled(12) for _ in range(5_000)]

    with ThreadPoolExecutor(8) as threads:
        drawn = Counter(piece for pieces in threads.map(draw, range(8)) for piece in pieces)
    assert max(drawn.values()) == 1


def test_a_forked_child_draws_afresh() -> None:
    pooled = Pooled(os.urandom)
    pooled(12)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, pooled(12))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 12) != pooled(12)
    os.close(reading)
    os.close(writing)


def test_one_draw_serves_many_nonces_and_keys_are_drawn_alone() -> None:
    sizes: list[int] = []

    def source(size: int) -> bytes:
        sizes.append(size)
        return os.urandom(size)

    pooled = Pooled(source)
    for _ in range(POOL_BYTES // 12):
        assert len(pooled(12)) == 12
    assert sizes == [POOL_BYTES]
    assert len(pooled(32)) == 32
    assert sizes == [POOL_BYTES, 32]
