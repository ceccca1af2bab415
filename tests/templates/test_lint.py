"""The editor's checks."""

from pathlib import Path

import pytest

from templates.catalog_files import read_catalog
from templates.lint import CHECKS, Finding, lint

ROOT = Path(__file__).parents[2]
CATALOG = read_catalog()


def findings(notice_id: str, **changes: str | None) -> list[Finding]:
    """What is found after ``changes`` to files, by name with ``_`` for ``.``."""
    files = dict(CATALOG.files[notice_id])
    for name, text in changes.items():
        file = name.replace("_", ".")
        if text is None:
            del files[file]
        else:
            files[file] = text
    return lint(notice_id, files, CATALOG.senders)


def only(notice_id: str, file: str, text: str) -> Finding:
    """The one finding after ``file`` became ``text``."""
    (finding,) = findings(notice_id, **{file.replace(".", "_"): text})
    assert finding.file == file
    assert finding.zh
    return finding


@pytest.mark.parametrize("notice_id", sorted(CATALOG.notices))
def test_the_catalog_has_nothing_to_mend(notice_id: str) -> None:
    assert findings(notice_id) == []


def test_a_missing_body() -> None:
    assert [(f.file, f.en) for f in findings("violation-recorded", en_voice_j2=None)] == [
        ("en.voice.j2", "is missing: the notice uses voice")
    ]


def test_an_unused_body() -> None:
    assert "no channel" in only("violation-recorded", "zh.push.j2", "标题\n内容\n").en


@pytest.mark.parametrize(
    ("file", "text", "line", "says"),
    [
        ("zh.sms.j2", "{{ colour }}", 1, "colour is not declared"),
        ("zh.sms.j2", "{{ plate * 9 }}", 1, "Mul is not allowed"),
        ("zh.sms.j2", "【交管12123】您好", 1, "signature"),
        ("zh.sms.j2", "请看 evil.com", 1, "official hosts"),
        ("zh.sms.j2", "请看 http://122.gov.cn", 1, "https"),
        ("zh.sms.j2", "{{ fine }}元", 1, "fine needs |money"),
        ("zh.sms.j2", "{{ occurred_at }}", 1, "needs |date / |datetime"),
        ("zh.sms.j2", "{{ fine or 'x' }}", 1, "fine needs |money"),
        ("zh.sms.j2", "{{ again }}", 1, "conditions only"),
        ("zh.sms.j2", "{{ place|money }}", 1, "is for a variable of type money"),
        ("zh.sms.j2", "国" * 200, 1, "in 4 segments, the budget is 3"),
        ("zh.sms.j2", "{{ place }}" * 5, 1, "in 4 segments, the budget is 3"),
        ("zh.sms.j2", "一段\n两段", 2, "one line"),
        ("zh.email.subject.j2", "国" * 121, 1, "the limit is 120"),
        ("zh.email.html.j2", "{% if again %}\n<script>x</script>\n{% endif %}", 2, "<script"),
        ("zh.email.html.j2", '{% if again %}\n{% endif %}<p onclick="x">', 2, "onclick"),
        ("zh.email.html.j2", '{% if again %}{% endif %}<img src="x">', 1, "<img"),
        ("zh.email.txt.j2", "没有提示", 1, "comes after another channel"),
    ],
)
def test_what_is_to_mend_in_a_body_is_found_with_its_line(
    file: str, text: str, line: int, says: str
) -> None:
    found = findings("violation-recorded", **{file.replace(".", "_"): text})
    assert [(f.file, f.line) for f in found if says in f.en] == [(file, line)]


def test_an_empty_body() -> None:
    found = findings("violation-recorded", zh_sms_j2="\n")
    assert {f.en for f in found} == {"is empty", "renders to nothing"}


def test_an_optional_value_needs_its_condition() -> None:
    finding = only("appointment-changed", "zh.sms.j2", "已改为{{ starts_at|datetime }}")
    assert "does not render" in finding.en


def test_the_lock_screen_shows_nothing_personal() -> None:
    finding = only("vehicle-inspection-due", "zh.push.j2", "检验\n{{ plate }}到期\n")
    assert (finding.line, finding.en) == (
        2,
        "plate is personal and must not show on a lock screen",
    )
    assert "name is personal" in only("public-notice", "zh.push.j2", "{{ name }}\n内容\n").en


def test_a_push_is_two_lines() -> None:
    assert "title and text" in only("public-notice", "zh.push.j2", "标题\n").en


def test_an_emergency_shows_its_serial() -> None:
    assert "serial" in only("weather-warning", "zh.sms.j2", "预警：{{ advice }}").en


def test_the_sample_is_valid() -> None:
    sample = '{"name": "a", "data": {"tip_no": "1", "headline": "b", "tip": "c\\n"}}'
    fault, missing = findings("fire-safety-tip", sample_json=sample)
    assert "data.tip: expected text of 1 to 70 characters" in fault.en
    assert missing.en == "no sample of gov.fire.tip.published.v1"


def test_every_trigger_has_a_sample() -> None:
    sample = '{"name": "a", "data": {"case_no": "1", "matter": "a", "by": "b"}}'
    finding = only("approval-progress", "sample.json", sample)
    assert finding.en == "no sample of gov.approval.case.received.v1"


def test_a_declaration_that_cannot_be_read() -> None:
    assert findings("violation-recorded", notice_toml="[notice") == [
        Finding("notice.toml", 1, *_unreadable("violation-recorded"))
    ]
    (finding,) = findings("violation-recorded", sample_json="{}")
    assert (finding.file, finding.line) == ("sample.json", 1)


def _unreadable(notice_id: str) -> tuple[str, str]:
    (finding,) = lint(notice_id, {"notice.toml": "[notice"}, {})
    return finding.en, finding.zh


def test_each_check_says_what_it_is_for() -> None:
    assert all(check.__doc__ for check in CHECKS)


@pytest.mark.parametrize("notice_id", sorted(CATALOG.notices))
def test_every_notice_and_its_types_are_documented(notice_id: str) -> None:
    page = (ROOT / "docs" / "reference" / "notices.md").read_text(encoding="utf-8")
    notice = CATALOG.notices[notice_id]
    assert f"`{notice_id}`" in page
    for name in (*notice.triggers, *notice.stops):
        assert f"`{name}`" in page
