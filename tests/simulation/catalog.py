"""A small catalog with one notice of every kind, and the policy and lanes of the simulator."""

from functools import cache

from channels.lanes import Lane, Lanes
from streams.core.policy import DEFAULT, ClassPolicy, Policy
from streams.pipeline.river import Documents
from templates.catalog_files import Catalog, build_catalog
from templates.wording_versions import load_wording

SENDERS = """
[sim]
signature = "【交管12123】"
name = { zh = "公安交管", en = "Traffic Police" }
email = "notice@122.gov.cn"
short_number = "12123"
"""

_NOTICE = """
[notice]
class = "{cls}"
category = "{name}"
service = "traffic"
title = {{ zh = "通知", en = "Notice" }}
sender = "sim"
channels = {channels}
expiry = "{expiry}"
{more}
"""

_EVENT = """
[[event]]
type = "sim.{type}.v1"
role = "{role}"
correlation = "no"
doc = "simulated"

[event.data]
no = {{ type = "digits", max = 20, doc = "number of the case" }}
plate = {{ type = "plate", personal = true, doc = "a plate", required = false }}
due = {{ type = "date", doc = "a day", required = {due} }}
"""

_BODIES = {
    "zh.sms.j2": "{% if again %}如已收到请忽略。{% endif %}{{ name }}案件{{ no }}，见 122.gov.cn",
    "zh.voice.j2": "{{ name }}案件{{ no }}有通知。",
    "zh.email.subject.j2": "通知{{ no }}",
    "zh.email.txt.j2": "{{ name }}案件{{ no }}有通知。",
    "zh.email.html.j2": "<p>{{ name }}案件{{ no }}有通知。</p>",
    "zh.push.j2": "案件{{ no }}有通知",
    "sample.json": '{"name": "王丽", "data": {"no": "1"}}',
}

# name: class, channels, expiry, further lines, triggers, stops
_NOTICES = {
    "fine": (
        "notice", ["sms", "email", "inbox"], "72h",
        '[notice.escalation]\nafter = "24h"\nto = ["email"]', ["fine"], ["fine-paid"],
    ),
    "progress": (
        "status", ["sms", "push", "inbox"], "48h",
        'family = "progress"\nsupersedes = true', ["received", "approved"], ["withdrawn"],
    ),
    "filing": (
        "reminder", ["sms", "inbox"], "24h",
        'due = "due"\noccasions = ["T-1", "T+0", "T+1"]\nat = "09:00"\nto = "contacts:filing"',
        ["sold"], ["filed"],
    ),
    "renewal": (
        "reminder", ["sms", "email"], "24h",
        'due = "due"\noccasions = ["T-1", "T+0"]\nat = "09:00"', ["renewal"], ["renewed"],
    ),
    "warning": ("emergency", ["sms", "voice", "push"], "2h", "", ["warning"], []),
    "login": ("code", ["sms", "push"], "5m", "", ["login"], []),
    "tip": ("bulletin", ["sms", "push"], "72h", "", ["tip"], []),
}  # fmt: skip

ANSWER = "answer"
"""The notice that answers a word."""

_ANSWER = {
    "notice.toml": """
[notice]
class = "status"
category = "answer"
service = "traffic"
title = { zh = "答复", en = "Answer" }
sender = "sim"
sender_field = "sender"
contact_field = "source"
channels = ["sms"]
expiry = "24h"
quiet = false

[[event]]
type = "hub.reply.answered.v1"
role = "trigger"
doc = "simulated"

[event.data]
channel = { type = "text", max = 8, doc = "by what" }
done = { type = "text", max = 8, doc = "what was done" }
sender = { type = "text", max = 20, required = false, doc = "who signs" }
source = { type = "text", max = 254, required = false, doc = "from where" }
subject_zh = { type = "text", max = 60, doc = "of what" }
subject_en = { type = "text", max = 60, doc = "of what" }
""",
    "zh.sms.j2": "{{ done }}：{{ subject_zh }}",
    "sample.json": '{"name": "王丽", "data": {"channel": "sms", "done": "stopped",'
    ' "subject_zh": "通知", "subject_en": "notices"}}',
}

LEGS = {"warning": ("sms", "voice", "push")}
"""Notices that go out on several channels at once, a leg each."""

OCCASIONS = {"filing": ("T-1", "T+0", "T+1"), "renewal": ("T-1", "T+0")}

ASKED: dict[str, str] = {
    trigger: name for name, (_, _, _, _, triggers, _) in _NOTICES.items() for trigger in triggers
}
"""The notice each trigger causes, said a second time so that invariants need not ask the hub."""

STOPS: dict[str, str] = {
    stop: name for name, (_, _, _, _, _, stops) in _NOTICES.items() for stop in stops
}
CLASS = {name: row[0] for name, row in _NOTICES.items()}


@cache
def catalog() -> Catalog:
    folders = {}
    for name, (cls, channels, expiry, more, triggers, stops) in _NOTICES.items():
        texts = [_NOTICE.format(cls=cls, name=name, channels=channels, expiry=expiry, more="")]
        texts[0] += more if not more.startswith("[") else ""
        texts += [more] if more.startswith("[") else []
        due = "true" if name in OCCASIONS else "false"
        texts += [_EVENT.format(type=t, role="trigger", due=due) for t in triggers]
        texts += [_EVENT.format(type=t, role="stop", due="false") for t in stops]
        folders[name] = {"notice.toml": "\n".join(texts), **_BODIES}
    folders[ANSWER] = _ANSWER
    return build_catalog(folders, SENDERS)


POLICY = Policy(
    version=1,
    spread_ms=60,  # what is released together meets on several workers
    classes={
        **DEFAULT.classes,
        "status": ClassPolicy(21 * 60, 8 * 60, cap=3, resend_unknown=("email", "push", "inbox")),
    },
)

_LANES = (
    Lane("sms-cmcc", "sms", "sandbox", 2, ("cmcc",), 10, 10),
    Lane("sms-second-cmcc", "sms", "sandbox", 2, ("cmcc",), 5, 10),
    Lane("sms-any", "sms", "sandbox", 5, segments_max=10),
    Lane("voice-a", "voice", "sandbox", 4),
    Lane("email-a", "email", "sandbox", 10),
    Lane("push-a", "push", "sandbox", 10),
    Lane("inbox", "inbox", "sandbox", 50),
)


@cache
def documents() -> Documents:
    made = catalog()
    wordings = {name: load_wording(name, files) for name, files in made.files.items()}
    return Documents(made, wordings, POLICY, Lanes(_LANES), "zh", "https://122.gov.cn")
