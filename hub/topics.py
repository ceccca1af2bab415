"""The topics that the hub of some settings needs, and what is wrong with those there are."""

from hub.bootstrap import documents
from hub.settings import Settings
from streams.topic_admin import TopicAdmin
from streams.topic_plan import Topic, differences, plan


def planned(settings: Settings) -> list[Topic]:
    """One for each step between two workers, kept longer than any notice is valid."""
    seed = documents(settings)
    longest_ms = max(notice.expiry_ms for notice in seed.catalog.notices.values())
    return plan([lane.name for lane in seed.lanes], longest_ms)


def wrong(settings: Settings, brokers: TopicAdmin) -> dict[str, list[str]]:
    """Sentences about each of them, by its name; none of one that is right."""
    topics = planned(settings)
    found = brokers.found([topic.name for topic in topics])
    return {
        topic.name: differences(topic, settings.partitions, found.get(topic.name))
        for topic in topics
    }
