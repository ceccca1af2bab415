"""From a stream's rows to its story: where a leg stands, and every step that led there.

Content stays sealed unless a key is given; whoever gives one has checked who asks.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from preferences.vault import SubjectKey
from streams.core import codec
from streams.core import events as e
from streams.core.lifecycle import CATEGORY, Journalled, State, fold
from streams.core.notices import Upstream
from streams.core.policy import Policy
from streams.core.routing import Number, decide
from streams.journal.base import Archived, Row
from streams.pipeline.replies import open_written
from streams.pipeline.river import open_content
from streams.replaying import Decision, decided_ms, recorded
from streams.views import CaseEvent, Content, Leg, Moment, Timeline, Written
from templates.catalog_files import Catalog


class Step(NamedTuple):
    """A row with its event."""

    row: Row
    event: e.JournalEvent


def steps(rows: Sequence[Row]) -> list[Step]:
    """A stream's rows, decoded."""
    return [Step(row, codec.decode(row.type, row.data)) for row in rows]


def folded(story: Sequence[Step]) -> State:
    """What they add up to."""
    return fold(Journalled(step.row.version, step.row.at_ms, step.event) for step in story)


def leg(stream: bytes, state: State) -> Leg | None:
    """One leg for a list; None for a stream that is none."""
    head, route = state.head, state.route
    if head is None:
        return None
    return Leg(
        stream=stream.hex(),
        notice=head.notice,
        cls=head.cls,
        recipient=head.recipient,
        correlation=head.correlation,
        occasion=head.occasion,
        region=head.region,
        status=state.status.value,
        category=CATEGORY[state.status],
        reason=state.reason,
        channel=route.channel if route else "",
        lane=route.lane if route else "",
        carrier=route.carrier if route else "",
        opened_ms=state.opened_at_ms,
        at_ms=state.touched_ms,
        too_late=state.too_late,
    )


def timeline(
    stream: bytes, rows: Sequence[Row], policies: Mapping[int, Policy], key: SubjectKey | None
) -> Timeline | None:
    """The story of one leg; None for a stream that is none. ``key`` unseals its words."""
    story = steps(rows)
    state = folded(story)
    summary = leg(stream, state)
    if summary is None or state.head is None:
        return None
    return Timeline(
        leg=summary,
        event=state.head.event.hex(),
        event_ms=state.head.event_ms,
        expiry_ms=state.head.expiry_ms,
        due_ms=state.head.due_ms,
        attempts=sum(isinstance(step.event, e.AttemptIntended) for step in story),
        moments=[_moment(step, policies, key) for step in story],
    )


def _moment(step: Step, policies: Mapping[int, Policy], key: SubjectKey | None) -> Moment:
    row, event = step
    route: e.Route | None = getattr(event, "route", None)
    said = {name: getattr(event, name) for name in _SAID if hasattr(event, name)}
    if isinstance(event, Decision):
        said["numbers"] = _numbers(event, row, policies)
    if isinstance(event, e.Unknown):
        said["reason"] = event.evidence
    if route is not None:
        said |= {name: getattr(route, name) for name in _OF_ROUTE}
        said |= {"sealed": True, "content": _content(key, route, row.stream)}
    kind = type(event).__name__
    return Moment(version=row.version, pos=row.pos, at_ms=row.at_ms, type=kind, **said)


_OF_ROUTE = ("channel", "lane", "carrier", "wording", "language", "segments")
_SAID = ("reason", "until_ms", "lane", "attempt", "ref", "code", "by", "policy")
"""What a moment takes over from its event, under the same name."""


def _numbers(event: Decision, row: Row, policies: Mapping[int, Policy]) -> dict[str, Number]:
    """What the decision rested on: the same decision made again on its journalled facts. Nothing
    where its policy is not known, or where it was not this step that answered."""
    policy = policies.get(event.policy)
    if policy is None:
        return {}
    verdict = decide(event.facts, policy, decided_ms(event, row))
    return verdict.numbers if verdict.kind == recorded(event).kind else {}


def _content(key: SubjectKey | None, route: e.Route, stream: bytes) -> Content | None:
    if key is None:
        return None
    content = open_content(key, route.sealed, stream)
    return Content(content.to, content.text, content.subject, content.html)


# Cases -------------------------------------------------------------------------------------------


def events_of_case(story: Sequence[Step]) -> set[bytes]:
    """The archive keys of the events that a stream found under a case leads to."""
    keys = set()
    for _, event in story[:1]:
        match event:
            case e.StopRecorded(event=key) | e.CaseNoted(event=key):
                keys.add(key)
            case e.Routed() | e.Held() | e.Suppressed():
                if event.head is not None:
                    keys.add(event.head.event)
    return keys


def replies(story: Sequence[Step]) -> list[e.ReplyReceived]:
    """What somebody wrote back, of all they chose."""
    return [event for _, event in story if isinstance(event, e.ReplyReceived)]


def written(event: e.ReplyReceived, key: SubjectKey | None) -> Written:
    """A reply as it is shown; ``key`` unseals the words."""
    return Written(
        reply=event.reply.hex(),
        at_ms=event.written_ms,
        recipient=event.recipient,
        lane=event.lane,
        channel=event.channel,
        asked=event.asked,
        done=event.done,
        categories=event.categories,
        notification=event.answers.hex(),
        notice=event.notice,
        event=event.event.hex(),
        correlation=event.correlation,
        answered=event.answered,
        text=open_written(key, event).text if key else "",
    )


def case_event(row: Archived, event: Upstream | None, catalog: Catalog, unseal: bool) -> CaseEvent:
    """An archived event for a case's timeline; ``event`` is None where its key is gone."""
    kind = catalog.event_types.get(row.type)
    data: dict[str, str] = {}
    if event is not None and kind is not None:
        data = {
            name: _text(event.data[name])
            for name, variable in kind.data.items()
            if name in event.data and (unseal or not variable.personal)
        }
    return CaseEvent(
        key=row.key.hex(),
        at_ms=row.at_ms,
        type=row.type,
        title=kind.doc if kind else "",
        stops=bool(catalog.stopped_by(row.type)),
        data=data,
    )


def _text(value: object) -> str:
    return "、".join(map(str, value)) if isinstance(value, list) else str(value)
