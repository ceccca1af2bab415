"""The longest text a body can become."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates import whitelist
from templates.longest import longest_text, longest_value
from templates.notice import EventType, Variable, VariableType
from templates.render import sandboxed
from templates.values import check_data

VARIABLES = {
    "place": Variable("text", max=6),
    "at": Variable("datetime"),
    "fine": Variable("money"),
    "points": Variable("integer", max=2),
    "papers": Variable("list", max=25),
}
BODIES = [
    "您好",
    "{{ place }}在{{ at|datetime }}，{{ fine|money }}，{{ points }}",
    "{{ place|mask }}{{ place|spell }}",
    "{{ at|date }}{{ at|datetime }}",
    "{{ papers|items }}",
    "{% if again %}很长的一句话{% elif points %}{{ place }}{% else %}短{% endif %}",
    "{{ 'abc' if again else place }}",
    "{{ (place if again else 'a')|spell }}{{ place or 'xyz' }}{{ points == 3 }}",
    "{% for each in papers %}{{ loop.index }}、{{ each }}{% endfor %}",
    "{% for each in papers %}{{ each }}{% if not loop.last %}；{% endif %}{% endfor %}",
]
TYPES: list[VariableType] = [
    *("text", "digits", "plate", "date", "datetime", "money", "url", "phone", "integer", "list"),
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("language", ["zh", "en"])
@given(
    place=st.text(alphabet="国a", min_size=1, max_size=6),
    fine=st.integers(0, 10**12),
    points=st.integers(-99, 99),
    papers=st.lists(st.text(alphabet="国a", min_size=1, max_size=4), min_size=1, max_size=6),
    again=st.booleans(),
    day=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
)
def test_no_rendering_is_longer(
    body: str,
    language: str,
    place: str,
    fine: int,
    points: int,
    papers: list[str],
    again: bool,
    day: date,
) -> None:
    context = {
        "place": place,
        "at": f"{day}T09:30:00+08:00",
        "fine": fine,
        "points": points,
        "papers": papers,
        "again": again,
    }
    longest = longest_text(whitelist.parse(body, VARIABLES, "zh.sms.j2"), VARIABLES, language)
    tree = whitelist.parse(body, VARIABLES, "zh.sms.j2")
    assert len(sandboxed(tree, language, False)(context)) <= len(longest)


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != "url"])
@pytest.mark.parametrize("limit", [15, 25, 40])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_longest_value_is_a_value(kind: VariableType, limit: int, language: str) -> None:
    event = EventType("gov.test.v1", {"x": Variable(kind, max=limit)})
    assert check_data(event, {"x": longest_value(event.data["x"], language)}) == []


def test_the_longest_link_has_its_length() -> None:
    assert len(str(longest_value(Variable("url", max=48), "zh"))) == 48
