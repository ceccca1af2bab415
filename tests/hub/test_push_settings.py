"""Who we are to push services, by settings."""

from pathlib import Path

import pytest

from channels.push_account import HOSTS
from channels.push_web import PushWeb
from hub.bootstrap import carriers_of, proofs
from hub.clock import Real
from hub.lanes_file import read_lanes
from hub.settings import KEYS, Settings, SettingsError, load
from preferences.links import Pushed, Signer, check_pushed
from tests.channels.mail_certificates import certificate

KEY = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
CONTACT = {"HUB_PUSH_CONTACT": "mailto:push@authority.example"}
PRODUCTION = {
    "HUB_ENV": "production",
    "HUB_PUBLIC_URL": "https://hub.122.gov.cn",
    **{f"HUB_{name.upper()}": KEY for name in KEYS},
}
APNS = {
    "HUB_APNS_KEY": "-----BEGIN PRIVATE KEY-----",
    "HUB_APNS_KEY_ID": "KEY4567890",
    "HUB_APNS_TEAM": "TEAM567890",
    "HUB_APNS_TOPIC": "cn.gov.app",
}


def test_without_a_contact_nobody_is_pushed_to() -> None:
    assert load({}).web_push() is None
    assert load({}).apns() is None


def test_the_key_is_made_once_and_stays(tmp_path: Path) -> None:
    settings = load({**CONTACT, "HUB_DATA_DIR": str(tmp_path)})
    first, second = settings.web_push(), settings.web_push()
    assert first is not None
    assert first == second
    assert len(first.key) == 32
    assert first.hosts == HOSTS
    assert (tmp_path / "keys" / "push_key").stat().st_mode & 0o777 == 0o600


def test_one_that_is_set_is_used() -> None:
    account = load({**CONTACT, "HUB_PUSH_KEY": KEY, "HUB_PUSH_HOSTS": "a.example,*.b.example"})
    made = account.web_push()
    assert made is not None
    assert (made.key, made.hosts) == (bytes(range(1, 33)), ("a.example", "*.b.example"))


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({**PRODUCTION, **CONTACT}, "push_key must be set where push_contact is"),
        ({"HUB_PUSH_CONTACT": "push@authority.example"}, "push_contact must begin with mailto:"),
        ({**CONTACT, "HUB_PUSH_KEY": "short"}, "push_key must be 32 bytes in base64"),
        ({**PRODUCTION, "HUB_PUSH_HOSTS": "http://a.example"}, "push_hosts must be reached by"),
        ({**PRODUCTION, "HUB_APNS_URL": "http://a.example"}, "apns_url must begin with https"),
        ({"HUB_APNS_KEY": "x"}, "apns_key_id, apns_team, apns_topic must be set"),
        ({"HUB_APNS_CA": "/nowhere.pem"}, "apns_ca: there is no file"),
        ({"HUB_APNS_CA": __file__}, "apns_ca: .* holds no certificates in PEM"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    environ: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        load(environ)


def test_certificates_of_ones_own_are_believed(tmp_path: Path) -> None:
    """Behind a proxy that looks into TLS nothing else would be."""
    ours, _ = certificate(tmp_path)
    made = load({**APNS, "HUB_APNS_CA": str(ours)}).apns()
    assert made is not None
    assert made.ca_file == str(ours)


async def test_they_are_carriers_then(tmp_path: Path) -> None:
    settings = load({**CONTACT, **APNS, "HUB_DATA_DIR": str(tmp_path)})
    carriers = carriers_of(settings, Real(), read_lanes(settings), lambda lane: False)
    assert isinstance(carriers["push_web"], PushWeb)
    assert carriers["push_apns"].name == "push_apns"
    assert "PRIVATE" not in repr(settings.apns())
    for carrier in carriers.values():
        await carrier.close()


def test_a_hub_without_http2_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.bootstrap.find_spec", lambda name: None)
    settings = load({**APNS, "HUB_DATA_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match="the extra apns"):
        carriers_of(settings, Real(), read_lanes(settings), lambda lane: False)


def test_a_proof_says_which_push_it_is_of(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    address = proofs(settings, Real())("push-web", f"{1:032x}:4")
    assert address.startswith("/pushed/")
    signer = Signer({0: settings.key("link_key")}, current=0)
    now_ms = Real().now_ms()
    token = address.removeprefix("/pushed/")
    assert check_pushed(signer, token, now_ms) == Pushed("push-web", f"{1:032x}:4")
    assert check_pushed(signer, token, now_ms + 61 * 86_400_000) is None
