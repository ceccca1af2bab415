"""The parts of the documentation that are made from the code, and the one command that makes them.

``python -m tests.reference`` (``make docs``) writes them anew. A made part lies between two
comments, ``<!-- made: NAME -->`` and ``<!-- end: NAME -->``; everything around it is written by
hand and stays. ``tests/test_docs.py`` holds the pages against what is made here.
"""

import ast
import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import typer
from litestar.routes import HTTPRoute

from bench.cluster import report
from channels.sandbox_model import FAULTS, SPECIAL
from hub.__main__ import app as command_line
from hub.bootstrap import open_hub
from hub.clock import Virtual
from hub.failpoints import POINTS
from hub.settings import KEYS, Settings, describe
from preferences.intake import Person
from preferences.sheet import COLUMNS
from streams import outcomes
from streams.core.codec import TYPES, type_name
from streams.core.events import Head, Moved, Route
from streams.core.policy import DEFAULT, Policy
from streams.core.routing import REASONS, STEPS
from streams.core.routing_facts import ChannelFacts, Facts
from streams.door import INTAKE
from templates.bodies import BUILTIN
from templates.catalog_files import SEED, Catalog, read_catalog
from templates.notice import EventType, Notice, Variable
from tests import reference_carriers as carriers
from tests.markdown import code, fields, prose, table
from web.app import create_app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

_MADE = re.compile(r"(<!-- made: (\S+) -->\n)(.*?)(<!-- end: \2 -->)", re.DOTALL)


