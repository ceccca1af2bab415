"""What carriers report, and topics that keep what is published, for the tests of both."""

from collections.abc import Mapping, Sequence

from channels.base import Receipt
from streams.topics import Record

LANE = "sms-cmcc"


class Kept:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        for topic, records in batches.items():
            self.records.setdefault(topic, []).extend(records)


def receipt(ref: str, lane: str = LANE) -> Receipt:
    """It was delivered."""
    return Receipt(lane, ref, "delivered", "DELIVRD", 7)
