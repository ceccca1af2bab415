"""The chart shows what the table says."""

from xml.etree import ElementTree

from bench.cluster.report import BAR_WIDTH, chart, lines, rows

SVG = "{http://www.w3.org/2000/svg}"


def test_the_longest_bar_is_the_largest_value() -> None:
    drawn = ElementTree.fromstring(chart([("journal", 30.0), ("<glue>", 15.0), ("none", 0.0)]))
    widths = [float(bar.attrib["width"]) for bar in drawn.iter(f"{SVG}rect")]
    assert widths == [BAR_WIDTH, BAR_WIDTH / 2, 0.0]
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert texts == ["journal", "30.0", "<glue>", "15.0", "none", "0.0"]


def test_lines_end_with_their_sum() -> None:
    found = {"lines": {"lines": {"journal": 30.0, "(broker)": 12.5}}}
    assert lines(found) == [("journal", 30.0), ("(broker)", 12.5), ("sum", 42.5)]
    assert lines({}) == []


def test_what_the_gateway_counted_stands_beside_what_the_journal_holds() -> None:
    checks = {
        "events": 4, "archived": 4, "projections_equal": True, "faults": [], "sent_twice": 0,
        "seconds": {}, "parts": 6000, "gateway": {"taken": 6001, "acknowledged": 5999},
    }  # fmt: skip
    assert rows({"checks": checks})[1:] == [
        ("parts of texts taken", "6,001 by the gateway, 6,000 by the journal", "equal"),
        ("receipts acknowledged to the gateway", "5,999", "all"),
    ]
    assert len(rows({"checks": {**checks, "gateway": None}})) == 1
