"""The door for upstream systems, over a real hub."""

import json

import httpx

from streams.topics import EVENTS, TopicsUnavailable
from tests.web.world import World, registered, violation
from web.api import BODY_MAX
from web.keys import Pace

STRUCTURED = "application/cloudevents+json"


async def post(there: World, body: bytes, kind: str = STRUCTURED, **headers: str) -> httpx.Response:
    sent = {"authorization": f"Bearer {there.key()}", "content-type": kind, **headers}
    return await there.client.post("/v1/events", content=body, headers=sent)


def waiting(there: World) -> int:
    return there.hub.topics.backlog().get(EVENTS, (0, 0))[0]


def as_json(event: dict[str, object]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


class TestAccepting:
    async def test_structured(self, still):
        answer = await post(still, as_json(registered("P1")))
        assert answer.status_code == 202
        body = answer.json()
        assert (body["accepted"], body["refused"], body["error"]) == (1, 0, None)
        assert len(body["results"][0]["event"]) == 32
        assert waiting(still) == 1

    async def test_binary(self, still):
        event = violation("P1", 1)
        data = event.pop("data")
        headers = {f"ce-{name}": str(value) for name, value in event.items()}
        answer = await post(still, as_json(data), "application/json", **headers)
        assert answer.status_code == 202, answer.text
        assert waiting(still) == 1

    async def test_batch_and_plain_json(self, still):
        events = [registered("P1"), violation("P1", 1)]
        for kind in ("application/cloudevents-batch+json", "application/json"):
            answer = await post(still, json.dumps(events).encode(), kind)
            assert answer.status_code == 202
        # the second time they were known
        assert [item["status"] for item in answer.json()["results"]] == ["duplicate"] * 2
        assert waiting(still) == 2

    async def test_some_of_a_batch(self, still):
        bad = violation("P1", 2) | {"type": "gov.traffic.unheard-of.v1"}
        answer = await still.bring(violation("P1", 1), bad)
        assert answer.status_code == 202
        results = answer.json()["results"]
        assert [item["status"] for item in results] == ["accepted", "refused"]
        assert results[1]["error"]["field"] == "type"


class TestRefusing:
    async def test_the_field_is_named(self, still):
        for change, field in (
            ({"time": None}, "time"),
            ({"time": "yesterday"}, "time"),
            ({"type": "gov.unheard-of.v1"}, "type"),
            ({"specversion": "0.3"}, "specversion"),
            ({"priority": "high"}, "priority"),
            ({"data": {"plate": "x" * 1_000_000}}, "event"),
            ({"data": {"plate": "【中国银行】"}}, "data.violation_no"),
        ):
            event = {k: v for k, v in (violation("P1", 1) | change).items() if v is not None}
            answer = await post(still, as_json(event))
            assert answer.status_code == 400
            assert answer.json()["error"]["field"] == field
        assert waiting(still) == 0

    async def test_a_forged_signature_in_a_value(self, still):
        event = violation("P1", 1)
        event["data"]["plate"] = "闽A【中国银行】"
        answer = await post(still, as_json(event))
        assert answer.json()["error"]["field"] == "data.plate"

    async def test_malformed(self, still):
        for body in (b"", b"{", b"nonsense", b"\xff\xfe", b"[1,", b"null"):
            for kind in (STRUCTURED, "application/json", "application/cloudevents-batch+json"):
                answer = await post(still, body, kind)
                assert answer.status_code == 400
                assert answer.json()["error"]["field"] == "event"

    async def test_the_same_id_with_other_content(self, still):
        await post(still, as_json(violation("P1", 1)))
        answer = await post(still, as_json(violation("P2", 1)))
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] == "id"

    async def test_another_content_type(self, still):
        for kind in ("text/plain", "application/xml", "multipart/form-data", ""):
            answer = await post(still, as_json(registered("P1")), kind)
            assert answer.status_code == 415
            assert "cloudevents" in answer.json()["error"]["expected"]


class TestKeys:
    async def test_no_good_key(self, still):
        for authorization in ("", "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer fh_live_a_b"):
            answer = await still.client.post(
                "/v1/events",
                content=as_json(registered("P1")),
                headers={"authorization": authorization, "content-type": STRUCTURED},
            )
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["field"] == "authorization"
        assert waiting(still) == 0

    async def test_an_operators_key_brings_no_events(self, still):
        answer = await post(still, b"{}", authorization=f"Bearer {still.key('operator')}")
        assert answer.status_code == 401

    async def test_an_expired_key(self, still):
        answer = await post(still, b"{}", authorization=f"Bearer {still.key(expires_in_ms=0)}")
        assert answer.status_code == 401

    async def test_too_much_with_one_key(self, still):
        still.app.state.site.pace = Pace(per_s=1, burst=2)
        authorization = f"Bearer {still.key()}"
        for number, status in ((1, 202), (2, 202), (3, 429)):
            body = as_json(violation("P1", number))
            answer = await post(still, body, authorization=authorization)
            assert answer.status_code == status
        assert int(answer.headers["retry-after"]) == 1
        assert waiting(still) == 2
        assert (await post(still, as_json(violation("P1", 3)))).status_code == 202


