"""Who may see the pages of staff, on one's own machine and beyond."""

import pytest

from tests.web.world import world
from web.keys import revoke_key

PAGES = ("/", "/catalog", "/quarantine", "/recipients/P1", "/find?q=x", "/metrics")
OPEN = ("/healthz", "/readyz", "/login", "/static/hub.css", "/openapi.json")


@pytest.fixture
async def public(tmp_path):
    async with world(tmp_path, host="0.0.0.0", public_url="https://hub.122.gov.cn") as there:
        yield there


async def test_on_its_own_machine_nobody_is_asked(there):
    for path in PAGES:
        assert (await there.client.get(path)).status_code in (200, 303, 404)


async def test_a_foreign_name_for_this_machine_is_refused(there):
    for host in ("evil.example", "evil.example:8122", "127.0.0.1.evil.example"):
        answer = await there.client.get("/", headers={"host": host})
        assert answer.status_code == 403, host
    for host in ("localhost:8122", "127.0.0.1", "[::1]:8122"):
        assert (await there.client.get("/", headers={"host": host})).status_code == 200, host


@pytest.mark.parametrize(
    "settings",
    [{"host": "0.0.0.0"}, {"host": "192.0.2.1"}, {"public_url": "https://hub.122.gov.cn"}],
)
async def test_beyond_it_a_key_is_asked_for(tmp_path, settings):
    async with world(tmp_path, running=False, **settings) as there:
        for path in PAGES:
            answer = await there.client.get(path)
            assert answer.status_code in (303, 401), path
            assert "王" not in answer.text
        for path in OPEN:
            assert (await there.client.get(path)).status_code == 200, path


async def test_signing_in_and_out(public):
    public.client.base_url = "https://hub.122.gov.cn"
    asked = await public.client.get("/quarantine")
    assert asked.headers["location"] == "/login?next=%2Fquarantine"
    wrong = await public.post("/login?next=/quarantine", key=public.key("events"))
    assert wrong.status_code == 403
    right = await public.post("/login?next=/quarantine", key=public.key("operator"))
    assert (right.status_code, right.headers["location"]) == (303, "/quarantine")
    cookie = right.headers["set-cookie"].lower()
    for word in ("httponly", "secure", "samesite=strict"):
        assert word in cookie
    assert (await public.client.get("/quarantine")).status_code == 200
    await public.post("/logout")
    assert (await public.client.get("/quarantine")).status_code == 303


async def test_a_revoked_key_ends_the_shift(public):
    public.client.base_url = "https://hub.122.gov.cn"
    key = public.key("operator")
    await public.post("/login", key=key)
    assert (await public.client.get("/")).status_code == 200
    with public.hub.store.transaction() as connection:
        assert revoke_key(connection, key.split("_")[2], 1)
    assert (await public.client.get("/")).status_code == 303


async def test_machines_bring_their_key_along(public):
    headers = {"authorization": f"Bearer {public.key('operator')}"}
    metrics = await public.client.get("/metrics", headers=headers)
    assert metrics.status_code == 200
    assert "fenghuo_notifications" in metrics.text
    events = {"authorization": f"Bearer {public.key('events')}"}
    assert (await public.client.get("/metrics", headers=events)).status_code == 401


async def test_signing_in_leads_nowhere_else(public):
    public.client.base_url = "https://hub.122.gov.cn"
    key = public.key("operator")
    for next_ in ("//evil.example", "https://evil.example", "/\\evil.example", ""):
        answer = await public.post(f"/login?next={next_}", key=key)
        assert answer.headers["location"] == "/"


async def test_a_forged_cookie_is_none(public):
    public.client.cookies["fh_operator"] = "AAAA"
    assert (await public.client.get("/")).status_code == 303


async def test_no_links_are_made_beyond_the_own_machine(public):
    public.client.base_url = "https://hub.122.gov.cn"
    await public.post("/login", key=public.key("operator"))
    assert (await public.post("/recipients/P1/link")).status_code == 403