def pages() -> list[Path]:
    """Every page of the documentation, and the two that lie beside the code."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def made_parts(text: str) -> dict[str, str]:
    """What a page holds between its comments, by name."""
    return {name: body.strip("\n") for _, name, body, _ in _MADE.findall(text)}


def remade(text: str) -> str:
    """The page with its made parts made anew."""
    return _MADE.sub(lambda m: f"{m[1]}\n{PARTS[m[2]]()}\n\n{m[4]}", text)


# Events -----------------------------------------------------------------------------------------


def own_events() -> str:
    """The upstream types that the hub itself declares."""
    parts = []
    for name, struct in INTAKE.items():
        rows = [(code(field), kind, default) for field, kind, default in fields(struct)]
        parts += [
            f"### `{name}`",
            prose(struct.__doc__),
            table(["field", "type", "default"], rows),
        ]
    person = ", ".join(f"`{field}`" for field, _, _ in fields(Person))
    parts.append(f"A *Person* has the fields {person}. {prose(Person.__doc__)}")
    return "\n\n".join(parts)


def outcome_fields() -> str:
    """What an outcome says."""
    rows = [
        (code(name), "text" if name == "state" else kind, outcomes.FIELDS[name])
        for name, kind, _ in fields(outcomes.Outcome)
    ]
    return table(["field", "type", "holds"], rows)


def reply_fields() -> str:
    """What is told of a reply."""
    rows = [
        (code(name), kind, outcomes.REPLY_FIELDS[name])
        for name, kind, _ in fields(outcomes.Replied)
    ]
    return table(["field", "type", "holds"], rows)


def outcome_states() -> str:
    """How a notification may end."""
    return table(["state", "means"], [(code(s), text) for s, text in outcomes.STATES.items()])


def catalog_events() -> str:
    """Every upstream type of the catalog, with its data."""
    catalog = read_catalog(SEED)
    return "\n\n".join(
        _catalog_event(catalog, kind) for _, kind in sorted(catalog.event_types.items())
    )


def _catalog_event(catalog: Catalog, kind: EventType) -> str:
    causes = [code(n.id) + _when(n) for n in catalog.triggered_by(kind.type)]
    settles = [code(n.id) for n in catalog.stopped_by(kind.type)]
    effects = [f"Causes {', '.join(causes)}."] if causes else []
    effects += [f"Settles {', '.join(settles)}."] if settles else []
    case = f"The case is its `{kind.correlation}`." if kind.correlation else "It names no case."
    rows = [
        (code(name), variable.type, _limit(variable), _required(variable), variable.doc)
        for name, variable in kind.data.items()
    ]
    return "\n\n".join(
        [
            f"### `{kind.type}`",
            " ".join([_sentence(kind.doc), *effects, case]),
            table(["field", "type", "max", "", "meaning"], rows),
        ]
    )


def _when(notice: Notice) -> str:
    pairs = ", ".join(f"`{k}` is `{v}`" for k, v in notice.when.items())
    return f" (when {pairs})" if pairs else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def _limit(variable: Variable) -> str:
    own = variable.type in ("plate", "date", "datetime", "money")
    return "" if own else str(variable.max)


def _required(variable: Variable) -> str:
    words = ["" if variable.required else "optional", "personal" if variable.personal else ""]
    return ", ".join(filter(None, words))


def journal_events() -> str:
    """Every event that the journal may hold."""
    shared = {"moved"}
    rows = [
        (
            code(type_name(struct)),
            "fact" if struct.FACT else "decision",
            _sentence(prose(struct.__doc__).partition(": ")[2]),
            ", ".join(code(f) for f, _, _ in fields(struct) if f not in shared),
        )
        for struct in TYPES.values()
    ]
    return table(["type", "kind", "meaning", "fields"], rows)


def journal_values() -> str:
    """The values that journalled events are made of."""
    parts = []
    for struct in (Head, Route, Moved, Facts, ChannelFacts):
        rows = [(code(name), kind, default) for name, kind, default in fields(struct)]
        parts += [f"### {struct.__name__}", prose(struct.__doc__)]
        parts.append(table(["field", "type", "default"], rows))
    return "\n\n".join(parts)


# Notices ----------------------------------------------------------------------------------------


def notice_variables() -> str:
    """What the bodies of each notice may use."""
    catalog = read_catalog(SEED)
    rows = []
    for name, notice in sorted(catalog.notices.items()):
        variables = [
            code(variable) + ("" if declared.required else "?")
            for variable, declared in catalog.variables(name).items()
        ]
        rows.append((code(name), notice.category, _life(notice), ", ".join(variables)))
    return table(["notice", "category", "life", "variables"], rows)


def _life(notice: Notice) -> str:
    hours, minutes = divmod(notice.expiry_ms // 60_000, 60)
    days, rest = divmod(hours, 24)
    if minutes:
        return f"{hours * 60 + minutes} min"
    return f"{days} d" if days and not rest else f"{hours} h"


def builtin_variables() -> str:
    """The variables every body has."""
    return ", ".join(f"`{name}`" for name in BUILTIN)


# Settings, policy, sandbox ----------------------------------------------------------------------


def settings() -> str:
    """Every setting with its variable, its default and what it is for."""
    rows = []
    for one in describe():
        default = one.default
        if default is None:
            shown = "made once" if one.name in KEYS else "none"
        elif isinstance(default, tuple):
            shown = code(",".join(default))
        else:
            shown = code(default) or "empty"
        rows.append((code(one.name), code(one.variable), shown, one.doc))
    return table(["setting", "variable", "default", "meaning"], rows)


def settings_unread() -> str:
    """Settings that are declared and checked, and that nothing reads yet."""
    files = [f for folder in ("hub", "web") for f in (ROOT / folder).rglob("*.py")]
    text = "\n".join(f.read_text(encoding="utf-8") for f in files)
    unread = [
        code(one.name)
        for one in describe()
        if not re.search(rf"\b(?:settings|told)\.{one.name}\b|\bkey\(\"{one.name}\"\)", text)
        and f"self.{one.name}" not in text
    ]
    return ", ".join(unread) or "none"


def policy_classes() -> str:
    """The default policy, class by class."""
    rows = []
    for name, rule in DEFAULT.classes.items():
        quiet = f"{_minute(rule.quiet_from)}–{_minute(rule.quiet_to)}"
        rows.append(
            (
                name,
                quiet if rule.quiet_from >= 0 else "none",
                rule.cap or "none",
                rule.tries,
                ", ".join(rule.resend_unknown) or "never",
                _span(rule.horizon_ms),
                "yes" if rule.all_channels else "no",
                "yes" if rule.opt_out else "no",
            )
        )
    head = ["class", "quiet hours", "cap a day", "tries", "unknown repeated on", "after"]
    return table([*head, "all channels at once", "may be switched off"], rows)


def policy_numbers() -> str:
    """The other numbers of the default policy."""
    rows = [
        (code(field.name), _span(getattr(DEFAULT, field.name)))
        for field in msgspec.structs.fields(Policy)
        if field.name.endswith("_ms")
    ]
    return table(["number", "default"], rows)


def _minute(of_day: int) -> str:
    return f"{of_day // 60:02d}:{of_day % 60:02d}"


def _span(ms: int | tuple[int, ...]) -> str:
    if isinstance(ms, tuple):
        return ", ".join(map(_span, ms))
    for size, unit in ((3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if ms % size == 0:
            return f"{ms // size} {unit}"
    return f"{ms} ms"


def decision_steps() -> str:
    """The steps of a decision, in order."""
    rows = [(i, code(step.__name__), prose(step.__doc__)) for i, step in enumerate(STEPS, 1)]
    return table(["", "step", "what it asks"], rows)


def decision_reasons() -> str:
    """Every reason that a decision can give."""
    return ", ".join(code(reason) for reason in REASONS)


def sandbox_fates() -> str:
    """The addresses with a fixed fate, and the faults that are drawn."""
    rows = [(code(number), code(fault)) for number, fault in SPECIAL.items()]
    drawn = ", ".join(code(fault) for fault in FAULTS)
    return table(["ends in", "meets"], rows) + f"\n\nFaults by name: {drawn}."


def fail_points() -> str:
    """Where a process can be told to die."""
    return table(["point", "when it dies"], [(code(n), doc) for n, doc in POINTS.items()])


def faults() -> str:
    """What happens to a cluster, for how long, and what is held: from the tests' own words."""
    rows = []
    for test in ast.parse((ROOT / "tests/cluster/test_faults.py").read_text()).body:
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            happens, _, held = (ast.get_docstring(test) or "").partition("\n\n")
            here, soak = _lasts(test)
            rows.append((happens, here, soak, held))
    return table(["what happens", "for", "in the soak", "what is held, beside the books"], rows)


