"""From checked bodies and an event's values to the words one channel carries. Pure.

Bodies are compiled once a version. One that is only text and variables, as nearly every text
message is, becomes a list to join; any other goes through Jinja's immutable sandbox. Both give the
same text. The signature, the greeting of a call and the frame of a mail come from the sender
profile, so no body and no value can forge or forget them.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Protocol

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from templates import links, whitelist
from templates.bodies import (
    BUILTIN,
    INBOX_FALLBACK,
    MAX_CHARACTERS,
    MAX_SEGMENTS,
    BodyKey,
    file_of,
)
from templates.errors import RenderRefused, TemplateRefused
from templates.filters import FILTERS, Filter, as_text
from templates.notice import LANGUAGES, ChannelName, Notice, Rendered, Sender, Variable
from templates.segments import count
from templates.values import FORBIDDEN, is_plain, spaced

OPENING = {"zh": "您好，这里是{}。", "en": "Hello, this is {}. "}
CLOSING = {"zh": "本邮件由系统自动发送。", "en": "This e-mail was sent automatically."}
_HTML_LANGUAGE = {"zh": "zh-CN", "en": "en"}

DEFAULT_LANGUAGE = "zh"


Context = Mapping[str, Any]


class Body(Protocol):
    """One compiled body: values in, text out. Raises what its filters raise."""

    def __call__(self, context: Context) -> str: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled body and what its values are checked for. ``values`` gives those of ``texts``,
    ``blanks`` fill absent optionals."""

    fill: Body
    names: tuple[str, ...]
    texts: tuple[str, ...]
    values: Callable[[Context], Sequence[str]]
    lists: tuple[str, ...]
    blanks: Mapping[str, str]
    limit: int


@dataclass(frozen=True, slots=True)
class Wording:
    """All bodies of one notice in one published version.

    ``name`` is what messages are stamped with (``violation-recorded@3``); ``content`` the hash of
    what was approved, see :mod:`templates.wording_versions`.
    """

    notice: str
    version: int
    content: str
    name: str
    titles: Mapping[str, str]
    parts: Mapping[BodyKey, Part]
    hosts: frozenset[str]

    def render(
        self, channel: ChannelName, language: str, context: Context, sender: Sender
    ) -> Rendered:
        """The words of ``channel``, in Chinese when ``language`` is none of ours.

        ``context`` holds the event's data and every one of ``bodies.BUILTIN``. Raises
        :class:`RenderRefused` for a missing or unfit value, or a text that may not be sent.
        """
        if language not in LANGUAGES:
            language = DEFAULT_LANGUAGE
        return _CHANNELS[channel](self, language, context, sender)

    def text(self, language: str, part: str, context: Context) -> str:
        """One body filled in, checked, without what the sender adds."""
        compiled = self.parts.get((language, part))
        if compiled is None:
            raise RenderRefused("", f"{self.name} has no body {language}.{part}")
        if compiled.blanks:
            context = {**compiled.blanks, **context}
        try:
            if "name" in compiled.names:
                context = {**context, "name": spaced(context["name"])}
            text = compiled.fill(context)
            values = " ".join(compiled.values(context))
        except (TemplateError, KeyError, TypeError, ValueError, AttributeError):
            raise _unfit(compiled, context) from None
        if compiled.lists or not is_plain(values):
            self._look_closely(text, compiled, context)
        if len(text) > compiled.limit:
            raise RenderRefused("", f"at most {compiled.limit} characters in {part}")
        return text

    def _look_closely(self, text: str, part: Part, context: Context) -> None:
        for name in part.texts + part.lists:
            if any(map(FORBIDDEN.search, _strings(context[name]))):
                raise RenderRefused(name, "no control characters, line breaks or 【】")
        for fault in links.find_faults(text, self.hosts):
            raise RenderRefused("", fault.en)


def compile_wording(
    notice: Notice,
    variables: Mapping[str, Variable],
    bodies: Mapping[BodyKey, str],
    version: int,
    content: str = "",
    hosts: frozenset[str] = links.OFFICIAL,
) -> Wording:
    """Check and compile ``bodies``; raises :class:`~templates.errors.TemplateRefused`.

    ``variables`` are those of the events that trigger the notice; ``hosts`` is the link allow-list.
    """
    return Wording(
        notice.id,
        version,
        content,
        f"{notice.id}@{version}",
        notice.title,
        {key: _compile(key, source, variables, hosts) for key, source in bodies.items()},
        hosts,
    )


def _compile(
    key: BodyKey, source: str, variables: Mapping[str, Variable], hosts: frozenset[str]
) -> Part:
    language, part = key
    tree = whitelist.parse(source, variables, file_of(key))
    _check_links(tree, file_of(key), hosts)
    known = {**BUILTIN, **variables}
    used = sorted({name.name for name in tree.find_all(nodes.Name)} & known.keys())
    texts = tuple(n for n in used if known[n].type not in ("integer", "money", "list"))
    is_html = part == "email.html"
    return Part(
        fill=(None if is_html else plan(tree, language)) or sandboxed(tree, language, is_html),
        names=tuple(used),
        texts=texts,
        values=_values_of(texts),
        lists=tuple(n for n in used if known[n].type == "list"),
        blanks={name: "" for name in used if not known[name].required},
        limit=MAX_CHARACTERS[part],
    )


