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
    from hub.topics import planned, wrong
    from streams.topic_admin import TopicAdmin
    from streams.topic_plan import shortcomings

    told = settings()
    if not told.kafka:
        fail("HUB_KAFKA names the brokers; a hub without them has no topics to make", MISUSED)
    wanted = planned(told)
    with TopicAdmin(told.kafka) as brokers:
        if not check:
            found = brokers.found([topic.name for topic in wanted])
            brokers.make([topic for topic in wanted if topic.name not in found], told.partitions)
            for topic in wanted:
                if topic.name in found and (better := shortcomings(topic, found[topic.name])):
                    brokers.configure(topic.name, better)
        left = wrong(told, brokers)
    if json:
        say_json({"ok": not any(left.values()), "topics": left})
    else:
        rows = [(name, "; ".join(sentences) or "right") for name, sentences in left.items()]
        table("", ("topic", "is"), rows)
    if any(left.values()):
        raise typer.Exit(REFUSED)
