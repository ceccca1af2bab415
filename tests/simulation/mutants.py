"""The faults the simulator must find: each a change of the real source, by exact text."""

from typing import NamedTuple


class Patch(NamedTuple):
    """``old``, which must occur exactly once in the module, becomes ``new``."""

    module: str
    old: str
    new: str


class Mutant(NamedTuple):
    """``known`` is a seed that caught it once: rare races are looked for there first. ``test`` is
    the test that catches it where chance hardly ever does."""

    name: str
    patches: tuple[Patch, ...]
    known: int = 0
    test: str = ""


_CORE = "streams.core."
_PIPELINE = "streams.pipeline."
_BED = "tests.simulation.world"
_TAKEN_UP = (
    "        if told.receipts or told.late:\n"
    "            moved = True\n"
    "            overtook = await take_up(self._river, told.receipts, told.late)\n"
    "        if overtook is not None:\n"
)
"""The simulator's own bed: the order of step and acknowledgement is a bed's, not a step's."""


def _one(name: str, module: str, old: str, new: str, known: int = 0, test: str = "") -> Mutant:
    return Mutant(name, (Patch(module, old, new),), known, test)


_RACES = "tests/streams/pipeline/test_races.py::"
_REPLIES = "tests/streams/pipeline/test_replies.py::"
_DISPATCH = "tests/streams/pipeline/test_dispatch.py::"
_SHIFTING = "tests/streams/pipeline/test_shifting.py::"
_STOPS = "tests/streams/pipeline/test_stop_follower.py::"
_FOUND = "tests/streams/pipeline/test_found_by_seeds.py::"