def _check_links(tree: nodes.Template, file: str, hosts: frozenset[str]) -> None:
    """A body's own text links to official hosts only, whatever letters its values end in."""
    for output in tree.find_all(nodes.Output):
        texts = [n.data if isinstance(n, nodes.TemplateData) else "aa" for n in output.nodes]
        for number, line in enumerate("".join(texts).split("\n"), output.lineno):
            for fault in links.find_faults(line, hosts):
                raise TemplateRefused(file, number, f"{fault.link}: {fault.en}", fault.zh)


def _values_of(names: tuple[str, ...]) -> Callable[[Context], Sequence[str]]:
    if len(names) > 1:
        return itemgetter(*names)  # three times as fast as a comprehension
    return lambda context: [context[name] for name in names]


class Plan:
    """Text with gaps: ``gaps`` are (index into ``pieces``, variable, filter)."""

    __slots__ = ("gaps", "pieces")

    def __init__(self, pieces: list[str], gaps: list[tuple[int, str, Filter]]) -> None:
        self.pieces, self.gaps = pieces, gaps

    def __call__(self, context: Context) -> str:
        pieces = self.pieces.copy()
        for index, name, write in self.gaps:
            pieces[index] = write(context[name])
        return "".join(pieces)


def plan(tree: nodes.Template, language: str) -> Plan | None:
    """The body as a list to join; None when it is more than text and variables."""
    pieces: list[str] = []
    gaps: list[tuple[int, str, Filter]] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            write: Filter = as_text
            match node:
                case nodes.TemplateData(data=text):
                    pieces.append(text)
                    continue
                case nodes.Name(name=variable):
                    pass
                case nodes.Filter(node=nodes.Name(name=variable), name=filter_name):
                    write = FILTERS[language][filter_name]
                case _:
                    return None
            gaps.append((len(pieces), variable, write))
            pieces.append("")
    return Plan(pieces, gaps)


def sandboxed(tree: nodes.Template, language: str, is_html: bool) -> Body:
    """The body through Jinja; ``tree`` has passed the whitelist and is used up."""
    environment = _environment(language, is_html)
    template = Template.from_code(environment, environment.compile(tree), {})
    return template.render


@cache
def _environment(language: str, is_html: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=is_html)
    environment.globals.clear()
    environment.tests.clear()
    environment.filters = dict(FILTERS[language])
    return environment


def _strings(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _unfit(part: Part, context: Context) -> RenderRefused:
    """Which value a body could not be filled with."""
    for name in part.names:
        if name not in context:
            return RenderRefused(name, "is missing")
    for name in part.texts:
        if not isinstance(context[name], str):
            return RenderRefused(name, "must be text")
    return RenderRefused("", "the values do not have their declared types")


def _sms(wording: Wording, language: str, context: Context, sender: Sender) -> Rendered:
    text = sender.signature + wording.text(language, "sms", context)
    segments = count(text).segments
    if segments > MAX_SEGMENTS:
        raise RenderRefused("", f"at most {MAX_SEGMENTS} segments")
    return Rendered(text, segments=segments)


def _voice(wording: Wording, language: str, context: Context, sender: Sender) -> Rendered:
    text = wording.text(language, "voice", context)
    return Rendered(OPENING[language].format(sender.name[language]) + text)


def _email(wording: Wording, language: str, context: Context, sender: Sender) -> Rendered:
    subject = wording.text(language, "email.subject", context)
    if "\n" in subject:
        raise RenderRefused("", "a subject is one line")
    name, closing = sender.name[language], CLOSING[language]
    text = f"{wording.text(language, 'email.txt', context)}\n\n{name}\n{closing}\n"
    page = (
        f'<!doctype html>\n<html lang="{_HTML_LANGUAGE[language]}">\n'
        f'<head><meta charset="utf-8"><title>{html.escape(subject)}</title></head>\n<body>\n'
        f"{wording.text(language, 'email.html', context)}\n"
        f"<p>{html.escape(name)}<br>{closing}</p>\n</body>\n</html>\n"
    )
    return Rendered(text, subject=subject, html=page)


def _push(wording: Wording, language: str, context: Context, sender: Sender) -> Rendered:
    title, _, text = wording.text(language, "push", context).partition("\n")
    return Rendered(text, subject=title)


def _wechat(wording: Wording, language: str, context: Context, sender: Sender) -> Rendered:
    """The name of a template and what fills its places, a line each; the account itself signs."""
    return Rendered(wording.text(language, "wechat", context))


def _inbox(wording: Wording, language: str, context: Context, sender: Sender) -> Rendered:
    """Its own body, else the mail's, else the text message's without the signature."""
    for part in INBOX_FALLBACK:
        if (language, part) in wording.parts:
            break
    return Rendered(wording.text(language, part, context), subject=wording.titles[language])


_CHANNELS: dict[ChannelName, Callable[[Wording, str, Context, Sender], Rendered]] = {
    "sms": _sms,
    "voice": _voice,
    "email": _email,
    "push": _push,
    "wechat": _wechat,
    "inbox": _inbox,
}