def _lasts(test: ast.FunctionDef) -> tuple[str, str]:
    """The figures of ``@seconds(here, in_soak=…)``; empty without."""
    match test.decorator_list:
        case [
            ast.Call(
                ast.Name("seconds"), [ast.Constant(here)], [ast.keyword(_, ast.Constant(soak))]
            )
        ]:
            return f"{here} s", f"{soak} s"
    return "", ""


def csv_columns() -> str:
    """The columns of a file of recipients."""
    alike: dict[str, list[str]] = {}
    for name, doc in COLUMNS.items():
        alike.setdefault(doc if name[-1].isdigit() else f"{name}\0{doc}", []).append(name)
    rows = []
    for doc, names in alike.items():
        shown = code(names[0]) if len(names) == 1 else f"`{names[0]}` to `{names[-1]}`"
        rows.append((shown, doc.rpartition("\0")[2]))
    return table(["column", "holds"], rows)


# Speed ------------------------------------------------------------------------------------------


def channels_speed() -> str:
    """The last measurement of channels that was kept."""
    file = ROOT / "bench" / "results" / "channels.json"
    if not file.exists():
        return "Nothing is measured yet: `make bench-channels`, then `make docs`."
    found = json.loads(file.read_text(encoding="utf-8"))
    rows = [
        (name, f"{case['us']:.1f}", f"{case['yardsticks']:.1f}", f"{case['per_s']:,.0f}")
        for name, case in found["cases"].items()
    ]
    machine = found["machine"]
    how = (
        f"{found['messages']:,} messages (a fifth of them to node-smpp and to the inbox, a"
        " twentieth as pushes to browsers, a fiftieth by HTTP and to Apple's devices), on"
        f" {_cores(machine)}."
    )
    return f"{how}\n\n{table(['', 'CPU µs a message', 'yardsticks', 'a second'], rows)}"


def speed() -> str:
    """The last measurement that was kept, line by line."""
    file = ROOT / "bench" / "results" / "local.json"
    if not file.exists():
        return "Nothing is measured yet: `make bench`, then `make docs`."
    found = json.loads(file.read_text(encoding="utf-8"))
    river, backlog = found["river"], found.get("backlog")
    rows: list[tuple[str, str, str]] = [
        ("notifications a second, end to end", f"{river['per_second']:,.0f}", "5,000"),
        ("CPU µs a notification", f"{river['cpu_us_per_notification']:.0f}", "250, 150, then 100"),
        ("delivered", f"{river['delivered_share']:.1%}", "at least 95 %"),
        ("MB at the peak", f"{river['peak_mb']:.0f}", ""),
    ]
    rows += [(name, f"{us:.1f} µs", "") for name, us in river["us"].items()]
    if isinstance(backlog, dict):
        rows += [(f"backlog: {name}", f"{value:,.0f}", "") for name, value in backlog.items()]
    machine = found["machine"]
    how = (
        f"{river['events']:,} events, {river['notifications']:,} notifications,"
        f" on {_cores(machine)}."
    )
    return f"{how}\n\n{table(['', 'measured', 'mark'], rows)}"


def _cores(machine: Mapping[str, Any]) -> str:
    """What it was measured on, and by which yardstick."""
    on = f"{machine['cores']} cores with Python {machine['python']}"
    if "yardstick_us" not in machine:
        return on
    low, high = sorted(machine["yardstick_us"])
    return f"{on}, by a yardstick of {low:.1f} to {high:.1f} µs"


CLUSTER = ROOT / "bench" / "results" / "cluster.json"
CHART = DOCS / "internals" / "cluster.svg"


def _of_cluster() -> dict[str, Any]:
    return json.loads(CLUSTER.read_text(encoding="utf-8")) if CLUSTER.exists() else {}


def cluster_speed() -> str:
    """The last measurement of a cluster that was kept."""
    return _measured(_of_cluster())


def cluster_smpp() -> str:
    """The same, where text messages went by SMPP."""
    return _measured(_of_cluster().get("smpp", {}))