class TestLimits:
    async def test_an_announced_body_is_refused_unread(self, still):
        async def never():
            raise AssertionError("it was read")
            yield b""

        answer = await still.client.post(
            "/v1/events",
            content=never(),
            headers={
                "authorization": f"Bearer {still.key()}",
                "content-type": STRUCTURED,
                "content-length": str(BODY_MAX + 1),
            },
        )
        assert answer.status_code == 413
        error = answer.json()["error"]
        assert (error["field"], str(BODY_MAX) in error["expected"]) == ("body", True)

    async def test_a_body_that_only_turns_out_too_large(self, still):
        sent = 0

        async def pieces():
            nonlocal sent
            for _ in range(100):
                sent += 1
                yield b" " * (BODY_MAX // 10)

        headers = {"authorization": f"Bearer {still.key()}", "content-type": STRUCTURED}
        answer = await still.client.post("/v1/events", content=pieces(), headers=headers)
        assert answer.status_code == 413
        assert waiting(still) == 0

    async def test_a_full_disk_loses_nothing(self, still, monkeypatch):
        async def full(batches):
            raise TopicsUnavailable("database or disk is full")

        event = as_json(violation("P1", 1))
        with monkeypatch.context() as patched:
            patched.setattr(still.hub.river.topics, "publish", full)
            answer = await post(still, event)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
        answer = await post(still, event)
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)


class TestStatus:
    async def test_an_event_and_its_notification(self, there):
        await there.bring(registered("P1"), violation("P1", 1))
        reading = there.app.state.site.reading
        await there.until(lambda: [x for x in reading.history("P1") if x.status == "delivered"])
        headers = {"authorization": f"Bearer {there.key()}"}
        event = await there.client.get("/v1/events/%2Ftraffic%2Ffujian/v-1", headers=headers)
        assert event.status_code == 200, event.text
        [leg] = event.json()["notifications"]
        assert event.json()["after"] == ""
        beyond = f"{event.url}?after={leg['stream']}"
        assert (await there.client.get(beyond, headers=headers)).json()["notifications"] == []
        assert (leg["notice"], leg["status"]) == ("violation-recorded", "delivered")
        answer = await there.client.get(f"/v1/notifications/{leg['stream']}", headers=headers)
        timeline = answer.json()
        assert [moment["type"] for moment in timeline["moments"]][-1] == "Delivered"
        assert "闽A12345" not in answer.text
        assert "13800138000" not in answer.text

    async def test_what_is_not_known(self, still):
        headers = {"authorization": f"Bearer {still.key()}"}
        for path in ("events/a/b", "events/b", "notifications/" + "0" * 32, "notifications/x"):
            answer = await still.client.get(f"/v1/{path}", headers=headers)
            assert answer.status_code == 404, path
            assert (await still.client.get(f"/v1/{path}")).status_code == 401


class TestDescription:
    async def test_openapi_is_json_and_loads_nothing(self, still):
        answer = await still.client.get("/openapi.json")
        document = answer.json()
        assert set(document["paths"]) >= {
            "/v1/events",
            "/v1/events/{event}",
            "/v1/notifications/{stream}",
        }
        assert all(path.startswith("/v1/") for path in document["paths"])
        responses = document["paths"]["/v1/events"]["post"]["responses"]
        assert set(responses) >= {"202", "400", "401", "413", "415", "429", "503"}
        for page in ("/schema", "/docs", "/redoc", "/openapi.json/redoc"):
            assert (await still.client.get(page)).status_code == 404

    async def test_unknown_doors_answer_in_json(self, still):
        for path, status, field in (("nothing", 404, "path"), ("events", 405, "method")):
            answer = await still.client.get(f"/v1/{path}")
            assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
            assert "/openapi.json" in answer.json()["error"]["expected"]


class TestOutcomes:
    async def ask(self, there: World, after: object, **headers: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {there.key()}", **headers}
        return await there.client.get(f"/v1/outcomes?after={after}", headers=headers)

    async def test_from_a_position_on(self, there):
        answer = await there.bring(registered("P1"), violation("P1", 1))
        key = answer.json()["results"][1]["event"]
        reading = there.app.state.site.reading
        await there.until(lambda: [x for x in reading.history("P1") if x.status == "delivered"])
        answer = await self.ask(there, 0)
        assert answer.status_code == 200, answer.text
        [told] = answer.json()["outcomes"]
        assert (told["event"], told["state"]) == (key, "delivered")
        assert told["notification"] == reading.history("P1")[0].stream
        assert "P1" not in answer.text
        assert not answer.json()["more"]
        after = answer.json()["after"]
        assert after >= told["pos"]
        again = await self.ask(there, after)
        assert again.json() == {"outcomes": [], "replies": [], "after": after, "more": False}
        assert (await self.ask(there, told["pos"] - 1)).json()["outcomes"] == [told]

    async def test_what_is_no_position(self, still):
        answer = await self.ask(still, "yesterday")
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error == {"field": "after", "expected": "a whole number", "got": "text"}
        assert (await self.ask(still, -1)).json()["outcomes"] == []

    async def test_no_good_key(self, still):
        operator = f"Bearer {still.key('operator')}"
        assert (await self.ask(still, 0, authorization=operator)).status_code == 401