MUTANTS: tuple[Mutant, ...] = (
    _one(
        "retry on time-out",
        _PIPELINE + "answers",
        "return e.Unknown(attempt=attempt, evidence=evidence, moved=was)",
        "return e.NotSent(attempt=attempt, reason=evidence, moved=was)",
    ),
    Mutant(
        "no intent",
        (
            Patch(
                _PIPELINE + "dispatch",
                "    committed = await river.journal.append("
                "Group(units, effects=owned, urgent=lane.urgent))\n"
                "    lanes = river.documents.lanes\n",
                "    committed = Committed((True,) * len(units), (), (), 0)\n"
                "    lanes = river.documents.lanes\n",
            ),
            Patch(
                _PIPELINE + "dispatch",
                "from streams.journal.base import Entry,",
                "from streams.journal.base import Committed, Entry,",
            ),
        ),
    ),
    Mutant(
        "intent after the call",
        (
            Patch(
                _PIPELINE + "dispatch",
                "    committed = await river.journal.append("
                "Group(units, effects=owned, urgent=lane.urgent))\n"
                "    lanes = river.documents.lanes\n",
                "    committed = Committed((True,) * len(units), (), (), 0)\n"
                "    lanes = river.documents.lanes\n",
            ),
            Patch(
                _PIPELINE + "dispatch",
                "from streams.journal.base import Entry,",
                "from streams.journal.base import Committed, Entry,",
            ),
            Patch(
                _PIPELINE + "dispatch",
                "    _learn(river, lane, calls, outcomes)\n",
                "    await river.journal.append(Group([\n"
                "        Unit((_intent(lane, c.record, c.message.call_before_ms),))\n"
                "        for c in calls\n    ], urgent=lane.urgent))\n"
                "    _learn(river, lane, calls, outcomes)\n",
            ),
        ),
    ),
    _one(
        "acknowledge first",
        _BED,
        "            wait_until_ms = await step(records)\n",
        "            topics.acknowledge(partition, generation, records)\n"
        "            wait_until_ms = await step(records)\n",
    ),
    _one(
        "a word is acted on after it was acknowledged",
        _BED,
        "                await serve_replies(river, records)\n                return 0\n",
        "                topics, generation = self.world.topics, partition.generation\n"
        "                topics.acknowledge(partition, generation, records)\n"
        "                await serve_replies(river, records)\n                return 0\n",
    ),
    _one(
        "a word leaves what is queued",
        _PIPELINE + "replies",
        "Group([unit], look=look if done.after else None)",
        "Group([unit])",
        test=_REPLIES + "test_what_waits_on_its_lane_is_not_sent_after_the_word",
    ),
    _one(
        "the answer is not asked for again",
        _PIPELINE + "replies",
        "            return _asking(river, ref, open_written(known.key, again))\n",
        "            return None\n",
    ),
    _one(
        "acknowledge receipts first",
        _PIPELINE + "collecting",
        _TAKEN_UP
        + "            self._held.append(_Held(told.token, overtook))\n"
        + "        elif told.token:\n"
        + "            await self._channel.acknowledge(told.token)\n",
        "        if told.token:\n"
        "            await self._channel.acknowledge(told.token)\n"
        + _TAKEN_UP
        + "            self._held.append(_Held(0, overtook))\n",
    ),
    _one(
        "acknowledge what still waits for its batch",
        _PIPELINE + "collecting",
        "            self._held.append(_Held(told.token, overtook))\n        elif told.token:\n",
        "            self._held.append(_Held(0, overtook))\n        if told.token:\n",
    ),
    Mutant(
        "publish before journal",
        (
            Patch(
                _PIPELINE + "route",
                "        committed = await river.journal.append(\n            Group(\n"
                "                batch.units,\n",
                "        await publish_routed(\n"
                "            river, [(s, x) for s, x in batch.legs.items()"
                " if isinstance(x, e.Routed)]\n"
                "        )\n"
                "        committed = await river.journal.append(\n            Group(\n"
                "                batch.units,\n",
            ),
            Patch(_PIPELINE + "route", "    await publish_routed(river, routed)\n", ""),
        ),
    ),
    _one(
        "assume sent",
        _PIPELINE + "answers",
        "return e.Unknown(attempt=attempt, evidence=evidence, moved=was)",
        'return e.Accepted(attempt=attempt, ref="assumed", moved=was)',
    ),
    _one(
        "client retries",
        _PIPELINE + "dispatch",
        "    _learn(river, lane, calls, outcomes)\n",
        "    if any(isinstance(o, Unknown) for o in outcomes):\n"
        "        outcomes = await lane.channel.send(\n"
        "            lane.name, [c.message for c in calls], CLOSE_MS)\n"
        "    _learn(river, lane, calls, outcomes)\n",
    ),
    _one(
        "random ids",
        _CORE + "identity",
        '    h = digest("leg", event,',
        '    import os\n    h = digest("leg", os.urandom(8), event,',
    ),
    _one(
        "high-water de-duplication",
        _PIPELINE + "route",
        "        if row is None:\n            batch.fresh.append(read)\n",
        '        mark = getattr(river, "mark", 0)\n'
        "        river.mark = max(mark, read.event.at_ms)\n"
        "        if row is None and read.event.at_ms <= mark:\n            continue\n"
        "        if row is None:\n            batch.fresh.append(read)\n",
    ),
    _one(
        "receipt regression",
        _CORE + "lifecycle",
        "    if s.status in (Status.DELIVERED, Status.READ, Status.READY, Status.HELD):\n"
        "        return\n    if x.attempt == s.attempt and x.then",
        "    if x.attempt == s.attempt and x.then",
    ),
    _one(
        "drop on conflict",
        _PIPELINE + "dispatch",
        "    if lost:\n        await resume_streams(river, lost)\n",
        "",
        test=_RACES + "test_an_intent_whose_worker_died_is_unknown_in_minutes",
    ),
    _one(
        "nothing for an event that came before",
        _PIPELINE + "route",
        "    await _see_to(river, batch)\n",
        "",
    ),
    _one(
        "judge by the last event",
        _CORE + "lifecycle",
        'return Need("timer", state.call_before_ms + policy.answer_ms)',
        'return Need("timer", state.touched_ms)',
    ),
    _one(
        "DO NOTHING for facts",
        _PIPELINE + "dispatch",
        "        if not won:\n"
        "            slow.append(Answer(call.record.stream, call.intent, outcome, lane.name))\n",
        "        if not won:\n            continue\n",
    ),
    _one(
        "renumber a decision",
        _PIPELINE + "tick",
        "    await resume_streams(river, [*states, *(",
        "        if lost:\n"
        "            top = await river.journal.read(list(lost))\n"
        "            rows = [u.rows[0] for u in units if u.rows[0].stream in top]\n"
        "            await river.journal.append(Group([\n"
        "                Unit((r._replace(version=top[r.stream][-1].version + 1),)) for r in rows\n"
        "            ]))\n"
        "    await resume_streams(river, [*states, *(",
    ),
    _one(
        "one chain for all legs",
        _CORE + "notices",
        "name = stream_id(event.at_ms, event.key, notice.id, ref, occasion, leg)",
        "name = stream_id(event.at_ms, event.key, notice.id, ref, occasion)",
    ),
    _one(
        "delete the timer before the publish",
        _PIPELINE + "tick",
        "    lost = await look_at(river, timers)\n",
        "    await river.journal.delete_timers(timers)\n    lost = await look_at(river, timers)\n",
    ),
    _one(
        "read before write for stops",
        _PIPELINE + "route",
        "    late = _late_findings(river, reader, batch, position)\n",
        "    late: list[Unit] = []\n",
    ),
    _one(
        "read before write for choices",
        _PIPELINE + "route",
        "    redecided += redecide_overtaken(river, reader, legs, batch.changed, batch.now_ms)\n",
        "",
        test=_RACES + "test_what_is_refused_while_it_is_routed_is_not_sent",
    ),
    _one(
        "caps count what was suppressed",
        _PIPELINE + "deciding",
        '    if verdict.kind == "send" and river.documents.policy.classes[head.cls].cap:\n',
        "    if river.documents.policy.classes[head.cls].cap:\n",
    ),
    _one(
        "event time as identity",
        _CORE + "notices",
        "        event_key(source, event_id), event_type,",
        '        event_key(source, f"{event_id}@{at_ms}"), event_type,',
    ),
    _one(
        "drop orphan receipts",
        _PIPELINE + "receive",
        "    await _park(river, [Parked(r, now_ms, now_ms + RETRY_MS, 0, whole) for r, whole in "
        "strangers])\n",
        "",
    ),
    _one(
        "Cancelled terminal over an open intent",
        _CORE + "lifecycle",
        "    if s.status in (Status.HELD, Status.READY, Status.BACKOFF):\n        s.reason",
        "    if s.status in (Status.HELD, Status.READY, Status.BACKOFF, Status.OPEN):\n"
        "        s.reason",
    ),
    _one(
        "resend erases UNKNOWN",
        _CORE + "lifecycle",
        "    s.status = Status.READY\n\n\ndef _held",
        "    s.status = Status.READY\n    s.unknown.clear()\n\n\ndef _held",
    ),
    _one(
        "no epoch check",
        "streams.lane_owner",
        "        if mine.scalar() is None:\n",
        "        if mine.scalar() == -1:\n",
    ),
    _one(
        "rate ÷ partitions owned",
        "channels.pacer",
        "rate_per_s * 1_000 * percent // (100 * partitions))",
        "rate_per_s * 1_000 * percent // 100)",
    ),
    _one(
        "sweep closes before it escalates",
        _PIPELINE + "sweep",
        "        if _silent(river, state, now_ms):\n            assert",
        "        if _silent(river, state, now_ms) and state.status is Status.ACCEPTED:\n"
        "            yield Unit((entry(stream, state.version + 1, e.NoReceipt(\n"
        "                attempt=state.attempt, moved=moved(state))),))\n"
        "            continue\n"
        "        if _silent(river, state, now_ms):\n            assert",
    ),
    _one(
        "escalates whatever is under way",
        _PIPELINE + "sweep",
        "    if not may_escalate(state):\n        return False\n",
        "",
    ),
    _one(
        "shift moves an open intent",
        _PIPELINE + "shifting",
        "state.status is Status.READY and state.version == record.version",
        "not state.terminal",
    ),
    _one(
        "shift uncapped",
        _PIPELINE + "dispatch",
        "    may = lane.drip.allow(now_ms, per_s * 1_000 // lane.partitions)\n",
        "    may = len(waiting)\n",
        test=_SHIFTING + "test_a_lane_that_goes_dark_under_load_loses_its_work_and_gets_it_back",
    ),
    _one(
        "pause ignored",
        _PIPELINE + "dispatch",
        "        if lanes.is_paused(lane.name):\n            return 0\n",
        "",
    ),
    _one(
        "shift leaves what it moved unpublished",
        _PIPELINE + "shifting",
        "    await resume_streams(river, sorted({stream for stream, _ in gone}))\n",
        "",
    ),
    _one(
        "silence is no error",
        _PIPELINE + "dispatch",
        "        lane.breaker.record(now_ms, silent, silent)\n",
        "        pass\n",
        test=_SHIFTING + "test_a_lane_that_goes_dark_under_load_loses_its_work_and_gets_it_back",
    ),
    _one(
        "a carrier that does not answer is given more",
        _PIPELINE + "dispatch",
        "most = min(lane.turns.most(BATCH), lane.reach, river.unanswered.room(lane.name))",
        "most = min(lane.turns.most(BATCH), lane.reach)",
        test=_SHIFTING + "test_what_is_not_answered_makes_no_room_for_more",
    ),
    # stops of more legs than one transaction cancels
    _one(
        "a long stop ends with its own transaction",
        _PIPELINE + "route",
        "    return [*units.values(), *going_on, *redecided]\n",
        "    return [*units.values(), *redecided]\n",
    ),
    _one(
        "a long stop forgets its next page",
        _PIPELINE + "stop_follower",
        "    if len(legs) == PAGE:\n",
        "    if len(legs) > PAGE:\n",
    ),
    Mutant(
        "a page's timer is deleted before the page",
        (
            Patch(
                _PIPELINE + "tick",
                "    await follow_stops(river, [t for t in timers if t.kind.startswith(STOP)])\n",
                "",
            ),
            Patch(
                _PIPELINE + "tick",
                "    await river.journal.delete_timers([t for t in timers if t.stream not in lost])"
                "\n",
                "    await river.journal.delete_timers([t for t in timers if t.stream not in lost])"
                "\n    await follow_stops(river, [t for t in timers if t.kind.startswith(STOP)])"
                "\n",
            ),
        ),
        test=_STOPS + "test_it_goes_on_where_it_died",
    ),
    _one(
        "a page is read before it is cancelled",
        _PIPELINE + "stop_follower",
        "    def look(reader: Reader) -> list[Unit]:\n"
        "        return cancel_legs(river, reader, {leg: [stop] for leg in legs})\n\n"
        "    await river.journal.append(Group(look=look))\n",
        "    from types import SimpleNamespace\n\n"
        "    rows = await river.journal.read(legs)\n"
        "    reader = SimpleNamespace(read=lambda asked: rows)\n"
        "    units = cancel_legs(river, reader, {leg: [stop] for leg in legs})\n"
        "    await river.journal.append(Group(units))\n",
        test=_STOPS + "test_what_moves_on_while_its_page_is_read_is_cancelled_all_the_same",
    ),
    _one(
        "every worker asks for the next page",
        _PIPELINE + "stop_follower",
        "go_on(stop.stream, legs[-1], timer.due_ms)",
        "go_on(stop.stream, legs[-1], river.clock.now_ms())",
        test=_STOPS + "test_workers_that_see_to_the_same_page_ask_for_the_next_one_once",
    ),
    # what people write back
    Mutant(
        "a word is acknowledged before it is kept",
        (
            Patch(
                _PIPELINE + "collecting",
                "        await receive_replies(self._river, told.replies)\n",
                "",
            ),
            Patch(
                _PIPELINE + "collecting",
                "            await self._channel.acknowledge(told.token)\n        rest_ms",
                "            await self._channel.acknowledge(told.token)\n"
                "        await receive_replies(self._river, told.replies)\n        rest_ms",
            ),
        ),
    ),
    _one(
        "a word that comes again is another",
        _PIPELINE + "replies",
        "        if event.reply == name:\n            return event\n    if reply.ref:\n",
        "        pass\n    if reply.ref:\n",
    ),
    _one(
        "a word overtaken by a choice is dropped",
        _PIPELINE + "replies",
        "    if not committed.won[0]:\n        raise _Overtaken\n",
        "    if not committed.won[0]:\n        return None\n",
        test=_REPLIES + "test_a_choice_made_while_a_word_is_served_stands_beside_it",
    ),
    _one(
        "a word is judged on older choices",
        _PIPELINE + "replies",
        "        rows = (await river.journal.read([stream])).get(stream, []) if ref else []\n"
        "        # read after the rows: whoever chooses meanwhile takes the version\n"
        "        known = (await river.people.load([ref])).get(ref) if ref else None\n",
        "        known = (await river.people.load([ref])).get(ref) if ref else None\n"
        "        rows = (await river.journal.read([stream])).get(stream, []) if ref else []\n",
        test=_REPLIES + "test_a_word_is_judged_anew_after_the_choice_that_overtook_it",
    ),
    _one(
        "a word stops what somebody else was sent",
        _PIPELINE + "answered",
        "if known is not None and _went_to(known.key, one, reply.source):",
        "if known is not None:",
        test=_REPLIES + "test_a_message_to_somebody_else_cannot_be_named",
    ),
    _one(
        "machines answer each other for ever",
        _PIPELINE + "replies",
        'if done.name == "passed_on" or not told or lately >= ANSWERS_AN_HOUR:',
        'if done.name == "passed_on" or not told:',
        test=_REPLIES + "test_two_machines_that_answer_each_other_fall_silent",
    ),
    # what the simulator found itself, so that it stays found
    _one(
        "a deferred escalation forgets its channel",
        _CORE + "lifecycle",
        "        s.tried.add(s.route.channel)  # the facts name no channel of whom nobody knows\n"
        "    s.tried.update(c.channel for c in x.facts.channels if c.tried)\n",
        "        pass\n",
    ),
    _one(
        "a stop passes by what may escalate",
        _PIPELINE + "stopping",
        "(state.terminal and not may_escalate(state))",
        "state.terminal",
    ),
    _one(
        "a call may start after its window",
        _PIPELINE + "dispatch",
        "deadlines = [min(before_ms, _last_ms(r)) for r in batch]",
        "deadlines = [before_ms for r in batch]",
        test=_DISPATCH + "test_no_call_starts_after_the_window_or_the_expiry",
    ),
    _one(
        "a leg stands in its own way",
        _PIPELINE + "tick",
        "    own = int(counts_today(state, known, now_ms))\n",
        "    own = 0\n",
    ),
    _one(
        "who is handed over to has no timer",
        _PIPELINE + "tick",
        "timers=(*unit.timers, own)",
        "timers=unit.timers",
        known=335,
    ),
    _one(
        "who is handed over to may be settled",
        _PIPELINE + "tick",
        "                    *settle_opened(river, reader, opened),\n",
        "",
    ),
    _one(
        "a choice leaves what is ready",
        _PIPELINE + "stopping",
        "        if state.status is Status.READY:\n            units.append(held_back(",
        "        if state.status is Status.NEW:\n            units.append(held_back(",
    ),
)