def _measured(found: Mapping[str, Any]) -> str:
    if "machine" not in found:
        return "Nothing is measured yet: `make bench-cluster`, then `make docs`."
    machine, sizes = found["machine"], found["sizes"]
    how = (
        f"{sizes['events']:,} events to {sizes['recipients']:,} recipients, everything on"
        f" {_cores(machine)}; {sizes['partitions']} partitions a topic."
    )
    return f"{how}\n\n{table(['', 'measured', 'mark'], report.rows(found))}"


def cluster_lines() -> str:
    """Where a notification's CPU goes on a cluster, line by line."""
    found = _of_cluster()
    if not (by_line := report.lines(found)):
        return "Nothing is measured yet: `make bench-cluster`, then `make docs`."
    share = f"{found['lines']['attributed']:.1%} of the workers' CPU is attributed."
    shown = table(["line", "µs"], [(name, f"{us:.1f}") for name, us in by_line])
    return f"{share}\n\n![CPU by line]({CHART.name})\n\n{shown}"


# Commands and routes ----------------------------------------------------------------------------


def commands_of(group: Any = None, before: str = "hub") -> Iterator[tuple[str, Any]]:
    """(full name, command) of each command, groups entered; a group that does something by itself
    goes before its own."""
    group = group or typer.main.get_command(command_line)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{before} {name}", command
            yield from commands_of(command, f"{before} {name}")
        else:
            yield f"{before} {name}", command


def commands() -> str:
    """Every command with its arguments and options."""
    parts = []
    for name, command in commands_of():
        if command.hidden:
            continue
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option"]
        words = [_argument(p) for p in arguments]
        parts.append(f"### `{' '.join([name, *words])}`")
        parts.append(prose(command.help))
        rows = [(code(_argument(p)), _default(p), p.help or "") for p in arguments]
        rows += [(_option(p), _default(p), p.help or "") for p in options if not p.hidden]
        if rows:
            parts.append(table(["argument", "default", "meaning"], rows))
    return "\n\n".join(parts)


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    return ", ".join(code(name) for name in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or default == "" or callable(default):
        return ""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return code(default)


def handlers() -> list[tuple[str, str, Any]]:
    """(method, path, handler) of each door of the web application, by path."""
    with tempfile.TemporaryDirectory() as folder:
        hub = open_hub(Settings(data_dir=Path(folder)), Virtual())
        routes = [route for route in create_app(hub).routes if isinstance(route, HTTPRoute)]
        asyncio.run(hub.close())
    found = [
        (method, route.path_format, handler)
        for route in routes
        for handler in route.route_handlers
        for method in handler.http_methods
        if method not in ("HEAD", "OPTIONS") and handler.fn.__module__.startswith("web.")
    ]
    return sorted(found, key=lambda one: (one[1], one[0]))


def routes() -> str:
    """Every route, and what it is for."""
    rows = [(method, code(path), prose(handler.fn.__doc__)) for method, path, handler in handlers()]
    return table(["method", "path", "what it does"], rows)


PARTS: dict[str, Callable[[], str]] = {
    "own-events": own_events,
    "outcome-fields": outcome_fields,
    "reply-fields": reply_fields,
    "outcome-states": outcome_states,
    "catalog-events": catalog_events,
    "journal-events": journal_events,
    "journal-values": journal_values,
    "notice-variables": notice_variables,
    "builtin-variables": builtin_variables,
    "settings": settings,
    "settings-unread": settings_unread,
    "policy-classes": policy_classes,
    "policy-numbers": policy_numbers,
    "decision-steps": decision_steps,
    "decision-reasons": decision_reasons,
    "sandbox-fates": sandbox_fates,
    "smpp-fields": carriers.smpp_fields,
    "smpp-codes": carriers.smpp_codes,
    "cmpp-fields": carriers.cmpp_fields,
    "cmpp-codes": carriers.cmpp_codes,
    "cmpp-stats": carriers.cmpp_stats,
    "http-fields": carriers.http_fields,
    "http-placeholders": carriers.http_placeholders,
    "speed": speed,
    "channels-speed": channels_speed,
    "cluster-speed": cluster_speed,
    "cluster-smpp": cluster_smpp,
    "cluster-lines": cluster_lines,
    "fail-points": fail_points,
    "faults": faults,
    "csv-columns": csv_columns,
    "commands": commands,
    "routes": routes,
}


MEASURED = frozenset({"speed", "channels-speed", "cluster-speed", "cluster-smpp", "cluster-lines"})
"""Parts that are of a machine and not of the code: made by the same command, and not compared."""


def main() -> int:
    if by_line := report.lines(_of_cluster()):
        CHART.write_text(report.chart(by_line[:-1]), encoding="utf-8")
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (now := remade(text)) != text:
            page.write_text(now, encoding="utf-8")
            print(page.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
