"""The editor's checks of one notice's files, before anybody approves them. Pure.

Each check answers with findings that name the file and line, in English and Chinese. A notice
without findings renders on every channel, in both languages, with any value its events may carry.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from jinja2 import nodes

from templates import links, whitelist
from templates.bodies import (
    BUILTIN,
    CHANNEL_PARTS,
    MAX_CHARACTERS,
    BodyKey,
    file_of,
)
from templates.catalog_files import Sample, bodies_of, check_sender, parse_folder, parse_sample
from templates.errors import CatalogRefused, RenderRefused, TemplateRefused
from templates.filters import TAKES
from templates.longest import longest_text
from templates.notice import LANGUAGES, EventType, Notice, Sender, Variable
from templates.render import Wording, compile_wording
from templates.segments import count
from templates.values import FieldFault, check_data


class Finding(NamedTuple):
    """One thing to mend: ``file`` within the notice's folder, ``line`` from 1."""

    file: str
    line: int
    en: str
    zh: str


@dataclass(frozen=True)
class Folder:
    """A notice's files once they could be read; ``trees`` and ``wording`` hold its sound bodies."""

    notice: Notice
    events: Mapping[str, EventType]
    variables: Mapping[str, Variable]
    sender: Sender
    sample: Sample
    bodies: Mapping[BodyKey, str]
    trees: Mapping[BodyKey, nodes.Template]
    wording: Wording
    hosts: frozenset[str]


def lint(
    notice_id: str,
    files: Mapping[str, str],
    senders: Mapping[str, Sender],
    hosts: frozenset[str] = links.OFFICIAL,
) -> list[Finding]:
    """Everything to mend in a notice's ``files`` (texts by name), by file and line."""
    try:
        folder, findings = _open(notice_id, files, senders, hosts)
    except CatalogRefused as error:
        file = error.file.removeprefix(f"{notice_id}/")
        reason = f"{error.key}: {error.reason}" if error.key else error.reason
        return [Finding(file, 1, reason, f"文件有误：{reason}")]
    for check in CHECKS:
        findings += check(folder)
    return sorted(set(findings))


def _open(
    notice_id: str, files: Mapping[str, str], senders: Mapping[str, Sender], hosts: frozenset[str]
) -> tuple[Folder, list[Finding]]:
    """The folder, and what was refused of its bodies; raises :class:`CatalogRefused`."""
    declaration = parse_folder(notice_id, files)
    notice, variables = declaration.notice, declaration.variables
    check_sender(notice, senders)
    bodies = bodies_of(files)
    trees: dict[BodyKey, nodes.Template] = {}
    findings = []
    for key, source in bodies.items():
        try:
            compile_wording(notice, variables, {key: source}, 1, hosts=hosts)
            trees[key] = whitelist.parse(source, variables, file_of(key))
        except TemplateRefused as error:
            findings.append(Finding(error.file, error.line, error.reason, error.zh))
    sound = {key: bodies[key] for key in trees}
    folder = Folder(
        notice,
        declaration.events,
        variables,
        _longest(notice, senders),
        parse_sample(notice_id, files),
        bodies,
        trees,
        compile_wording(notice, variables, sound, 1, hosts=hosts),
        hosts,
    )
    return folder, findings


def _longest(notice: Notice, senders: Mapping[str, Sender]) -> Sender:
    """Who signs at the greatest length, where an event says who does."""
    if not notice.sender_field:
        return senders[notice.sender]
    return max(senders.values(), key=lambda sender: len(sender.signature))


def missing_bodies(folder: Folder) -> Iterator[Finding]:
    """Both languages, for every channel the notice uses; an inbox may borrow a body."""
    for channel in folder.notice.channels:
        for part in CHANNEL_PARTS[channel]:
            for language in LANGUAGES:
                borrowed = channel == "inbox" and (
                    (language, "email.txt") in folder.bodies or (language, "sms") in folder.bodies
                )
                if (language, part) not in folder.bodies and not borrowed:
                    yield Finding(
                        file_of((language, part)),
                        1,
                        f"is missing: the notice uses {channel}",
                        f"缺少该正文：本通知使用渠道 {channel}",
                    )


def unused_bodies(folder: Folder) -> Iterator[Finding]:
    """A body nobody ever sees would be mended in vain."""
    used = {part for channel in folder.notice.channels for part in CHANNEL_PARTS[channel]}
    for language, part in folder.bodies:
        if part not in used:
            yield Finding(
                file_of((language, part)),
                1,
                "belongs to no channel of the notice",
                "该正文不属于本通知的任何渠道",
            )


