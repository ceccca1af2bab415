"""The longest text a body can become, by its syntax tree and the declared lengths. Pure.

What a text message costs at most is known before the first one is sent, whatever upstream sends.
"""

from collections.abc import Iterable, Mapping

from jinja2 import nodes

from templates.bodies import BUILTIN
from templates.filters import FILTERS, as_text
from templates.notice import Variable
from templates.values import MAX_DIGITS, MAX_FEN, MAX_ITEMS, MAX_PHONE

LONGEST_DAY = {"zh": "2026-12-30", "en": "2026-09-30"}
"""Months are written in figures in the one language, by name in the other."""


def longest_text(tree: nodes.Template, variables: Mapping[str, Variable], language: str) -> str:
    """A text no rendering of ``tree`` is longer than; ``variables`` as declared."""
    return _Longest({**BUILTIN, **variables}, language).of(tree)


class _Longest:
    """One walk over one tree; ``scope`` are the names known where the walk stands."""

    def __init__(self, scope: dict[str, Variable], language: str) -> None:
        self.scope = scope
        self.language = language
        self.filters = FILTERS[language]

    def of(self, node: nodes.Node) -> str:
        match node:
            case nodes.TemplateData(data=text):
                return text
            case nodes.Template(body=children) | nodes.Output(nodes=children):
                return self.all(children)
            case nodes.If():
                branches = [node.body, *(other.body for other in node.elif_), node.else_]
                return max(map(self.all, branches), key=len)
            case nodes.For():
                return self.loop(node)
            case nodes.Getattr():
                return str(MAX_ITEMS)
            case _:
                return as_text(self.value(node))

    def all(self, children: Iterable[nodes.Node]) -> str:
        return "".join(map(self.of, children))

    def value(self, node: nodes.Node) -> object:
        match node:
            case nodes.Const(value=value):
                return value
            case nodes.Name(name=name):
                return longest_value(self.scope[name], self.language)
            case nodes.Filter(node=nodes.Node() as inner, name=name):
                return self.filters[name](self.value(inner))
            case nodes.CondExpr(expr1=one, expr2=nodes.Node() as other):
                return max(self.value(one), self.value(other), key=_length)
            case nodes.And(left=one, right=other) | nodes.Or(left=one, right=other):
                return max(self.value(one), self.value(other), key=_length)
            case _:
                return False  # a comparison that is written out

    def loop(self, node: nodes.For) -> str:
        assert isinstance(node.iter, nodes.Name)
        assert isinstance(node.target, nodes.Name)
        outer, limit = self.scope, self.scope[node.iter.name].max
        rounds = min(MAX_ITEMS, limit)
        self.scope = {**outer, node.target.name: Variable("text", max=-(-limit // rounds))}
        text = self.all(node.body) * rounds
        self.scope = outer
        return text


def _length(value: object) -> int:
    return len(as_text(value))


def longest_value(variable: Variable, language: str) -> object:
    """A value that becomes as long a text in this language as its declaration allows."""
    limit = variable.max
    match variable.type:
        case "text":
            return "国" * limit
        case "digits":
            return "8" * limit
        case "phone":
            return "+" + "8" * (min(limit, MAX_PHONE) - 1)
        case "plate":
            return "闽AD12345"
        case "date":
            return LONGEST_DAY[language]
        case "datetime":
            return f"{LONGEST_DAY[language]}T20:30:00+08:00"
        case "money":
            return MAX_FEN
        case "url":
            return "https://" + "a" * (limit - len("https://"))
        case "integer":
            return -(10 ** min(limit, MAX_DIGITS) - 1)
        case "list":
            rounds = min(MAX_ITEMS, limit)
            return ["国" * (limit // rounds + (n < limit % rounds)) for n in range(rounds)]
