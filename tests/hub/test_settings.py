"""Settings are read once, name what is wrong, and keep secrets to themselves."""

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from msgspec.structs import replace

from hub.settings import KEYS, Secret, Settings, SettingsError, describe, load, secret_of
from tests.channels.wechat_bench import ACCOUNT, TOKEN, the_door
from tests.channels.wechat_bench import KEY as WECHAT_KEY

KEY = base64.b64encode(bytes(range(32))).decode()
PRODUCTION = {
    "HUB_ENV": "production",
    "HUB_PUBLIC_URL": "https://hub.122.gov.cn",
    **{f"HUB_{name.upper()}": KEY for name in KEYS},
}


def toml(folder: Path, text: str) -> Path:
    file = folder / "hub.toml"
    file.write_text(text, encoding="utf-8")
    return file


class TestSources:
    def test_nothing_set_gives_the_defaults(self) -> None:
        settings = load({})
        assert settings == Settings()
        assert (settings.host, settings.port, settings.env) == ("127.0.0.1", 8122, "development")

    def test_the_environment_is_read_by_type(self) -> None:
        settings = load(
            {
                "HUB_PORT": "0",
                "HUB_DATA_DIR": "/srv/hub",
                "HUB_ALLOWED_LINK_HOSTS": "122.gov.cn, nia.gov.cn,",
                "HUB_SMTP_PASSWORD": "12345",
                "PATH": "/bin",
            }
        )
        assert settings.port == 0
        assert settings.data_dir == Path("/srv/hub")
        assert settings.allowed_link_hosts == ("122.gov.cn", "nia.gov.cn")
        assert settings.smtp_password == Secret("12345")

    def test_the_environment_wins_over_the_file(self, tmp_path: Path) -> None:
        file = toml(tmp_path, 'port = 9000\nlanguage = "en"\nallowed_link_hosts = ["gov.cn"]')
        settings = load({"HUB_PORT": "9001"}, file)
        assert settings == Settings(port=9001, language="en", allowed_link_hosts=("gov.cn",))

    def test_a_value_can_live_in_a_file_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "kek").write_text(KEY + "\n")
        assert load({"HUB_KEK_FILE": str(tmp_path / "kek")}).key("kek") == bytes(range(32))

    def test_the_switches_of_the_tests_are_no_settings(self) -> None:
        assert load({"HUB_TEST_ALL": "1"}) == Settings()


class TestErrorsNameTheSetting:
    @pytest.mark.parametrize(
        ("environ", "message"),
        [
            ({"HUB_PROT": "1"}, "HUB_PROT is not a setting; did you mean HUB_PORT?"),
            ({"HUB_XYZZY": "1"}, "HUB_XYZZY is not a setting"),
            ({"HUB_PORT": "http"}, "HUB_PORT: expected a whole number, got text"),
            ({"HUB_PORT": "65536"}, "HUB_PORT: expected a whole number <= 65535"),
            ({"HUB_ENV": "prod"}, "HUB_ENV: expected development or production, got 'prod'"),
            ({"HUB_KEK": KEY, "HUB_KEK_FILE": "kek"}, "HUB_KEK and HUB_KEK_FILE are both set"),
            ({"HUB_KEK_FILE": "/nowhere/kek"}, "HUB_KEK_FILE: .*No such file"),
            ({"HUB_TIMEZONE": "Asia/Fuzhou"}, "timezone: there is no 'Asia/Fuzhou'"),
            ({"HUB_TIMEZONE": "../etc"}, "timezone: there is no"),
        ],
    )
    def test_in_the_environment(self, environ: dict[str, str], message: str) -> None:
        with pytest.raises(SettingsError, match=message.replace("?", r"\?")):
            load(environ)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("prot = 1", "hub.toml: prot is not a setting; did you mean port?"),
            ('port = "8122"', "hub.toml: port: expected a whole number, got text"),
            ("kek = 1", "hub.toml: kek: expected text, got a whole number"),
            ("port = ", "hub.toml: Invalid value"),
        ],
    )
    def test_in_the_file(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(SettingsError, match=message.replace("?", r"\?")):
            load({}, toml(tmp_path, text))

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"hub\.toml: there is no such file"):
            load({}, tmp_path / "hub.toml")


