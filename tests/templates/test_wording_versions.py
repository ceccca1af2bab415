"""Published wording and its hash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.catalog_files import read_catalog
from templates.errors import CatalogRefused, TemplateRefused
from templates.wording_versions import canonical, content_hash, load_wording

FILES = read_catalog().files["violation-recorded"]


def test_a_version_knows_what_it_is() -> None:
    wording = load_wording("violation-recorded", FILES, version=7)
    assert wording.name == "violation-recorded@7"
    assert wording.version == 7
    assert wording.content == content_hash("violation-recorded", FILES)


def test_order_and_line_ends_do_not_matter() -> None:
    other = {name: text.replace("\n", "\r\n") for name, text in reversed(FILES.items())}
    assert content_hash("violation-recorded", other) == content_hash("violation-recorded", FILES)
    assert list(canonical(other)) == sorted(other)


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_counts(name: str) -> None:
    changed = {**FILES, name: FILES[name] + " "}
    missing = {other: text for other, text in FILES.items() if other != name}
    hashes = {content_hash("violation-recorded", files) for files in (FILES, changed, missing)}
    assert len(hashes) == 3


def test_the_notice_counts() -> None:
    assert content_hash("a", FILES) != content_hash("b", FILES)


@given(
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
)
def test_different_files_have_different_hashes(one: dict[str, str], other: dict[str, str]) -> None:
    same = canonical(one) == canonical(other)
    assert (content_hash("n", one) == content_hash("n", other)) == same


def test_what_is_refused_says_so() -> None:
    with pytest.raises(TemplateRefused, match=r"zh\.sms\.j2:1: colour is not declared"):
        load_wording("violation-recorded", {**FILES, "zh.sms.j2": "{{ colour }}"})
    with pytest.raises(CatalogRefused, match="is missing"):
        load_wording("violation-recorded", {"zh.sms.j2": "您好"})


def test_the_hash_stays() -> None:
    """Approvals are journalled with it: another value here would void them all."""
    assert content_hash("n", {"zh.sms.j2": "您好\n"}) == (
        "b3ff9ab6f342303f0f7fa04873af6fa67c8c9d9c4a7b7331acf67eae912ac3bc"
    )
