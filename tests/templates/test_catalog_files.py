"""Reading folders of notices."""

import shutil
from pathlib import Path

import pytest

from templates.catalog_files import SEED, Catalog, build_catalog, read_catalog
from templates.errors import CatalogRefused
from templates.lint import lint, sample_builtin
from templates.values import check_data
from templates.wording_versions import load_wording


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the catalog to change."""
    return Path(shutil.copytree(SEED, tmp_path / "catalog"))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return read_catalog()


def test_notices_are_found_by_what_triggers_and_stops_them(catalog: Catalog) -> None:
    def ids(notices: tuple[object, ...]) -> set[str]:
        return {notice.id for notice in notices}  # type: ignore[attr-defined]

    assert ids(catalog.triggered_by("gov.traffic.violation.recorded.v1")) == {"violation-recorded"}
    assert ids(catalog.stopped_by("gov.traffic.violation.paid.v1")) == {
        "violation-recorded",
        "payment-failed",
    }
    assert catalog.triggered_by("gov.unknown.v1") == ()
    assert catalog.stopped_by("gov.unknown.v1") == ()


def test_every_part_is_there_for_every_notice(catalog: Catalog) -> None:
    for part in (catalog.files, catalog.bodies, catalog.samples):
        assert part.keys() == catalog.notices.keys()
    for notice in catalog.notices.values():
        assert {*notice.triggers, *notice.stops} <= catalog.event_types.keys()
        assert notice.sender in catalog.senders


def test_a_new_type_and_notice_need_only_a_folder(folder: Path) -> None:
    new = folder / "parking-permit-granted"
    new.mkdir()
    (new / "notice.toml").write_text(
        """
[notice]
class = "status"
category = "parking"
service = "traffic"
title = { zh = "停车许可已批准", en = "Parking permit granted" }
sender = "traffic"
channels = ["sms", "inbox"]
expiry = "48h"

[[event]]
type = "gov.parking.permit.granted.v1"
role = "trigger"
correlation = "permit_no"

[event.data]
permit_no = { type = "digits", max = 12 }
plate = { type = "plate", personal = true }
fee = { type = "money" }
valid_until = { type = "date" }
""",
        encoding="utf-8",
    )
    (new / "zh.sms.j2").write_text(
        "车辆{{ plate }}的停车许可（{{ permit_no }}）已批准，费用{{ fee|money }}元，"
        "有效期至{{ valid_until|date }}。\n",
        encoding="utf-8",
    )
    (new / "en.sms.j2").write_text(
        "Parking permit {{ permit_no }} for {{ plate }} granted until {{ valid_until|date }}, "
        "fee CNY {{ fee|money }}.\n",
        encoding="utf-8",
    )
    (new / "sample.json").write_text(
        '{"name": "王丽", "data": {"permit_no": "350100", "plate": "闽A12345",'
        ' "fee": 5000, "valid_until": "2027-11-24"}}',
        encoding="utf-8",
    )

    catalog = read_catalog(folder)
    (notice,) = catalog.triggered_by("gov.parking.permit.granted.v1")
    files = catalog.files[notice.id]
    assert lint(notice.id, files, catalog.senders) == []
    sample = catalog.samples[notice.id]
    assert check_data(catalog.event_types["gov.parking.permit.granted.v1"], sample.data) == []
    rendered = load_wording(notice.id, files).render(
        "sms", "zh", {**sample.data, **sample_builtin(sample)}, catalog.senders[notice.sender]
    )
    assert rendered.text == (
        "【交管12123】车辆闽A12345的停车许可（350100）已批准，费用50.00元，有效期至2027年11月24日。"
    )


def test_notices_must_agree_on_an_event_type(folder: Path) -> None:
    declaration = folder / "driving-test-reminder" / "notice.toml"
    text = declaration.read_text(encoding="utf-8")
    declaration.write_text(text.replace("max = 30", "max = 31"), encoding="utf-8")
    with pytest.raises(CatalogRefused) as caught:
        read_catalog(folder)
    assert str(caught.value) == (
        "driving-test-reminder/notice.toml: event gov.traffic.test.booked.v1.data.place: "
        "is declared otherwise in driving-test-booked/notice.toml"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notice.toml", None, "violation-recorded/notice.toml: is missing"),
        ("sample.json", None, "violation-recorded/sample.json: is missing"),
        (
            "sample.json",
            b"{",
            "violation-recorded/sample.json: expected JSON: Input data was truncated",
        ),
        (
            "sample.json",
            b'{"name": 1, "data": {}}',
            "violation-recorded/sample.json: name: expected text, got a whole number",
        ),
        (
            "zh.fax.j2",
            b"x",
            "violation-recorded/zh.fax.j2: is no file of a notice: notice.toml, sample.json, en.",
        ),
        ("zh.sms.j2", b"\xff\xfe", "violation-recorded/zh.sms.j2: is not UTF-8"),
        ("zh.sms.j2", b"x" * 70_000, "violation-recorded/zh.sms.j2: is no file of at most"),
        ("../senders.toml", None, "senders.toml: not found in"),
        (
            "../senders.toml",
            b"",
            "/notice.toml: notice.sender: expected a sender of senders.toml (there is none), got '",
        ),
    ],
)
def test_refusals_name_the_file(
    folder: Path, name: str, content: bytes | None, message: str
) -> None:
    file = folder / "violation-recorded" / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(CatalogRefused) as caught:
        read_catalog(folder)
    assert message in str(caught.value)


def test_a_catalog_is_built_from_texts_alike(catalog: Catalog) -> None:
    senders = (SEED / "senders.toml").read_text(encoding="utf-8")
    assert build_catalog(catalog.files, senders) == catalog
