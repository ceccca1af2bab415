"""``hub explain ID``: one leg told from its first row to its last, with every decision explained.

Everything comes from the rows: the facts of a decision are journalled with it, and so is every
policy. A row of any age is told as on its first day.
"""

from collections.abc import Mapping

import msgspec

from preferences.rules import CHINA
from streams.core import codec, names
from streams.core.events import JournalEvent
from streams.core.explaining import Explained, explain
from streams.core.lifecycle import Journalled, State, apply
from streams.core.names import Language, moment, say
from streams.core.policy import Policy
from streams.core.telling import tell
from streams.journal.base import Reader, Row
from streams.replaying import Answer, Decision, answer, decided_ms, recorded, same


class Told(msgspec.Struct, frozen=True):
    """One row in words. ``explained`` is there where it decided something, and ``note`` where
    that cannot be explained as usual."""

    version: int
    at_ms: int
    at: str
    type: str
    sentence: str
    explained: Explained | None = None
    note: str = ""


class Story(msgspec.Struct, frozen=True):
    """One leg in words."""

    stream: str
    notice: str
    recipient: str
    status: str
    heading: str
    told: list[Told]


def explain_stream(
    reader: Reader, stream: bytes, policies: Mapping[int, Policy], language: Language,
    zone: str = "",
) -> Story | None:  # fmt: skip
    """Tell one leg; None where the journal has no notification of that name. ``policies`` are
    those of :func:`streams.policies.published`. Times are by the clock of ``zone``, or by the
    recipient's; the reasons of decisions always by the recipient's, and they say so."""
    rows = reader.read([stream]).get(stream, [])
    state, told = State(), []
    for row in rows:
        event = codec.decode(row.type, row.data)
        apply(state, Journalled(row.version, row.at_ms, event))
        told.append(_told(row, event, state, policies, language, zone))
    head = state.head
    if head is None:
        return None
    status = names.status(state.status, language)
    heading = say(
        (
            f"{head.notice} → {head.recipient}：{status}",
            f"{head.notice} → {head.recipient}: {status}",
        ),
        language,
    )
    return Story(stream.hex(), head.notice, head.recipient, state.status, heading, told)


def text(story: Story, language: Language) -> str:
    """The story, to be read from top to bottom."""
    lines = [story.heading, ""]
    for one in story.told:
        lines.append(f"{one.at}  {one.sentence}")
        if one.explained:
            why = one.explained
            lines += [f"    {line}" for line in (why.heading, why.sentence, why.otherwise)]
        if one.note:
            lines.append(f"    {one.note}")
    return "\n".join(lines) + "\n"


def _told(
    row: Row, event: JournalEvent, state: State, policies: Mapping[int, Policy],
    language: Language, zone: str,
) -> Told:  # fmt: skip
    zone = zone or (state.facts.zone if state.facts else CHINA)
    told = Told(
        row.version,
        row.at_ms,
        f"{moment(row.at_ms, zone)}:{row.at_ms // 1000 % 60:02d}",
        row.type.partition(".")[0],
        tell(event, language, zone, too_late=state.too_late),
    )
    if not isinstance(event, Decision):
        return told
    policy = policies.get(event.policy)
    if policy is None:
        note = NO_POLICY[language].format(version=event.policy)
        return msgspec.structs.replace(told, note=note)
    at_ms = decided_ms(event, row)
    explained = explain(event.facts, policy, at_ms, language)
    note = _note(recorded(event), answer(event.facts, policy, at_ms), language)
    return msgspec.structs.replace(told, explained=explained, note=note)


def _note(before: Answer, after: Answer, language: Language) -> str:
    if before.kind == "suppress" and after.kind == "send":
        return NOT_WORDED[language]
    return "" if same(before, after) else DIFFERS[language]


NO_POLICY: dict[Language, str] = {
    "zh": "策略第 {version} 版不在记录中，无法说明依据。",
    "en": "Policy version {version} is not on record, so its numbers cannot be shown.",
}
NOT_WORDED: dict[Language, str] = {
    "zh": "规则允许发送，但内容无法生成，因此没有发送。",
    "en": "The rules let it be sent, but its words could not be made, so it was not.",
}
DIFFERS: dict[Language, str] = {
    "zh": "注意：按记录的事实重新决定，结果与记录不同。",
    "en": "Note: decided again on these facts, the answer differs from the one on record.",
}
