"""What a push shows on a locked screen, for every notice there is: nothing that names somebody."""

import re

import pytest

from templates.catalog_files import SEED, read_catalog
from templates.filters import mask
from templates.lint import sample_builtin
from templates.wording_versions import load_wording

CATALOG = read_catalog(SEED)
PUSHED = sorted(
    (notice, language)
    for notice, bodies in CATALOG.bodies.items()
    for language, part in bodies
    if part == "push"
)
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
PLATE = re.compile(rf"[{PROVINCES}][A-Z][A-Z0-9]{{5,6}}")


def shown(notice_id: str, language: str, data: dict[str, object]) -> str:
    """Title and text of the push."""
    notice, sample = CATALOG.notices[notice_id], CATALOG.samples[notice_id]
    wording = load_wording(notice_id, CATALOG.files[notice_id])
    values = {**data, **sample_builtin(sample)}
    push = wording.render("push", language, values, CATALOG.senders[notice.sender])
    return f"{push.subject}\n{push.text}"


@pytest.mark.parametrize(("notice", "language"), PUSHED)
def test_no_person_plate_or_offence(notice: str, language: str) -> None:
    sample = CATALOG.samples[notice]
    personal = {
        name
        for name, variable in CATALOG.variables(notice).items()
        if variable.personal or variable.type == "plate"
    }
    for data in (sample.data, *sample.more):
        text = shown(notice, language, data)
        said = [str(data[name]) for name in personal & data.keys()]
        for value in (sample.name, *said, *map(mask, said)):
            assert value not in text, f"{value} lies open on the screen"
        assert not PLATE.search(text)


def test_there_is_something_to_keep_from_the_screen() -> None:
    """Else the test above would hold for nothing."""
    plates = [n for n, _ in PUSHED if "plate" in CATALOG.samples[n].data]
    assert "vehicle-inspection-due" in plates
    assert "traffic-violation" not in {CATALOG.notices[n].category for n, _ in PUSHED}
    assert len(PUSHED) >= 30