class TestSecrets:
    def test_hide_wherever_they_are_shown(self) -> None:
        secret = Secret("open sesame")
        settings = Settings(smtp_password=secret)
        shown = f"{secret} {secret!r} {secret!s} {settings} {[secret]}"
        assert "sesame" not in shown
        assert secret.reveal() == "open sesame"
        assert {secret} == {Secret("open sesame")}

    @pytest.mark.parametrize("text", ["", "c2hvcnQ=", "*" * 43 + "="])
    def test_a_malformed_key_is_named_and_not_shown(self, text: str) -> None:
        with pytest.raises(SettingsError) as error:
            load({"HUB_KEK": text})
        assert str(error.value) == "kek must be 32 bytes in base64"


class TestTheKeyThatReplacesAnother:
    OTHER = base64.b64encode(bytes(32)).decode()

    def test_is_kept_by_its_number(self) -> None:
        told = load({"HUB_KEK": KEY, "HUB_KEK_ID": "2", "HUB_KEK_SPARE": f"1:{self.OTHER}"})
        assert (told.kek_id, told.spare()) == (2, {1: bytes(32)})

    @pytest.mark.parametrize(
        ("spare", "message"),
        [
            (OTHER, "kek_spare must be number:key, the number 1 to 65535"),
            (f"0:{OTHER}", "kek_spare must be number:key, the number 1 to 65535"),
            (f"65536:{OTHER}", "kek_spare must be number:key, the number 1 to 65535"),
            (f"1:{OTHER}", "kek_spare must have another number than kek, which is 1"),
            ("2:short", "kek_spare must be 32 bytes in base64"),
        ],
    )
    def test_what_is_wrong_with_it_is_said(self, spare: str, message: str) -> None:
        with pytest.raises(SettingsError) as error:
            load({"HUB_KEK_SPARE": spare})
        assert str(error.value) == message


class TestProduction:
    def test_starts_with_keys_of_its_own(self) -> None:
        assert load(PRODUCTION).key("link_key") == bytes(range(32))

    @pytest.mark.parametrize("name", KEYS)
    def test_refuses_to_start_without_a_key(self, name: str) -> None:
        environ = {k: v for k, v in PRODUCTION.items() if k != f"HUB_{name.upper()}"}
        with pytest.raises(SettingsError, match=f"{name} must be set in production"):
            load(environ)

    def test_refuses_links_in_the_clear(self) -> None:
        with pytest.raises(SettingsError, match="public_url must begin with https"):
            load(PRODUCTION | {"HUB_PUBLIC_URL": "http://hub.122.gov.cn"})


