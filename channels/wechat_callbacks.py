"""What WeChat tells our server, and whether it was WeChat. Pure.

Only the safe mode (安全模式) is taken: there the signature is over the encrypted message, while in
the plain one it is over nothing but a time and a nonce, and anybody who saw one could say anything
in its name. Reports come in any order, twice, or not at all.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from hashlib import sha1

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from channels.base import Prospect, Receipt, Reply
from channels.wechat_account import Door

JOB_FINISHED = "TEMPLATESENDJOBFINISH"
FOLLOWS = "subscribe"
"""They follow the account, perhaps once more, or block it no longer."""

BLOCK = 32
"""Bytes that the plain text is filled up to, by WeChat's own reading of PKCS #7."""

RANDOM = 16
"""Random bytes before the message; its length in four bytes follows them, the AppID its end."""

_ENCRYPTED = re.compile(rb"<Encrypt><!\[CDATA\[([A-Za-z0-9+/=]+)\]\]></Encrypt>")
_FIELD = re.compile(r"<(\w+)>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</\1>", re.DOTALL)


def signature(*parts: str) -> str:
    """WeChat's: over the Token and whatever it is about, in order of the letters."""
    return sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324 - WeChat's choice


def proves(door: Door, query: Mapping[str, str]) -> bool:
    """Whether a call that has no body comes from WeChat: how it looks whether a server is ours."""
    expected = signature(door.token, query.get("timestamp", ""), query.get("nonce", ""))
    return hmac.compare_digest(expected, query.get("signature", ""))


def fields_of(door: Door, query: Mapping[str, str], body: bytes) -> dict[str, str] | None:
    """The fields of what WeChat tells; None when it is not signed by it, or not for this account.
    A field within another is one beside it; none that is read here lies so."""
    found = _ENCRYPTED.search(body)
    if found is None:
        return None
    encrypted = found[1].decode()
    expected = signature(door.token, query.get("timestamp", ""), query.get("nonce", ""), encrypted)
    if not hmac.compare_digest(expected, query.get("msg_signature", "")):
        return None
    message = decrypted(door, encrypted)
    if message is None:
        return None
    inner = message.partition("<xml>")[2].rpartition("</xml>")[0]
    return {name: cdata or plain for name, cdata, plain in _FIELD.findall(inner)}


def decrypted(door: Door, encrypted: str) -> str | None:
    """The message; None where it is damaged, or another account's."""
    try:
        sealed = base64.b64decode(encrypted, validate=True)
        cipher = Cipher(algorithms.AES(door.key), modes.CBC(door.key[:16])).decryptor()
        plain = cipher.update(sealed) + cipher.finalize()
        filled = plain[-1]
        if not 1 <= filled <= BLOCK:
            return None
        length = int.from_bytes(plain[RANDOM : RANDOM + 4])
        end = RANDOM + 4 + length
        if plain[end:-filled].decode() != door.app_id:
            return None
        return plain[RANDOM + 4 : end].decode()
    except (binascii.Error, ValueError, IndexError):
        return None


def encrypted(door: Door, message: str, random: bytes) -> str:
    """As WeChat does it: for our simulator of it."""
    assert len(random) == RANDOM
    said = message.encode()
    plain = random + len(said).to_bytes(4) + said + door.app_id.encode()
    filled = BLOCK - len(plain) % BLOCK
    plain += bytes([filled]) * filled
    cipher = Cipher(algorithms.AES(door.key), modes.CBC(door.key[:16])).encryptor()
    return base64.b64encode(cipher.update(plain) + cipher.finalize()).decode()


def read_report(lane: str, fields: Mapping[str, str], now_ms: int) -> Receipt | None:
    """What became of a message; None when this is about something else.

    ``failed:user block`` is a refusal: the address is not used again."""
    if fields.get("MsgType") != "event" or fields.get("Event") != JOB_FINISHED:
        return None
    ref, status = fields.get("MsgID", ""), fields.get("Status", "").strip()
    if not ref or not status:
        return None
    if status == "success":
        return Receipt(lane, ref, "delivered", status, now_ms)
    why = status.removeprefix("failed").lstrip(": ")
    then: Prospect = "never" if why == "user block" else ""
    return Receipt(lane, ref, "undelivered", why or status, now_ms, then=then)


def read_reply(lane: str, fields: Mapping[str, str], now_ms: int) -> Reply | None:
    """What somebody wrote to the account; None when this is about something else."""
    if fields.get("MsgType") != "text" or not fields.get("FromUserName"):
        return None
    source, to = fields["FromUserName"], fields.get("ToUserName", "")
    return Reply(lane, source, to, fields.get("Content", ""), now_ms, ref=fields.get("MsgId", ""))


def read_follower(fields: Mapping[str, str]) -> str:
    """The openid of who follows the account from now on; "" when this is about something else."""
    follows = (fields.get("MsgType"), fields.get("Event")) == ("event", FOLLOWS)
    return fields.get("FromUserName", "") if follows else ""