def unreadable_values(folder: Folder) -> Iterator[Finding]:
    """Dates, amounts and lists are written with the filter that makes them readable."""
    for key, tree in folder.trees.items():
        for node in _printed(tree):
            if node.name == "again":
                en, zh = "again is for conditions only", "again 只能用于条件判断"
                yield Finding(file_of(key), node.lineno, en, zh)
            variable = folder.variables.get(node.name)
            kind = variable.type if variable else "text"
            wanted = [f"|{name}" for name, takes in TAKES.items() if kind in takes]
            if wanted:
                either = " / ".join(wanted)
                yield Finding(
                    file_of(key),
                    node.lineno,
                    f"{node.name} needs {either}",
                    f"变量 {node.name} 须使用 {either}",
                )


def _printed(tree: nodes.Template) -> Iterator[nodes.Name]:
    """Names that are written out without a filter."""
    for output in tree.find_all(nodes.Output):
        waiting = list(output.nodes)
        while waiting:
            node = waiting.pop()
            if isinstance(node, nodes.Name):
                yield node
            elif isinstance(node, nodes.CondExpr):
                waiting += [node.expr1, *filter(None, [node.expr2])]
            elif isinstance(node, nodes.And | nodes.Or):
                waiting += [node.left, node.right]


def shape_of_bodies(folder: Folder) -> Iterator[Finding]:
    """One paragraph for a text message, one line for a subject, title and text for a push."""
    for key, source in folder.bodies.items():
        lines = source.rstrip("\n").split("\n")
        part = key[1]
        if part in ("sms", "voice", "email.subject") and len(lines) > 1:
            yield Finding(file_of(key), 2, "is one line", "只能有一行")
        if part == "push" and (len(lines) != 2 or not all(line.strip() for line in lines)):
            yield Finding(file_of(key), 1, "is two lines, title and text", "须为两行：标题与内容")
        if part == "wechat":
            yield from _places(file_of(key), lines)
        if not source.strip():
            yield Finding(file_of(key), 1, "is empty", "内容为空")


_PLACE = re.compile(r"([a-z][a-z_]*[0-9]*): *\S.*")


def _places(file: str, lines: list[str]) -> Iterator[Finding]:
    """The name of a template, then a line for each place of it, no place twice."""
    seen: set[str] = set()
    for number, line in enumerate(lines[1:], 2):
        match = _PLACE.fullmatch(line.strip())
        if match is None or match[1] in seen:
            yield Finding(
                file,
                number,
                "is a place of the template, a colon and what fills it: thing1: …",
                "须为模板字段名、冒号和内容，例如 thing1: …，且不得重复",
            )
        else:
            seen.add(match[1])
    if len(lines) < 2:
        yield Finding(file, 1, "fills no place of the template", "没有填写模板字段")


_HTML_REFUSED = re.compile(
    r"<\s*(?:script|style|iframe|object|embed|form|input|img|link|meta|base|svg|html|head|body)\b"
    r"|\son[a-z]+\s*=|\sstyle\s*=|javascript:",
    re.IGNORECASE,
)


def quiet_html(folder: Folder) -> Iterator[Finding]:
    """A mail's body is text, tables and links: nothing that runs, loads or asks."""
    for key, source in folder.bodies.items():
        if key[1] == "email.html":
            for number, line in enumerate(source.split("\n"), 1):
                if found := _HTML_REFUSED.search(line):
                    what = found[0].strip()
                    yield Finding(
                        file_of(key), number, f"{what} is not for a mail", f"邮件中不允许 {what}"
                    )


def lock_screen(folder: Folder) -> Iterator[Finding]:
    """A push is seen by whoever holds the phone: no name, plate or offence."""
    known = {**BUILTIN, **folder.variables}
    for key, tree in folder.trees.items():
        if key[1] != "push":
            continue
        for node in tree.find_all(nodes.Name):
            if node.name in known and (
                known[node.name].personal or known[node.name].type == "plate"
            ):
                yield Finding(
                    file_of(key),
                    node.lineno,
                    f"{node.name} is personal and must not show on a lock screen",
                    f"{node.name} 属个人信息，不得显示在锁屏上",
                )