class TestCluster:
    """Several processes on one database and one broker."""

    CLUSTER: ClassVar[dict[str, str]] = {
        "HUB_DATABASE": "postgresql+psycopg://fenghuo@db:5432/fenghuo",
        "HUB_KAFKA": "one:9092,two:9092",
        **{f"HUB_{name.upper()}": KEY for name in KEYS},
    }

    def test_the_password_is_apart_from_the_address(self) -> None:
        settings = load(self.CLUSTER | {"HUB_DATABASE_PASSWORD": "a/b@c:d %"})
        assert "a/b" not in str(settings)
        assert settings.database_url() == (
            "postgresql+psycopg://fenghuo:a%2Fb%40c%3Ad%20%25@db:5432/fenghuo"
        )

    def test_no_password_is_for_a_server_that_trusts(self) -> None:
        settings = load(self.CLUSTER)
        assert settings.database_url() == settings.database
        assert settings.kafka == "one:9092,two:9092"

    @pytest.mark.parametrize("name", KEYS)
    def test_makes_no_key_by_itself(self, name: str) -> None:
        environ = {k: v for k, v in self.CLUSTER.items() if k != f"HUB_{name.upper()}"}
        with pytest.raises(SettingsError, match=f"{name} must be set where database is"):
            load(environ)

    @pytest.mark.parametrize(("name", "other"), [("kafka", "database"), ("database", "kafka")])
    def test_is_whole(self, name: str, other: str) -> None:
        environ = {k: v for k, v in self.CLUSTER.items() if k != f"HUB_{name.upper()}"}
        with pytest.raises(SettingsError, match=f"{name} must be set where {other} is"):
            load(environ)

    @pytest.mark.parametrize(
        ("address", "message"),
        [
            ("mysql://db/fenghuo", r"database must begin with postgresql\+psycopg://"),
            ("postgresql+psycopg://me:secret@db/x", "database must not hold the password"),
            ("postgresql+psycopg://db/x", "database must name the user"),
            ("postgresql+psycopg://[db/x", "database is no address"),
        ],
    )
    def test_refuses_a_database_that_cannot_be(self, address: str, message: str) -> None:
        with pytest.raises(SettingsError, match=message) as error:
            load(self.CLUSTER | {"HUB_DATABASE": address, "HUB_DATABASE_PASSWORD": "x"})
        assert "secret" not in str(error.value)


class TestDevelopmentKeys:
    def test_are_made_once_and_only_the_owner_reads_them(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path / "hub")
        keys = {name: settings.key(name) for name in KEYS}
        assert len(set(keys.values())) == len(KEYS)
        assert {name: settings.key(name) for name in KEYS} == keys
        folder = tmp_path / "hub" / "keys"
        assert sorted(file.name for file in folder.iterdir()) == sorted(KEYS)
        assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700

    def test_two_who_start_together_agree(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path)
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _: settings.key("kek"), range(32)))
        assert len(keys) == 1

    def test_a_key_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path)
        settings.key("kek")
        (tmp_path / "keys" / "kek").chmod(0o640)
        with pytest.raises(SettingsError, match="can be read by others"):
            settings.key("kek")


def test_every_setting_is_described() -> None:
    settings = list(describe())
    assert [s.name for s in settings] == list(Settings.__struct_fields__)
    assert all(s.doc.endswith(".") for s in settings)
    assert settings[0][:3] == ("env", "HUB_ENV", "development")


class TestSecretsOfLanes:
    def test_from_the_environment_or_a_file_that_it_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CARRIER_A_PASSWORD", raising=False)
        assert secret_of("CARRIER_A_PASSWORD") == ""
        (tmp_path / "a").write_text("from a file\n", encoding="utf-8")
        monkeypatch.setenv("CARRIER_A_PASSWORD_FILE", str(tmp_path / "a"))
        assert secret_of("CARRIER_A_PASSWORD") == "from a file"
        monkeypatch.setenv("CARRIER_A_PASSWORD", "at once")
        assert secret_of("CARRIER_A_PASSWORD") == "at once"

    def test_a_file_that_is_not_there_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CARRIER_A_PASSWORD", raising=False)
        monkeypatch.setenv("CARRIER_A_PASSWORD_FILE", str(tmp_path / "none"))
        with pytest.raises(SettingsError, match="CARRIER_A_PASSWORD_FILE"):
            secret_of("CARRIER_A_PASSWORD")

    def test_wechats_door_opens_by_secrets_in_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert Settings().wechat_door(ACCOUNT) is None
        for variable, text in ((ACCOUNT.token_env, TOKEN), (ACCOUNT.key_env, WECHAT_KEY)):
            (tmp_path / variable).write_text(f"{text}\n", encoding="utf-8")
            monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / variable))
        assert Settings().wechat_door(ACCOUNT) == the_door()
        assert Settings().wechat_door(replace(ACCOUNT, token_env="", key_env="")) is None
