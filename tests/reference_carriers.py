"""The reference of carriers' protocols: what an account may hold, and what their codes mean."""

from typing import Any, get_type_hints

import msgspec

from channels import cmpp_codes as cmpp
from channels import smpp_codes as smpp
from channels.cmpp_account import Cmpp
from channels.http_account import CALL, MESSAGE, WRITTEN, Answer, Callback, Check, Http, Sign
from channels.smpp_account import Smpp
from tests.markdown import code, fields, table


def smpp_fields() -> str:
    """What ``[lane.smpp]`` may hold."""
    return _account_fields(Smpp)


def cmpp_fields() -> str:
    """What ``[lane.cmpp]`` may hold."""
    return _account_fields(Cmpp)


def http_fields() -> str:
    """What ``[lane.http]`` may hold, and the tables in it."""
    parts = {
        "[lane.http]": Http,
        "[lane.http.sign]": Sign,
        "[lane.http.answer]": Answer,
        "[lane.http.callback]": Callback,
        "[lane.http.callback.check]": Check,
    }
    return "\n\n".join(f"### `{name}`\n\n{_account_fields(kind)}" for name, kind in parts.items())


def http_placeholders() -> str:
    """What may stand in braces."""
    known = {*MESSAGE, *CALL, *WRITTEN, "signature", "secret:NAME", "header:NAME", "query:NAME"}
    assert known == PLACEHOLDERS.keys(), "each has its line, and no other"
    return table(["", "is"], [(code(f"{{{n}}}"), text) for n, text in PLACEHOLDERS.items()])


PLACEHOLDERS = {
    "to": "the number (E.164) or, for push, the device's token; in query and fields",
    "to_digits": "the number without its plus; in query and fields",
    "to_national": "the number without +86, or without its plus; in query and fields",
    "text": "the words; in fields only",
    "subject": "the title, where the notice has one; in fields only",
    "sender": "the lane's `sender`, else that of whoever signs; in query and fields",
    "attempt": "our own name of the attempt: letters, digits and a hyphen, at most 40",
    "callback": "the address for reports on this attempt",
    "time_s": "now, in seconds since 1970",
    "time_ms": "now, in milliseconds",
    "time_iso": "now, as `2026-11-24T02:00:00Z`",
    "valid_s": "how many seconds it is of use, at most `valid_max_s`",
    "nonce": "32 letters that no other request has",
    "secret:NAME": "one of `secrets`",
    "signature": "what `sign` makes; in headers, query and fields",
    "host": "host and port of the address; in what is signed only",
    "path": "its path; in what is signed only",
    "body": "the body as it is sent, or as it came; in what is signed only",
    "body_sha256": "its SHA-256 in hex; in what is signed only",
    "header:NAME": "a header of a callback; in what its check signs only",
    "query:NAME": "a field of its query; in what its check signs only",
}


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