RARE: tuple[Mutant, ...] = (
    _one(
        "any fact decides",
        _PIPELINE + "answers",
        "    if state.status is not before:\n        decision =",
        "    if state.head:\n        decision =",
        test=_FOUND + "test_an_answer_that_comes_after_its_report_decides_nothing",
    ),
    _one(
        "drop on conflict, when routing",
        _PIPELINE + "route",
        "    if lost:\n        await resume_streams(river, lost)\n",
        "",
        test=_RACES + "test_who_loses_a_race_sees_to_what_the_winner_did_not_live_to_publish",
    ),
    _one(
        "no cap looks again",
        _PIPELINE + "caps",
        "if counts.get(k, 0) > _cap(river, h, people)]",
        "if counts.get(k, 0) > 99]",
        test=_RACES + "test_two_workers_that_both_found_room_do_not_pass_a_cap_together",
    ),
    _one(
        "a timer that lost is deleted",
        _PIPELINE + "tick",
        "[t for t in timers if t.stream not in lost]",
        "timers",
        test=_FOUND + "test_a_timer_whose_decision_lost_stays_to_be_served_again",
    ),
    _one(
        "DO NOTHING for facts, when answered late",
        _PIPELINE + "answers",
        "        later += [a for a, ok in zip(asked, committed.won, strict=True) if not ok]\n",
        "",
        test=_RACES + "test_of_two_facts_at_once_both_are_kept",
    ),
    Mutant(
        "recompute on redelivery",
        (
            Patch(
                _PIPELINE + "route",
                "            batch.again.append(read._replace(",
                "            batch.fresh.append(read._replace(",
            ),
            Patch(
                _PIPELINE + "route",
                "        if not won:\n            lost.append(stream)\n"
                "        elif isinstance(event, e.Routed):\n",
                "        if isinstance(event, e.Routed):\n",
            ),
        ),
        test=_RACES + "test_an_event_that_comes_again_is_not_decided_again",
    ),
    _one(
        "shift moves what may have been taken",
        _PIPELINE + "shifting",
        "    moving = {stream: state for stream, state in ready.items() if not state.unknown}\n",
        "    moving = ready\n",
        test=_RACES + "test_what_may_have_been_taken_stays_with_its_lane",
    ),
)
"""Races that thousands of seeds do not meet. Each is staged by a test, which must fail on it."""
