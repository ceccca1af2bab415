"""An upstream system as a process of its own.

    python -m tests.cluster.upstream_system BROKERS TOPIC

It brings events through the client until its input ends, sends again what was not acknowledged,
and says each answer on a line of JSON: ``{"id", "partition", "offset"}`` or ``{"id", "lost"}``.
"""

import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

from streams.upstream_client import Placed, UpstreamClient

RECIPIENTS = 50


def event(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": f"e{number}", "source": "/fujian/traffic",
        "type": "gov.traffic.violation.paid.v1", "time": "2026-11-24T09:40:00+08:00",
        "subject": f"王-{number % RECIPIENTS}", "data": {"violation_no": str(number)},
    }  # fmt: skip


def bring(client: UpstreamClient, sent: list[dict[str, Any]], enough: threading.Event) -> None:
    def fresh() -> Iterator[dict[str, Any]]:
        while not enough.is_set():
            sent.append(event(len(sent)))
            yield sent[-1]

    waiting = said(sent, client.publish(fresh()))
    while waiting:
        waiting = said(waiting, client.publish(waiting))


def said(sent: list[dict[str, Any]], answers: Iterator[object]) -> list[dict[str, Any]]:
    """Says each answer; the events that were not acknowledged."""
    waiting = []
    for number, answer in enumerate(answers):
        line: dict[str, Any] = {"id": sent[number]["id"]}
        if isinstance(answer, Placed):
            line |= {"partition": answer.partition, "offset": answer.offset}
        else:
            line["lost"] = str(answer)
            waiting.append(sent[number])
        print(json.dumps(line), flush=True)
    return waiting


if __name__ == "__main__":
    brokers, topic = sys.argv[1:]
    enough = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), enough.set()), daemon=True).start()
    with UpstreamClient(brokers, topic=topic, outstanding_max=500) as client:
        bring(client, [], enough)
