"""The lanes file: TOML, a table ``[[lane]]`` for each lane, its fields those of `channels.lanes`.

A lane that names a ``protocol`` has a table of that name beside it (``[lane.smpp]``) with what that
protocol needs to connect. What is wrong is said by lane and field; half a file is never taken.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec.structs import replace

from channels.carriers import CARRIERS, INTL
from channels.lanes import ANY, ChannelName, Lane, Lanes
from channels.push_address import APNS, SERVICES, WEB

RATE_MAX = 100_000
"""Calls a second. No carrier's contract comes near it; a typing error does."""

WEIGHT_MAX = 1_000
SEGMENTS_MAX = 255
"""Parts of one message that the header of a long text can count (3GPP TS 23.040 9.2.3.24.1)."""

COST_MAX = 10_000_000
"""A thousand currency units for one segment: beyond any price there is."""

URGENT_MIN, URGENT_MAX = 1, 90
"""Percent: neither kind of traffic may be left with nothing."""

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""It is part of a topic's name, where dots divide."""

NO_SUCH_VALUE = "Invalid enum value "
"""How the decoder begins when a field has a value that is none of its own."""

ONE_SERVICE = {"push_web": WEB, "push_apns": APNS}
"""Lanes that can use the addresses of one push service only."""

KNOWN_CARRIERS = frozenset((*CARRIERS, INTL, *SERVICES, ANY))


class LanesError(ValueError):
    """A lanes file that cannot be used; the text says where and why."""


def _any_sender(account: Any, sender: str) -> str:
    return ""


class Account(NamedTuple):
    """What a protocol reads from a table of its own, what it finds wrong there ("" for nothing),
    the one channel it carries, and what it finds wrong with the lane's sender."""

    table: str
    kind: type[msgspec.Struct]
    fault: Callable[[Any], str]
    channel: ChannelName
    sender_fault: Callable[[Any, str], str] = _any_sender


Protocols = Mapping[str, Account | None]
"""What a lane may go by, as its ``protocol`` or its provider's name says, with the account it needs
(None: none)."""


def load_lanes(toml_text: str, protocols: Protocols | None = None) -> Lanes:
    """Read a lanes file. Without ``protocols`` any will do, and none has an account.

    Raises :class:`LanesError` for text that is no TOML, and for a field that is unknown, missing,
    of another type or outside its bounds: ``lane sms-a: weight must be 1 to 1000``.
    """
    try:
        document = tomllib.loads(toml_text)
    except tomllib.TOMLDecodeError as error:
        raise LanesError(str(error)) from error
    for name in document.keys() - {"lane"}:
        raise LanesError(f"{name}: only [[lane]] tables are read")
    rows = document.get("lane", [])
    if not isinstance(rows, list) or not rows:
        raise LanesError("lane: at least one [[lane]] table is needed")
    lanes: dict[str, Lane] = {}
    for number, row in enumerate(rows, 1):
        lane = _lane(row, number, protocols)
        if lane.name in lanes:
            raise LanesError(f"lane {lane.name}: the name is given twice")
        lanes[lane.name] = lane
    return Lanes(lanes.values())


def _lane(row: Any, number: int, protocols: Protocols | None) -> Lane:
    named = row.get("name") if isinstance(row, dict) else None
    where = f"lane {named}" if isinstance(named, str) else f"the lane at place {number}"
    if not isinstance(row, dict):
        raise LanesError(f"{where} must be a table")
    if "account" in row:
        raise LanesError(f"{where}: account is no field; its table has the protocol's name")
    own = {account.table for account in (protocols or {}).values() if account is not None}
    tables = {name: row[name] for name in row.keys() & own}
    plain = {name: value for name, value in row.items() if name not in own}
    try:
        lane = msgspec.convert(plain, Lane)
    except msgspec.ValidationError as error:
        raise LanesError(f"{where}: {_told(str(error), Lane)}") from error
    if fault := _fault(lane):
        raise LanesError(f"{where}: {fault}")
    if protocols is None:
        return lane
    if lane.via not in protocols:
        known = ", ".join(sorted(protocols))
        raise LanesError(f"{where}: nothing here speaks {lane.via!r}; protocol is one of {known}")
    return replace(lane, account=_account(where, lane, protocols[lane.via], tables))


def _account(where: str, lane: Lane, account: Account | None, tables: Mapping[str, Any]) -> Any:
    for name in tables.keys() - ({account.table} if account else set()):
        raise LanesError(f"{where}: {lane.via} takes no table [lane.{name}]")
    if account is None:
        return None
    if lane.channel != account.channel:
        raise LanesError(f"{where}: {lane.via} carries channel {account.channel} only")
    if account.table not in tables:
        raise LanesError(f"{where}: the table [lane.{account.table}] is missing")
    try:
        read = msgspec.convert(tables[account.table], account.kind)
    except msgspec.ValidationError as error:
        told = _told(str(error), account.kind, account.table)
        raise LanesError(f"{where}: {told}") from error
    if fault := account.fault(read) or (lane.sender and account.sender_fault(read, lane.sender)):
        raise LanesError(f"{where}: {fault}")
    return read


def _fault(lane: Lane) -> str:
    """What is wrong with a lane, naming the field; "" for nothing."""
    if not NAME.fullmatch(lane.name):
        return "name must be small letters, digits and hyphens, at most 40"
    for field, least, most in (
        ("rate_per_s", 1, RATE_MAX),
        ("weight", 1, WEIGHT_MAX),
        ("segments_max", 0, SEGMENTS_MAX),
        ("cost", 0, COST_MAX),
        ("urgent_percent", URGENT_MIN, URGENT_MAX),
    ):
        if not least <= getattr(lane, field) <= most:
            return f"{field} must be {least} to {most}"
    if not lane.provider:
        return "provider must name who carries"
    service = ONE_SERVICE.get(lane.via)
    if service and (lane.channel, lane.carriers) != ("push", (service,)):
        return f'{lane.via} carries channel push and carriers ["{service}"], nothing else'
    if not lane.carriers:
        return "carriers must name at least one network, or *"
    for carrier in lane.carriers:
        if carrier not in KNOWN_CARRIERS:
            known = ", ".join(sorted(KNOWN_CARRIERS))
            return f"carriers: {carrier!r} is none of {known}"
    return ""


def _told(message: str, shape: type[msgspec.Struct], table: str = "") -> str:
    """The decoder's sentence with the field before it, and the values it may have."""
    text, _, path = message.partition(" - at `$")
    path = path.strip("`.")
    if text.startswith(NO_SUCH_VALUE):
        text = f"{text.removeprefix(NO_SUCH_VALUE)} is none of {', '.join(_allowed(shape, path))}"
    field = ".".join(part for part in (table, path) if part)
    return f"{field}: {text}" if field else text


def _allowed(shape: Any, path: str) -> tuple[str, ...]:
    """The values that may stand at a path as the decoder writes it (``answer.codes[...]``)."""
    for step in re.findall(r"\[[^\]]*\]|[^.\[]+", path):
        if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
            shape = get_type_hints(shape)[step]
        else:  # a table: what stands in it
            shape = get_args(shape)[-1]
        if type(None) in get_args(shape):  # a table that may be left out
            shape = get_args(shape)[0]
    return get_args(shape)
