"""What a body may be made of, checked on its syntax tree before anything is compiled. Pure.

A sandbox bounds what a template may reach, not how much work it makes, and compiling alone can hang
on folding a constant. So a body is only parsed, and every node must be on the list below: text,
declared variables, filters of our own, conditions, and one loop over a declared list.
"""

from collections.abc import Mapping
from typing import NoReturn

from jinja2 import Environment, TemplateSyntaxError, nodes

from templates.bodies import BUILTIN
from templates.errors import TemplateRefused
from templates.filters import NAMES as FILTER_NAMES
from templates.filters import TAKES
from templates.notice import Variable
from templates.values import SIGNATURE_MARKS

MAX_SOURCE = 4000  # characters: a printed page; parsing it takes about a millisecond
MAX_DEPTH = 12  # nodes below each other: three nested conditions with a filter need nine

_LOOP_FIELDS = frozenset({"first", "last", "index"})

_SIMPLE = (
    nodes.Template,
    nodes.Output,
    nodes.If,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
)

_parser = Environment(autoescape=False, trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - parses only


def parse(source: str, declared: Mapping[str, Variable], file: str) -> nodes.Template:
    """The syntax tree of a body; raises :class:`TemplateRefused` for anything not on the list.

    ``declared`` are the variables of the notice's events; ``file`` names the body in errors.
    """
    if len(source) > MAX_SOURCE:
        raise TemplateRefused(
            file, 1, f"longer than {MAX_SOURCE} characters", f"超过 {MAX_SOURCE} 个字符"
        )
    try:
        tree = _parser.parse(source)
    except TemplateSyntaxError as error:
        what = error.message or "cannot be read"
        raise TemplateRefused(file, error.lineno, what, f"语法错误：{what}") from None
    except RecursionError:
        raise TemplateRefused(file, 1, "nested too deeply", "嵌套过深") from None
    _Check(file, {**BUILTIN, **declared}).node(tree, 0)
    return tree


class _Check:
    """One walk over one tree; ``scope`` are the names known where the walk stands."""

    def __init__(self, file: str, scope: dict[str, Variable]) -> None:
        self.file = file
        self.scope = scope
        self.in_loop = False

    def node(self, node: nodes.Node, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.refuse(node, "nested too deeply", "嵌套过深")
        match node:
            case nodes.Name():
                self.name(node)
            case nodes.TemplateData(data=text) | nodes.Const(value=str(text)):
                self.text(node, text)
            case nodes.Filter():
                self.filter(node, depth)
            case nodes.CondExpr():
                self.choice(node, depth)
            case nodes.For():
                self.loop(node, depth)
            case nodes.Getattr():
                self.loop_field(node)
            case nodes.Const():
                pass
            case _ if isinstance(node, _SIMPLE):
                self.children(node, depth)
            case _:
                kind = type(node).__name__
                self.refuse(node, f"{kind} is not allowed here", f"此处不允许使用 {kind}")

    def children(self, node: nodes.Node, depth: int) -> None:
        for child in node.iter_child_nodes():
            self.node(child, depth + 1)

    def name(self, node: nodes.Name) -> None:
        if node.ctx != "load" or node.name not in self.scope:
            self.refuse(node, f"{node.name} is not declared", f"未声明的变量 {node.name}")

    def text(self, node: nodes.Node, text: str) -> None:
        if any(mark in text for mark in SIGNATURE_MARKS):
            self.refuse(
                node,
                "the signature comes from the sender profile, 【】 are never typed",
                "签名由发送方档案自动添加，正文不得出现【】",
            )

    def filter(self, node: nodes.Filter, depth: int) -> None:
        if node.name not in FILTER_NAMES or node.node is None:
            self.refuse(node, f"no such filter: {node.name}", f"没有过滤器 {node.name}")
        if node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            self.refuse(node, f"{node.name} takes no arguments", f"{node.name} 不带参数")
        self.children(node, depth)
        takes = TAKES.get(node.name, ())
        given = self.scope[node.node.name].type if isinstance(node.node, nodes.Name) else "text"
        if takes and given not in takes:
            either = " / ".join(takes)
            self.refuse(
                node,
                f"|{node.name} is for a variable of type {either}",
                f"|{node.name} 只能用于 {either} 类型的变量",
            )

    def choice(self, node: nodes.CondExpr, depth: int) -> None:
        if node.expr2 is None:
            self.refuse(node, "an inline if needs its else", "行内 if 必须有 else")
        self.children(node, depth)

    def loop(self, node: nodes.For, depth: int) -> None:
        over = node.iter.name if isinstance(node.iter, nodes.Name) else ""
        known = self.scope.get(over)
        plain = not (node.test or node.recursive or node.else_ or self.in_loop)
        if known is None or known.type != "list" or not plain:
            self.refuse(
                node,
                "a loop goes over one declared list, not nested",
                "循环只能遍历一个已声明的列表",
            )
        if not isinstance(node.target, nodes.Name) or node.target.name in {*self.scope, "loop"}:
            self.refuse(node, "the loop needs one new name", "循环变量须为一个新名称")
        outer = self.scope
        self.scope = {**outer, node.target.name: Variable("text", max=known.max)}
        self.in_loop = True
        for child in node.body:
            self.node(child, depth + 1)
        self.scope, self.in_loop = outer, False

    def loop_field(self, node: nodes.Getattr) -> None:
        of_loop = isinstance(node.node, nodes.Name) and node.node.name == "loop" and self.in_loop
        if not of_loop or node.attr not in _LOOP_FIELDS:
            self.refuse(node, f".{node.attr} is not allowed here", f"此处不允许使用 .{node.attr}")

    def refuse(self, node: nodes.Node, reason: str, zh: str) -> NoReturn:
        raise TemplateRefused(self.file, node.lineno, reason, zh)
