"""What a body may be made of."""

import pytest

from templates.errors import TemplateRefused
from templates.notice import Variable
from templates.whitelist import MAX_SOURCE, parse

DECLARED = {
    "plate": Variable("plate"),
    "fine": Variable("money"),
    "status": Variable("text"),
    "papers": Variable("list"),
}

ALLOWED = [
    "",
    "您好",
    "{{ plate }}",
    "{{ fine|money }}元",
    "{{ plate|mask|spell }}",
    "{% if again %}如已收到请忽略{% endif %}",
    "{% if status == 'a' and not again or fine > 100 %}x{% elif again %}y{% else %}z{% endif %}",
    "{{ 'a' if again else 'b' }}",
    "{% for each in papers %}{{ each }}{% if not loop.last %}、{% endif %}{% endfor %}",
    "{% for each in papers %}{{ loop.index }}{{ each|spell }}{% endfor %}",
    "{# a note #}{% raw %}{{ plain }}{% endraw %}",
    "{{ name }}{{ days_left }}{{ serial }}",
]

BOMBS = [
    # work without end
    "{{ 'a' * 999999999 }}",
    "{{ '%999999999d' % 1 }}",
    "{{ '%999999999d'|format(1) }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{{ 9**(9**9) }}",
    "{{ 9**9**9**9 }}",
    "{{ 1 // 0 }}",
    "{{ 'a'.center(999999999) }}",
    "{{ 'a'.ljust(999999999) }}",
    "{{ 1 // 0 }}",
    "{{ 'a'|center(999999999) }}",
    "{{ 'a'|indent(999999999) }}",
    "{{ 'ab'.replace('a', 'b' * 99999) }}",
    "{{ ['a'] * 999999999 }}",
    "{{ ['a']|batch(999999999, 'x') }}",
    "{{ papers|slice(999999999) }}",
    "{{ range(999999999)|list }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
    "{% for a in papers %}{% for b in papers %}x{% endfor %}{% endfor %}",
    "{% for a in papers recursive %}{{ loop(papers) }}{% endfor %}",
    "{{ lipsum(n=999999) }}",
    "{{ cycler('a', 'b') }}",
    "{{ joiner(',') }}",
    "{{ 'a' ~ 'b' }}",
    "{{ 'a' + 'b' }}",
    "{{ -fine }}",
    "{% set x = 'a' %}{{ x }}",
    "{% set x %}{% endset %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% set ns = namespace(x='a') %}",
    # a way out
    "{{ plate.__class__ }}",
    "{{ plate['__class__'] }}",
    "{{ plate|attr('__class__') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ loop }}",
    "{{ config }}",
    "{{ request.application }}",
    "{{ namespace }}",
    "{{ dict(a=1) }}",
    "{{ ''.format_map(plate) }}",
    "{{ {'style': 'x'}|xmlattr }}",
    "{{ papers|map(attribute='__class__')|list }}",
    "{{ papers|join(',') }}",
    "{{ papers[0] }}",
    "{{ papers.append('x') }}",
    "{{ plate|safe }}",
    "{{ plate|default('x') }}",
    "{{ plate is defined }}",
    "{{ plate is string }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import path %}",
    "{% extends 'base' %}",
    "{% block a %}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% call plate() %}{% endcall %}",
    "{% with a = 1 %}{{ a }}{% endwith %}",
    "{% autoescape false %}{{ plate }}{% endautoescape %}",
    "{% for each in papers %}{{ loop.changed(each) }}{% endfor %}",
    "{% for each in papers %}{{ loop.previtem }}{% endfor %}",
    "{% for each in papers %}{{ each.x }}{% endfor %}",
    "{% for each in papers if each %}x{% endfor %}",
    "{% for each in papers %}x{% else %}y{% endfor %}",
    "{% for plate in papers %}x{% endfor %}",
    "{% for loop in papers %}x{% endfor %}",
    "{% for a, b in papers %}x{% endfor %}",
    "{% for each in plate %}x{% endfor %}",
    "{% for each in ['a'] %}x{% endfor %}",
    "{% for each in papers %}x{% endfor %}{{ each }}",
    # forged, undeclared, unfinished
    "{{ colour }}",
    "【银行】您好",
    "︻银行︼您好",
    "{{ '【' }}",
    "{{ '\\u3010' }}",
    "{{ 'a' if again }}",
    "{{ fine|money(2) }}",
    "{{ plate|money }}",
    "{{ (fine or fine)|money }}",
    "{{ fine|money|money }}",
    "{{ status|items }}",
    "{{ plate|upper }}",
    "{{ [plate] }}",
    "{{ (plate, fine) }}",
    "{{ plate",
    "{% if %}",
    "{% nonsense %}",
    "{% if again %}",
    # too much of it
    "{{ " + "(" * 1900 + "1" + ")" * 1900 + " }}",
    "{{ " + "not " * 900 + "again }}",
    "{% if again %}" * 20 + "x" + "{% endif %}" * 20,
    "{{ plate" + "|mask" * 20 + " }}",
    "a" * (MAX_SOURCE + 1),
    "{{ " + " and ".join(["again"] * 20) + " }}",
]


@pytest.mark.parametrize("source", ALLOWED)
def test_what_bodies_need_is_allowed(source: str) -> None:
    parse(source, DECLARED, "zh.sms.j2")


@pytest.mark.parametrize("source", BOMBS)
def test_refused_before_it_is_compiled(source: str) -> None:
    with pytest.raises(TemplateRefused) as caught:
        parse(source, DECLARED, "zh.sms.j2")
    assert caught.value.file == "zh.sms.j2"
    assert caught.value.reason
    assert caught.value.zh


def test_the_line_is_named() -> None:
    with pytest.raises(TemplateRefused) as caught:
        parse("一\n二\n{{ colour }}\n", DECLARED, "en.email.txt.j2")
    assert caught.value.line == 3
    assert str(caught.value) == "en.email.txt.j2:3: colour is not declared"
