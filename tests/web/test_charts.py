"""Charts are well-formed, carry no style of their own, and let nothing through."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from web.charts import BAR_HEIGHT, SPARK_HEIGHT, SPARK_WIDTH, Cell, Part, bar, grid, sparkline


def rects(svg: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall("rect")


@given(st.lists(st.integers(0, 10**12), max_size=50))
def test_a_line_stays_within_its_frame(values):
    svg = sparkline(values)
    points = ET.fromstring(svg).find("polyline").get("points")
    for point in points.split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= SPARK_WIDTH
        assert 0 <= y <= SPARK_HEIGHT
    assert "style" not in svg


@given(st.lists(st.integers(0, 10**9), max_size=12))
def test_the_parts_of_a_bar_fill_it(values):
    ground, *pieces = rects(bar([Part("delivered", value) for value in values], width=300))
    width = sum(float(piece.get("width")) for piece in pieces)
    assert ground.get("height") == str(BAR_HEIGHT)
    assert abs(width - (300 if any(values) else 0)) < 0.01 * len(values) + 0.01


def test_a_bar_of_a_greater_whole_leaves_room():
    _, piece = rects(bar([Part("delivered", 1)], width=100, of=4))
    assert piece.get("width") == "25.00"


def test_a_grid_shades_by_rate_and_names_what_is_missing():
    cells = [Cell(1.0, "100%"), Cell(0.93, "93%"), Cell(0.1, "10%"), Cell(None, "")]
    svg = grid(["10:00", "10:05", "10:10", "10:15"], [("中国移动", cells)])
    assert [rect.get("class") for rect in rects(svg)] == [
        "level-5",
        "level-3",
        "level-0",
        "level-none",
    ]
    assert "中国移动" in svg
    assert 'aria-hidden="true"' in svg


def test_names_are_escaped():
    svg = grid(["<b>"], [("<script>", [Cell(None, '"&')])])
    assert "<script>" not in svg
    assert ET.fromstring(svg) is not None
