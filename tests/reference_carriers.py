"""The reference of carriers' protocols: what an account may hold, and what their codes mean."""

from typing import Any, get_type_hints

import msgspec

from channels import cmpp_codes as cmpp
from channels import smpp_codes as smpp
from channels.cmpp_account import Cmpp
from channels.smpp_account import Smpp
from tests.markdown import code, fields, table


def smpp_fields() -> str:
    """What ``[lane.smpp]`` may hold."""
    return _account_fields(Smpp)


def cmpp_fields() -> str:
    """What ``[lane.cmpp]`` may hold."""
    return _account_fields(Cmpp)


def _account_fields(account: type[msgspec.Struct]) -> str:
    hints = get_type_hints(account, include_extras=True)
    rows = [
        (code(name), kind, default, _described(hints[name]))
        for name, kind, default in fields(account)
    ]
    return table(["field", "type", "default", "meaning"], sorted(rows, key=_required_first))


def _described(kind: Any) -> str:
    return next(meta.description for meta in kind.__metadata__ if meta.description)


def _required_first(row: tuple[str, str, str, str]) -> bool:
    return row[2] != "required"


def smpp_codes() -> str:
    """What follows from each status, and where its meaning comes from."""
    rows = [
        (code(smpp.written(row.status)), row.name, row.outcome, row.source)
        for row in smpp.CODES.values()
    ]
    rows += [
        (code(smpp.written(one.status)), one.name, "bind: twice a minute", one.source)
        for one in smpp.REFUSALS.values()
    ]
    return table(["status", "name", "what follows", "source"], rows)


def cmpp_codes() -> str:
    """What follows from each result of a submit or a connect, and where its meaning comes from."""
    rows = [(str(row.code), row.name, row.outcome, row.source) for row in cmpp.CODES.values()]
    rows += [
        (f"connect: {row.status}", row.name, "connect: twice a minute", row.source)
        for row in cmpp.REFUSALS.values()
    ]
    return table(["result", "name", "what follows", "source"], rows)


def cmpp_stats() -> str:
    """What the words of reports prove."""
    rows = [(code(row.word), row.status, row.source) for row in cmpp.STATS.values()]
    return table(["word, or its beginning", "what it proves", "source"], rows)
