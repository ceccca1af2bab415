"""Sample recipients and a steady stream of sample events, for a hub that runs on the real clock."""

import asyncio
from itertools import islice

import msgspec

from hub.bootstrap import Hub
from hub.sample import SOURCE, Sample, registrations
from hub.sample_people import People
from preferences.changes import CAP_MAX
from streams.core import policy as policies
from streams.core.identity import event_key
from streams.core.policy import Policy

SIZE = 10_000
SEED = 1

BEAT_MS = 250
"""How often events are brought: four times a second looks steady."""

BEHIND_S = 2
"""After a pause (a laptop slept) no more than so many seconds' events are made up for."""

AT_ONCE = 1_000
"""Registrations brought together."""

CHOOSING_AT_ONCE = 100
"""Choices under way together: they share commits."""


async def bring(hub: Hub, per_s: float) -> None:
    """Sample recipients, once; then events at this pace until cancelled."""
    people = await asyncio.to_thread(People, SIZE, SEED)
    if not await _are_there(hub, people):
        await _stay_awake(hub)
        await register(hub, people)
        await choose(hub, people)
    began_ms = hub.clock.now_ms()
    sample = Sample(people, began_ms, f"{began_ms:x}")
    given = 0
    while True:
        now_ms = hub.clock.now_ms()
        owed = int((now_ms - began_ms) * per_s / 1000) - given
        given += owed
        if owed > 0:
            await hub.commands.accept(sample.take(now_ms, min(owed, int(per_s * BEHIND_S) + 1)))
        await hub.clock.sleep_ms(BEAT_MS)


async def _are_there(hub: Hub, people: People) -> bool:
    """Whether the last of them came in already."""
    key = event_key(SOURCE, people.enterprises[-1].ref)
    return bool(await hub.journal.archived([key]))


async def register(hub: Hub, people: People) -> None:
    """Let the sample recipients come in."""
    events = registrations(people, hub.clock.now_ms())
    while batch := list(islice(events, AT_ONCE)):
        await hub.commands.accept(batch)


async def choose(hub: Hub, people: People) -> None:
    """Every sample recipient's own choices, each journalled as theirs."""
    chosen = ((one.ref, choice) for one in people for choice in one.choices)
    while batch := list(islice(chosen, CHOOSING_AT_ONCE)):
        await asyncio.gather(
            *(hub.commands.change_preferences(ref, choice, "sample") for ref, choice in batch)
        )


async def _stay_awake(hub: Hub) -> None:
    """A policy for the sample, unless one was published: no quiet hours but those that recipients
    chose, and caps as wide as they may be. Whoever starts the hub at night sees messages go out,
    and a day's sample traffic does not end at lunch time."""
    before = hub.river.documents.policy
    if before == policies.DEFAULT:
        await hub.commands.publish_policy(policies.dump(awake(before)).decode(), "sample")


def awake(policy: Policy) -> Policy:
    """The next version of a policy, for a sample."""
    classes = {
        name: msgspec.structs.replace(
            rule,
            quiet_from=min(rule.quiet_from, 0),
            quiet_to=min(rule.quiet_to, 0),
            cap=CAP_MAX if rule.cap else 0,
        )
        for name, rule in policy.classes.items()
    }
    return msgspec.structs.replace(policy, version=policy.version + 1, classes=classes)
