"""From bodies and values to what a channel carries."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from templates import whitelist
from templates.bodies import file_of
from templates.catalog_files import Catalog, read_catalog
from templates.errors import RenderRefused, TemplateRefused
from templates.lint import sample_builtin
from templates.notice import Notice, Sender, Variable
from templates.render import Wording, compile_wording, plan, sandboxed
from templates.values import is_name
from templates.wording_versions import load_wording

NOTICE = Notice(
    id="test-notice",
    cls="notice",
    category="test",
    title={"zh": "测试通知", "en": "Test notice"},
    sender="test",
    triggers=("gov.test.v1",),
    channels=("sms", "voice", "email", "push", "inbox"),
    expiry_ms=1000,
)
SENDER = Sender("test", "【测试】", {"zh": "测试机关", "en": "Test Office"}, "a@122.gov.cn", "1")
VARIABLES = {
    "place": Variable("text", max=40, personal=True),
    "at": Variable("datetime"),
    "fine": Variable("money"),
    "points": Variable("integer", max=2),
    "papers": Variable("list", max=60),
    "url": Variable("url"),
    "note": Variable("text", required=False),
}
CONTEXT: dict[str, Any] = {
    "place": "五四路",
    "at": "2026-11-24T09:30:00+08:00",
    "fine": 20000,
    "points": 3,
    "papers": ["身份证", "照片"],
    "url": "https://122.gov.cn/a",
    "name": "王丽",
    "days_left": 7,
    "again": False,
    "serial": "A1B2C3D4",
    "link": "",
}


def wording(**bodies: str) -> Wording:
    """Chinese bodies by part, with ``_`` for the dot."""
    parts = {("zh", part.replace("_", ".")): text for part, text in bodies.items()}
    return compile_wording(NOTICE, VARIABLES, parts, 3)


def sms(body: str, **values: Any) -> str:
    return wording(sms=body).render("sms", "zh", {**CONTEXT, **values}, SENDER).text


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return read_catalog()


def test_a_text_message_begins_with_the_signature_and_counts_it() -> None:
    rendered = wording(sms="国" * 67).render("sms", "zh", CONTEXT, SENDER)
    assert rendered.text == "【测试】" + "国" * 67
    assert rendered.segments == 2


def test_values_are_written_by_their_filters() -> None:
    body = (
        "{{ place }}，{{ at|datetime }}，{{ fine|money }}元，{{ points }}分，{{ papers|items }}\n"
    )
    assert sms(body) == "【测试】五四路，2026年11月24日 09:30，200.00元，3分，身份证、照片"


def test_a_call_says_who_calls() -> None:
    rendered = wording(voice="罚款{{ fine|money }}元。").render("voice", "zh", CONTEXT, SENDER)
    assert rendered.text == "您好，这里是测试机关。罚款200.00元。"
    assert rendered.segments == 0


def test_a_mail_has_subject_text_and_page() -> None:
    bodies = {
        "email_subject": "关于{{ place }}",
        "email_txt": "正文",
        "email_html": "<p>{{ place }}</p>",
    }
    rendered = wording(**bodies).render("email", "zh", {**CONTEXT, "place": "a<b>&c"}, SENDER)
    assert rendered.subject == "关于a<b>&c"
    assert rendered.text.startswith("正文\n\n测试机关\n")
    assert "<p>a&lt;b&gt;&amp;c</p>" in rendered.html
    assert "<title>关于a&lt;b&gt;&amp;c</title>" in rendered.html
    assert '<html lang="zh-CN">' in rendered.html


def test_a_push_has_a_title() -> None:
    rendered = wording(push="标题\n内容{{ points }}").render("push", "zh", CONTEXT, SENDER)
    assert (rendered.subject, rendered.text) == ("标题", "内容3")


@pytest.mark.parametrize(
    ("bodies", "text"),
    [
        ({"sms": "短信", "email_txt": "邮件", "inbox": "收件箱"}, "收件箱"),
        ({"sms": "短信", "email_txt": "邮件"}, "邮件"),
        ({"sms": "短信"}, "短信"),
    ],
)
def test_an_inbox_borrows_a_body_without_the_signature(bodies: dict[str, str], text: str) -> None:
    rendered = wording(**bodies).render("inbox", "zh", CONTEXT, SENDER)
    assert (rendered.subject, rendered.text) == ("测试通知", text)


def test_an_unknown_language_is_chinese() -> None:
    assert wording(sms="您好").render("sms", "fr", CONTEXT, SENDER).text == "【测试】您好"


def test_the_name_tells_notice_and_version() -> None:
    assert wording(sms="您好").name == "test-notice@3"


def test_an_absent_optional_value_is_empty() -> None:
    body = "{% if note %}备注{{ note }}{% else %}无{% endif %}"
    assert sms(body) == "【测试】无"
    assert sms(body, note="急") == "【测试】备注急"
    assert sms("[{{ note }}]") == "【测试】[]"


@pytest.mark.parametrize("body", ["{{ place }}", "{% if again %}{% endif %}{{ place }}"])
@pytest.mark.parametrize(
    "value",
    [
        "【银行】您好",
        "两\n行",
        "零\x00",
        "看evil.com",
        "ｅｖｉｌ．ｃｏｍ",
        "e\u200bvil.com",
        5,
        None,
    ],
)
def test_unfit_values_are_refused_on_both_paths(body: str, value: object) -> None:
    with pytest.raises(RenderRefused) as caught:
        sms(body, place=value)
    assert str(value) not in str(caught.value) or value is None


@pytest.mark.parametrize("body", ["{{ place }}", "{% if again %}{% endif %}{{ place }}"])
def test_a_missing_value_is_named(body: str) -> None:
    context = {name: value for name, value in CONTEXT.items() if name != "place"}
    with pytest.raises(RenderRefused, match="place: is missing"):
        wording(sms=body).render("sms", "zh", context, SENDER)


def test_unfit_items_are_refused() -> None:
    with pytest.raises(RenderRefused, match="papers"):
        sms("{{ papers|items }}", papers=["身份证", "【银行】"])


@pytest.mark.parametrize("body", ["{{ name }}：", "{% if again %}{% endif %}{{ name }}："])
def test_a_name_never_makes_a_link(body: str) -> None:
    assert sms(body, name="J.Smith") == "【测试】J. Smith："
    assert sms(body, name="www.evil.com") == "【测试】www. evil. com："


NAME_PARTS = [
    "王",
    "a",
    "cn",
    "ltd",
    "1",
    " ",
    ".",
    "．",
    "。",
    "/",
    ":",
    "@",
    "】",
    "\u2028",
    "\u200b",
]


@given(st.lists(st.sampled_from(NAME_PARTS), min_size=1, max_size=12).map("".join))
@example("https://evil.cn")
@example("1.1.1.1")
def test_a_name_that_comes_in_is_one_that_messages_carry(name: str) -> None:
    try:
        sms("{{ name }}：", name=name)
    except RenderRefused:
        assert not is_name(name)
    else:
        assert is_name(name)


def test_official_links_pass() -> None:
    assert sms("见 {{ url }}").endswith("https://122.gov.cn/a")
    with pytest.raises(RenderRefused):
        sms("见 {{ url }}", url="https://evil.com")


@pytest.mark.parametrize(
    "body", ["见 evil.com", "见 http://122.gov.cn", "122.gov.cn{{ place }}", "https://{{ place }}/"]
)
def test_a_body_links_to_official_hosts_only(body: str) -> None:
    with pytest.raises(TemplateRefused):
        wording(sms=body)


def test_a_text_too_long_is_refused() -> None:
    with pytest.raises(RenderRefused, match="10 segments"):
        sms("国" * 680)
    with pytest.raises(RenderRefused, match="250 characters"):
        wording(push="标题\n" + "国" * 300).render("push", "zh", CONTEXT, SENDER)


def test_a_subject_is_one_line() -> None:
    bodies = {"email_subject": "a\nBcc: x", "email_txt": "a", "email_html": "a"}
    with pytest.raises(RenderRefused, match="one line"):
        wording(**bodies).render("email", "zh", CONTEXT, SENDER)


def test_a_channel_without_a_body_is_refused() -> None:
    with pytest.raises(RenderRefused, match=r"test-notice@3 has no body zh\.voice"):
        wording(sms="您好").render("voice", "zh", CONTEXT, SENDER)


def test_both_paths_give_the_same_text_for_all_samples(catalog: Catalog) -> None:
    joined = 0
    for notice_id, bodies in catalog.bodies.items():
        sample = catalog.samples[notice_id]
        context = {**sample.data, **sample_builtin(sample)}
        variables = catalog.variables(notice_id)
        for key, source in bodies.items():
            tree = whitelist.parse(source, variables, file_of(key))
            fast = plan(tree, key[0])
            if fast is not None and key[1] != "email.html":
                joined += 1
                assert fast(context) == sandboxed(tree, key[0], False)(context)
    assert joined > 100


def test_nearly_every_text_message_is_joined(catalog: Catalog) -> None:
    plans = [
        plan(whitelist.parse(bodies["zh", "sms"], catalog.variables(name), "zh.sms.j2"), "zh")
        for name, bodies in catalog.bodies.items()
        if ("zh", "sms") in bodies
    ]
    assert sum(each is not None for each in plans) > 0.8 * len(plans)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_value_forges_a_second_signature(place: str, name: str) -> None:
    """Whatever comes as a value is one line behind one signature, or refused."""
    body = "{{ name }}在{{ place }}。"
    try:
        text = sms(body, place=place, name=name)
    except RenderRefused:
        return
    assert text.endswith(f"在{place}。")
    assert text.count("【") == 1
    assert len(text.splitlines()) == 1


@given(
    st.text(alphabet="{}%#|'\"()[]._ azplceforinfd~*+-\n", max_size=120),
    st.sampled_from(["{{ %s }}", "{%% %s %%}", "%s"]),
)
def test_an_accepted_body_renders_or_is_refused(text: str, shape: str) -> None:
    with suppress(TemplateRefused, RenderRefused):
        sms(shape % text)


def test_the_largest_loop_is_bounded(catalog: Catalog) -> None:
    body = "{% for each in papers %}" + "国" * 3900 + "{% endfor %}"
    with pytest.raises(RenderRefused):
        sms(body, papers=["长"] * 20)


def test_every_catalog_wording_compiles(catalog: Catalog) -> None:
    for notice_id, files in catalog.files.items():
        assert load_wording(notice_id, files).name == f"{notice_id}@1"
