"""All that `docker-compose.yml` describes, at work: what comes in is delivered and shown, and every
command of the hub works there as it does on a folder."""

import json
import shutil
import subprocess
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from channels.sandbox import read_ledger
from hub.clock import Rehearsal
from hub.folder import LEDGER
from templates.catalog_files import SEED
from tests.cluster.native import Cluster, command_of, running, surroundings
from tests.cluster.processes import until

pytestmark = pytest.mark.cluster

TEN = datetime.fromisoformat("2026-11-24T10:00:00+08:00")
"""The cluster's time: at night most of this would wait for the morning."""

SOON_S = 120
"""From an event to its receipt it takes two seconds, on a machine that does nothing else."""

PEOPLE = ["ref,kind,name,phone,region"] + [
    f"W{i},person,王丽,1381234000{i},350100" for i in range(1, 8)
]


class Ended:
    """How a command ended, and what it said."""

    def __init__(self, told: "subprocess.CompletedProcess[str]") -> None:
        self.code = told.returncode
        self.out = told.stdout
        self.err = told.stderr

    @property
    def json(self) -> Any:
        assert self.out, self.err
        return json.loads(self.out.splitlines()[-1])


class Whole:
    """The cluster, and a shell that has read its environment."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._environment = surroundings(cluster.environment_of(cluster.services["web"]))

    def hub(self, *arguments: str, given: str = "") -> Ended:
        return Ended(
            subprocess.run(
                command_of(arguments), env=self._environment, input=given, text=True,
                capture_output=True, check=False,
            )
        )  # fmt: skip

    def key(self, scope: str = "events") -> str:
        return str(self.hub("key", "create", scope, "--scope", scope, "--json").json["key"])

    def post(self, key: str, event: Mapping[str, Any]) -> tuple[int, Any]:
        """By the door; the status and the answer."""
        request = urllib.request.Request(
            f"{self.cluster.url}/v1/events",
            json.dumps(event).encode(),
            {"authorization": f"Bearer {key}", "content-type": "application/cloudevents+json"},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def page(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.cluster.url}{path}") as answer:
            text: str = answer.read().decode()
            return text

    def history(self, ref: str) -> list[dict[str, Any]]:
        answer = self.hub("history", ref, "--json")
        if f"nothing is known of {ref}" in answer.err:
            return []
        assert answer.code == 0, answer.err
        legs: list[dict[str, Any]] = answer.json
        return legs

    def ended(self, ref: str, count: int = 1) -> list[dict[str, Any]]:
        """What somebody was told, once so many notifications have come to an end."""
        legs: list[dict[str, Any]] = []

        def over() -> bool:
            legs[:] = [leg for leg in self.history(ref) if leg["status"] in ENDS]
            return len(legs) == count

        assert until(over, SOON_S), f"{ref} was told {self.history(ref)}"
        return legs


ENDS = ("delivered", "undelivered", "suppressed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    clock = tmp_path_factory.mktemp("rehearsal") / "clock"
    Rehearsal.set(clock, int(TEN.timestamp() * 1000), 1.0)
    with running({"HUB_PARTITIONS": "2"}, {"HUB_CLOCK": str(clock)}) as cluster:
        whole = Whole(cluster)
        came = whole.hub("recipients", "import", "-", "--json", given="\n".join(PEOPLE))
        assert came.json["accepted"] == len(PEOPLE) - 1
        yield whole
        cluster.stop()
        codes = {name: one.wait() for name, one in cluster.workers.items()}
        assert codes == dict.fromkeys(codes, 0), "each ends in order"


def violation(number: int, subject: str, **changed: Any) -> dict[str, Any]:
    data = {
        "violation_no": f"{number:016d}", "plate": "闽A12345", "occurred_at": TEN.isoformat(),
        "place": "五四路与湖东路交叉口", "offence": "机动车违反禁止标线指示", "fine": 20000,
        "points": 1,
    }  # fmt: skip
    return {
        "specversion": "1.0", "id": f"v{number}", "source": "/traffic", "subject": subject,
        "type": "gov.traffic.violation.recorded.v1", "time": TEN.isoformat(), "data": data,
        **changed,
    }  # fmt: skip


def publish(whole: Whole, *events: object) -> Ended:
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    return whole.hub("publish", "-", "--json", given=lines)


# From end to end ----------------------------------------------------------------------------------


def test_every_service_says_that_it_is_ready(whole: Whole) -> None:
    stays = {name for name, one in whole.cluster.services.items() if one.is_ours and not one.ends}
    assert {name: one.wrong() for name, one in whole.cluster.workers.items()} == dict.fromkeys(
        stays, ""
    )


def test_an_event_that_comes_over_http_is_delivered_and_the_page_says_so(whole: Whole) -> None:
    status, answer = whole.post(whole.key(), violation(1, "W1"))
    assert (status, answer["accepted"]) == (202, 1)
    [leg] = whole.ended("W1")
    assert leg["status"] == "delivered"
    taken = [one.attempt for one in read_ledger(whole.cluster.folder / "data" / LEDGER)]
    assert [attempt for attempt in taken if attempt.startswith(leg["stream"])] != []
    assert "已送达" in whole.page(f"/notifications/{leg['stream']}")
    assert "Delivered" in whole.page(f"/notifications/{leg['stream']}?lang=en")
    assert f"/notifications/{leg['stream']}" in whole.page("/")


def test_the_same_event_again_is_told_to_nobody(whole: Whole) -> None:
    status, answer = whole.post(whole.key(), violation(1, "W1"))
    assert (status, answer["duplicate"]) == (202, 1)


# Commands -----------------------------------------------------------------------------------------


def test_publish_history_and_explain(whole: Whole) -> None:
    came = publish(whole, violation(2, "W2"), violation(3, "W2", type="no.such.type.v1"))
    assert (came.code, came.json["accepted"], came.json["refused"]) == (1, 1, 1)
    [leg] = whole.ended("W2")
    assert leg["status"] == "delivered"
    story = whole.hub("explain", leg["stream"], "--language", "en")
    assert story.code == 0, story.err
    assert "sms-cmcc" in story.out


def test_report_counts_what_the_journal_holds(whole: Whole) -> None:
    assert publish(whole, violation(6, "W3")).code == 0
    whole.ended("W3")

    def agrees() -> bool:
        return whole.hub("report", "--recount").code == 0

    assert until(agrees, SOON_S), "the read models follow within a second"
    assert whole.hub("report", "--json").json["by_notice"]["violation-recorded"]["delivered"] > 0


def test_a_key_opens_the_door_until_it_is_revoked(whole: Whole) -> None:
    key = whole.key()
    assert whole.post(key, violation(1, "W1"))[0] == 202
    name = key.split("_")[2]
    assert name in {one["id"] for one in whole.hub("key", "list", "--json").json}
    assert whole.hub("key", "revoke", name).code == 0
    assert whole.post(key, violation(1, "W1"))[0] == 401


def test_what_is_in_quarantine_is_mended_or_dropped(whole: Whole, tmp_path: Path) -> None:
    key = whole.key()
    for number in (4, 5):
        assert whole.post(key, violation(number, "W4", data={}))[0] == 400
    shown: list[dict[str, Any]] = []

    def both() -> bool:
        shown[:] = whole.hub("quarantine", "list", "--json").json
        return len(shown) == 2

    assert until(both, SOON_S), shown
    by_event = {
        json.loads(whole.hub("quarantine", "show", one["id"]).out)["id"]: one["id"] for one in shown
    }
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(violation(4, "W4")), encoding="utf-8")
    again = whole.hub("quarantine", "replay", by_event["v4"], "--file", str(mended), "--json")
    assert again.json["status"] == "accepted"
    assert whole.ended("W4")[0]["status"] == "delivered"
    dropped = whole.hub("quarantine", "drop", by_event["v5"], "--reason", "试验", "--json")
    assert dropped.json["state"] == "dropped"


def test_wording_that_is_published_is_what_is_said_from_then_on(
    whole: Whole, tmp_path: Path
) -> None:
    draft = tmp_path / "violation-recorded"
    shutil.copytree(SEED / draft.name, draft)
    body = draft / "zh.sms.j2"
    body.write_text(body.read_text(encoding="utf-8").replace("您的车辆", "你的车辆"))
    assert publish(whole, violation(7, "W5")).code == 0
    whole.ended("W5")
    dry = whole.hub("replay", "--dry", "--wording", str(draft), "--json").json["summary"]
    assert dry["messages"] >= dry["changed"] > 0
    assert dry["findings"] == []
    assert whole.hub("wording", "publish", str(draft), "--json").json["wording"].endswith("@2")
    numbers = count(100)

    def is_said() -> bool:
        """By routers, within a second."""
        number = next(numbers)
        assert publish(whole, violation(number, "W5")).code == 0
        newest, *_ = whole.ended("W5", number - 98)
        return "你的车辆" in whole.page(f"/notifications/{newest['stream']}")

    assert until(is_said, SOON_S)


def test_a_policy_that_is_published_decides_from_then_on(whole: Whole, tmp_path: Path) -> None:
    shown = whole.hub("policy", "show")
    assert publish(whole, violation(8, "W6")).code == 0
    whole.ended("W6")
    draft = tmp_path / "policy.toml"
    draft.write_text(shown.out.replace("version = 1", "version = 2", 1), encoding="utf-8")
    again = whole.hub("replay", "--dry", "--policy", str(draft), "--json")
    assert (again.code, again.json["summary"]["differences"]) == (0, 0), again.err
    assert again.json["summary"]["decisions"] > 0
    assert whole.hub("policy", "publish", str(draft), "--json").json == {"policy": 2}
    assert tomllib.loads(whole.hub("policy", "show").out)["version"] == 2


def test_the_journal_is_whole_and_the_read_models_can_be_made_again(whole: Whole) -> None:
    assert publish(whole, violation(9, "W7")).code == 0
    whole.ended("W7")
    told = whole.hub("verify", "--json")
    assert (told.code, told.json["faults"]) == (0, [])
    assert min(whole.hub("rebuild", "--json").json.values()) >= told.json["rows"]


def test_the_doctor_finds_nothing_wrong(whole: Whole) -> None:
    told = whole.hub("doctor", "--json")
    assert told.code == 0, told.out
    states = {one["name"]: one["state"] for one in told.json}
    assert states == dict.fromkeys(
        (
            "python", "packages", "keys", "clock", "lanes", "database", "topics", "pages",
            "sandbox",
        ),
        "good",
    )  # fmt: skip


def test_a_hub_of_one_process_does_not_run_on_a_cluster(whole: Whole) -> None:
    refused = whole.hub("up")
    assert (refused.code, refused.out) == (2, "")
    assert "hub worker" in refused.err