def class_duties(folder: Folder) -> Iterator[Finding]:
    """What a class owes its readers: the serial of an emergency, the note of a second channel."""
    notice = folder.notice
    for (language, part), tree in folder.trees.items():
        names = {node.name for node in tree.find_all(nodes.Name)}
        if notice.cls == "emergency" and part == "sms" and "serial" not in names:
            yield Finding(
                file_of((language, part)),
                1,
                "an emergency shows its serial, so that copies are recognised",
                "紧急通知须包含 serial，以便识别重复消息",
            )
        later = notice.escalation.to if notice.escalation else ()
        bodies = {CHANNEL_PARTS[channel][0] for channel in later if channel != "email"}
        bodies |= {"email.txt", "email.html"} if "email" in later else set()
        if part in bodies and "again" not in names:
            yield Finding(
                file_of((language, part)),
                1,
                "comes after another channel: say with {% if again %} that it may be known",
                "该渠道用于升级发送，须用 {% if again %} 提示“如已收到请忽略”",
            )


def budgets(folder: Folder) -> Iterator[Finding]:
    """Lengths with the greatest values: segments of a text message, characters of the others."""
    notice = folder.notice
    for key, tree in folder.trees.items():
        language, part = key
        text = longest_text(tree, folder.variables, language)
        if part == "sms":
            _, units, segments = count(folder.sender.signature + text)
            if segments > notice.max_segments:
                yield Finding(
                    file_of(key),
                    1,
                    f"comes to {units} characters in {segments} segments, "
                    f"the budget is {notice.max_segments}",
                    f"最长可达 {units} 字符、{segments} 条，超出预算 {notice.max_segments} 条",
                )
        elif len(text) > MAX_CHARACTERS[part]:
            yield Finding(
                file_of(key),
                1,
                f"comes to {len(text)} characters, the limit is {MAX_CHARACTERS[part]}",
                f"最长可达 {len(text)} 字符，超出上限 {MAX_CHARACTERS[part]}",
            )


def valid_sample(folder: Folder) -> Iterator[Finding]:
    """Every trigger has a sample, and every sample fits a trigger."""
    triggers = [folder.events[name] for name in folder.notice.triggers]
    for number, data in enumerate(_samples(folder.sample)):
        if not any(_fits(event, data, folder.hosts) for event in triggers):
            faults = check_data(triggers[0], data, folder.hosts)
            yield _sample_finding(number, faults)
    for event in triggers:
        if not any(_fits(event, data, folder.hosts) for data in _samples(folder.sample)):
            yield Finding(
                "sample.json", 1, f"no sample of {event.type}", f"缺少 {event.type} 的样例"
            )


def _samples(sample: Sample) -> list[dict[str, object]]:
    return [sample.data, *sample.more]


def _fits(event: EventType, data: Mapping[str, object], hosts: frozenset[str]) -> bool:
    return not check_data(event, data, hosts)


def _sample_finding(number: int, faults: list[FieldFault]) -> Finding:
    field, expected, got = faults[0]
    where = "data" if number == 0 else f"more[{number - 1}]"
    return Finding(
        "sample.json",
        1,
        f"{where}.{field}: expected {expected}, got {got}",
        f"样例 {where}.{field} 不符合声明：{expected}",
    )


def renders(folder: Folder) -> Iterator[Finding]:
    """Every body gives a text: from each sample, with and without optional fields."""
    for key in folder.trees:
        language, part = key
        for context in _contexts(folder):
            try:
                text = folder.wording.text(language, part, context)
            except RenderRefused as error:
                yield Finding(file_of(key), 1, f"does not render: {error}", f"无法生成：{error}")
                break
            if not text.strip():
                yield Finding(file_of(key), 1, "renders to nothing", "生成的内容为空")
                break


def _contexts(folder: Folder) -> Iterator[dict[str, Any]]:
    for name in folder.notice.triggers:
        event = folder.events[name]
        required = {field for field, variable in event.data.items() if variable.required}
        for data in _samples(folder.sample):
            if _fits(event, data, folder.hosts):
                for fields in (data, {k: v for k, v in data.items() if k in required}):
                    yield {**fields, **sample_builtin(folder.sample)}
                    yield {**fields, **sample_builtin(folder.sample, again=True)}


def sample_builtin(sample: Sample, again: bool = False) -> dict[str, Any]:
    """The built-in variables as a preview fills them."""
    return {
        "name": sample.name,
        "days_left": 7,
        "again": again,
        "serial": "A1B2C3D4",
    }


CHECKS = (
    missing_bodies,
    unused_bodies,
    unreadable_values,
    shape_of_bodies,
    quiet_html,
    lock_screen,
    class_duties,
    budgets,
    valid_sample,
    renders,
)
"""In the order an editor would mend things."""
