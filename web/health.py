"""For machines that watch: is it alive, is it ready, and the numbers."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from litestar import Response, get
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from streams.journal.schema import projection_checkpoint
from streams.patience import away
from streams.reading import Reading
from streams.views import Parts
from web.site import Here, Site

BEHIND_MAX = 100_000
"""Rows that the read models may be behind before this process calls itself not ready: pages that
are minutes old must not be taken for the truth."""

OUTCOMES = ("delivered", "undelivered", "suppressed", "unconfirmed", "expired", "cancelled")


@get("/healthz", include_in_schema=False, sync_to_thread=False)
def alive() -> dict[str, str]:
    """This process answers; nothing more is said."""
    return {"status": "ok"}


@get("/readyz", include_in_schema=False)
async def ready(site: Here) -> Response[dict[str, Any]]:
    """Whether to send requests here: the journal is read, and the read models keep up."""
    try:
        behind = await asyncio.to_thread(_behind, site)
    except Exception as error:
        if not (said := away(error)):
            raise
        return _not_ready(said)
    if behind > BEHIND_MAX:
        return _not_ready(f"the read models are {behind:,} rows behind the journal")
    if wrong := site.hub.wrong():
        return _not_ready(*wrong)
    return Response({"status": "ok", "wrong": [*site.hub.notes()]})


def _not_ready(*sentences: str) -> Response[dict[str, Any]]:
    return Response({"status": "wrong", "wrong": [*sentences]}, status_code=503)


def _behind(site: Site) -> int:
    """How many rows the slowest read model has not taken in."""
    slowest = select(func.min(projection_checkpoint.c.pos))
    with site.hub.store.readers.connect() as connection:
        reached = connection.scalar(slowest)
    head = site.hub.store.head()
    return head - (head if reached is None else reached)


@get("/metrics", include_in_schema=False, media_type=CONTENT_TYPE_LATEST)
async def metrics(site: Here) -> bytes:
    """Where everything stands, for Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Standing(site))
    return await asyncio.to_thread(generate_latest, registry)


class _Standing(Collector):
    """The read models as metrics: they are durable, so a restart does not reset them."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        reading: Reading = self._site.reading
        yield _gauge(
            "fenghuo_notifications",
            "Notifications by where they stand",
            ["category"],
            reading.standing().categories.items(),
        )
        report = reading.report()
        yield _outcomes("channel", report.by_channel)
        yield _outcomes("carrier", report.by_carrier)
        yield _outcomes("notice", report.by_notice)
        waiting = ((topic, count) for topic, (count, _) in reading.backlog().items())
        yield _gauge("fenghuo_backlog", "Records that wait on a topic", ["topic"], waiting)
        swept = reading.swept(0)
        yield _gauge(
            "fenghuo_swept",
            "What the hourly looks did; of what they caught, more than none is an alarm",
            ["what"],
            swept._asdict().items(),
        )


def _gauge(
    name: str, doc: str, labels: list[str], values: Iterable[tuple[str, int]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, doc, labels=labels)
    for label, value in values:
        family.add_metric([label], value)
    return family


def _outcomes(by: str, parts: Mapping[str, Parts]) -> CounterMetricFamily:
    """Notifications of one kind by what became of them; those still in flight are no outcome."""
    family = CounterMetricFamily(
        f"fenghuo_outcomes_by_{by}", f"Notifications ended, by {by}", labels=[by, "outcome"]
    )
    for name, one in parts.items():
        for outcome in OUTCOMES:
            family.add_metric([name, outcome], getattr(one, outcome))
    return family
