"""``hub topics``: the topics of a cluster, made and checked."""

from typing import Annotated

import typer

from hub.commands.console import MISUSED, REFUSED, Json, fail, say_json, settings, table


def topics(
    check: Annotated[bool, typer.Option("--check", help="Only look; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Make the topics that are missing, mend what they keep too briefly, and say what is wrong.

    Ends with 1 while something is: the number of partitions cannot be mended, since a recipient's
    partition depends on it.
    """
    from hub.bootstrap import documents
    from streams.topic_admin import TopicAdmin
    from streams.topic_plan import differences, plan, shortcomings

    told = settings()
    if not told.kafka:
        fail("HUB_KAFKA names the brokers; a hub without them has no topics to make", MISUSED)
    seed = documents(told)
    longest_ms = max(notice.expiry_ms for notice in seed.catalog.notices.values())
    planned = plan([lane.name for lane in seed.lanes], longest_ms)
    names = [topic.name for topic in planned]
    with TopicAdmin(told.kafka) as brokers:
        found = brokers.found(names)
        if not check:
            brokers.make([topic for topic in planned if topic.name not in found], told.partitions)
            for topic in planned:
                if topic.name in found and (wanted := shortcomings(topic, found[topic.name])):
                    brokers.configure(topic.name, wanted)
            found = brokers.found(names)
    wrong = {t.name: differences(t, told.partitions, found.get(t.name)) for t in planned}
    if json:
        say_json({"ok": not any(wrong.values()), "topics": wrong})
    else:
        rows = [(name, "; ".join(sentences) or "right") for name, sentences in wrong.items()]
        table("", ("topic", "is"), rows)
    if any(wrong.values()):
        raise typer.Exit(REFUSED)
