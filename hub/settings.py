"""Every setting of the hub, once: its name, its default, and what it is for.

A setting comes from `HUB_<NAME>` in the environment, from the file that `HUB_<NAME>_FILE` names,
or from the TOML file given as `--settings`; the environment wins. `load` reads them once, at the
top, and says what is wrong before anything starts.
"""

from __future__ import annotations

import difflib
import os
import ssl
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from channels.email_returns import fault_of as return_fault
from channels.http_account import Http
from channels.mailbox_place import LOOPBACK, read_place
from channels.push_account import APNS_URL, HOSTS, Apns, WebPush
from channels.twilio_account import API, Account
from channels.wechat_account import Door, Wechat, door_of
from hub.secret import Secret as Secret
from hub.secret import SettingsError as SettingsError
from hub.secret import key_bytes, made_once
from streams.core import codec

PREFIX = "HUB_"
TEST_PREFIX = "HUB_TEST_"  # switches of the test suite, no settings
POSTGRES = "postgresql+psycopg"


Port = Annotated[int, Meta(ge=0, le=65535)]
KeyName = Literal["kek", "index_key", "link_key"]
KEYS: tuple[KeyName, ...] = ("kek", "index_key", "link_key")
KEYS_OF_ROWS: tuple[KeyName, ...] = ("kek", "index_key")
"""What is journalled can be read and found with these, and with no others."""

KEK_ID_MAX = 65_535
"""A wrapped key says in two bytes what it is wrapped with."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub is told before it starts."""

    env: Annotated[
        Literal["development", "production"],
        Meta(description="development, or production, which starts on no key made by itself."),
    ] = "development"
    data_dir: Annotated[
        Path,
        Meta(description="Folder of a journal on SQLite and, in development, of the keys."),
    ] = Path("var/hub")
    host: Annotated[
        str,
        Meta(description="Address that the pages and the API listen on."),
    ] = "127.0.0.1"
    port: Annotated[
        Port,
        Meta(description="Port of the pages and the API; 0 takes a free one."),
    ] = 8122
    public_url: Annotated[
        str,
        Meta(description="Where citizens reach the pages: the beginning of every link sent."),
    ] = "http://127.0.0.1:8122"

    language: Annotated[
        str,
        Meta(description="Language of a recipient who has chosen none."),
    ] = "zh"
    timezone: Annotated[
        str,
        Meta(description="Zone of the times that pages show; quiet hours keep the recipient's."),
    ] = "Asia/Shanghai"
    allowed_link_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Hosts that wording may link to; a,b,c in the environment."),
    ] = ("122.gov.cn", "nia.gov.cn", "mps.gov.cn")

    kek: Annotated[
        Secret | None,
        Meta(description="Key that wraps the key of each recipient: 32 bytes in base64."),
    ] = None
    kek_id: Annotated[
        int,
        Meta(ge=1, le=KEK_ID_MAX, description="Number of `kek`; one that replaces it has another."),
    ] = 1
    kek_spare: Annotated[
        Secret | None,
        Meta(
            description="`number:key` of another that opens what it wrapped, while one replaces the"
            " other; `hub recipients rewrap` makes it needless."
        ),
    ] = None
    index_key: Annotated[
        Secret | None,
        Meta(description="Key of the blind index over contact points: 32 bytes in base64."),
    ] = None
    link_key: Annotated[
        Secret | None,
        Meta(description="Key that signs the links of citizens: 32 bytes in base64."),
    ] = None

    database: Annotated[
        str,
        Meta(description="SQLAlchemy's address of PostgreSQL, without password; empty: SQLite."),
    ] = ""
    database_password: Annotated[
        Secret | None,
        Meta(description="Password there; none where the server trusts without."),
    ] = None
    kafka: Annotated[
        str,
        Meta(description="Brokers as host:port,host:port; empty: topics in a file of `data_dir`."),
    ] = ""
    partitions: Annotated[
        int,
        Meta(ge=1, description="Partitions of a topic: so many workers of a kind can share it."),
    ] = 12
    session_ms: Annotated[
        int,
        Meta(ge=1_000, le=15_000, description="A worker silent for so long loses its partitions."),
    ] = 12_000
    worker_port: Annotated[
        Port,
        Meta(description="Port where a worker says on `host` how it is; 0: it does not."),
    ] = 0

    worker_kind: Annotated[
        Literal["router", "dispatcher", "receiver"],
        Meta(description="What `faust -A streams.app worker` does; `hub worker` is told."),
    ] = "router"
    lanes: Annotated[
        Path | None,
        Meta(description="TOML file of the contracts with carriers; none: those of the sandbox."),
    ] = None
    clock: Annotated[
        Path | None,
        Meta(description="File of a rehearsal's time, which all processes share; none: real time."),
    ] = None
    failpoint: Annotated[
        str,
        Meta(description="For tests: name:n, a point whose n-th passing kills the process."),
    ] = ""

    smtp_host: Annotated[
        str,
        Meta(description="Server that takes e-mail; empty: the sandbox carrier plays one."),
    ] = ""
    smtp_port: Annotated[
        Port,
        Meta(description="Port of that server."),
    ] = 25
    smtp_tls: Annotated[
        Literal["none", "starttls", "tls"],
        Meta(description="How the connection is secured: required once asked for."),
    ] = "starttls"
    smtp_user: Annotated[
        str,
        Meta(description="User name there; empty sends without logging in."),
    ] = ""
    smtp_password: Annotated[
        Secret | None,
        Meta(description="Password there."),
    ] = None
    smtp_from: Annotated[
        str,
        Meta(description="Sender of an e-mail whose notice names none."),
    ] = "no-reply@fenghuo.example"
    smtp_ca: Annotated[
        Path | None,
        Meta(description="Certificates (PEM) to believe there instead of the system's."),
    ] = None
    smtp_success: Annotated[
        bool,
        Meta(description="Ask to be told of each mail that was passed on or delivered, too."),
    ] = False

    mail_return: Annotated[
        str,
        Meta(description="Address that bounces and replies come to; each mail adds a token to it."),
    ] = ""
    mail_inbox: Annotated[
        str,
        Meta(
            description="Where they are read: lmtp://host:port, maildir:///folder,"
            " imaps://user@host/folder (or imap:// by STARTTLS); empty: not by this process."
        ),
    ] = ""
    mail_inbox_password: Annotated[
        Secret | None,
        Meta(description="Password of that IMAP user."),
    ] = None
    mail_inbox_ca: Annotated[
        Path | None,
        Meta(description="Certificates (PEM) to believe there instead of the system's."),
    ] = None

    twilio_account: Annotated[
        str,
        Meta(description="Account (`AC…`) whose text messages and calls go abroad; empty: none."),
    ] = ""
    twilio_token: Annotated[
        Secret | None,
        Meta(description="Its token: opens the account, and signs what Twilio calls back."),
    ] = None
    twilio_shared_key: Annotated[
        Secret | None,
        Meta(description="Key of callbacks that are signed with one of their own."),
    ] = None
    twilio_from: Annotated[
        str,
        Meta(
            description="Number (E.164) that they come from; for texts a service (`MG…`) will do."
        ),
    ] = ""
    twilio_url: Annotated[
        str,
        Meta(description="Where Twilio is; another address is a sandbox's."),
    ] = API

    push_contact: Annotated[
        str,
        Meta(description="Whom browsers' push services ask (`mailto:` or `https:`); empty: none."),
    ] = ""
    push_key: Annotated[
        Secret | None,
        Meta(description="Key that subscriptions are bound to: 32 bytes in base64; made once."),
    ] = None
    push_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Push services that are called; `*.` before a name: all below it."),
    ] = HOSTS

    apns_key: Annotated[
        Secret | None,
        Meta(description="Key (`.p8`, PEM) for pushes to Apple's devices; none: there are none."),
    ] = None
    apns_key_id: Annotated[
        str,
        Meta(description="Its id, ten characters."),
    ] = ""
    apns_team: Annotated[
        str,
        Meta(description="Team that the key is of, ten characters."),
    ] = ""
    apns_topic: Annotated[
        str,
        Meta(description="Bundle identifier of the app."),
    ] = ""
    apns_url: Annotated[
        str,
        Meta(description="Where Apple is; another address is its sandbox's."),
    ] = APNS_URL
    apns_ca: Annotated[
        Path | None,
        Meta(description="Certificates (PEM) to believe there instead of the system's."),
    ] = None

    sandbox_host: Annotated[
        str,
        Meta(description="Address that the sandbox carrier listens on."),
    ] = "127.0.0.1"
    sandbox_port: Annotated[
        Port,
        Meta(description="Port of the sandbox carrier; 0 takes a free one."),
    ] = 8123

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError) as error:
            raise SettingsError(f"timezone: there is no {self.timezone!r}") from error
        for name in KEYS:
            if secret := self._secret(name):
                key_bytes(name, secret.reveal())
            elif self.env == "production":
                raise SettingsError(f"{name} must be set in production")
            elif self.database:
                raise SettingsError(f"{name} must be set where database is: all processes share it")
        self.spare()
        if self.env == "production" and self.clock:
            raise SettingsError("clock must not be set in production: messages go by real time")
        if self.failpoint:
            self._check_failpoint()
        if self.env == "production" and not self.public_url.startswith("https://"):
            raise SettingsError("public_url must begin with https:// in production")
        if bool(self.database) != bool(self.kafka):
            there, missing = ("database", "kafka") if self.database else ("kafka", "database")
            raise SettingsError(f"{missing} must be set where {there} is: set both or neither")
        if self.database:
            self._check_database()
        if self.twilio_account:
            self._check_twilio()
        if self.smtp_host:
            self._check_smtp()
        if self.mail_return or self.mail_inbox:
            self._check_mail()
        self._check_push()

    def _check_smtp(self) -> None:
        if self.smtp_user and self.smtp_tls == "none" and self.smtp_host not in LOOPBACK:
            raise SettingsError("smtp_tls must not be none where smtp_user is: all would read it")
        _check_certificates("smtp_ca", self.smtp_ca)

    def _check_mail(self) -> None:
        if fault := return_fault(self.mail_return):
            raise SettingsError(f"mail_return must be {fault}")
        if not self.smtp_host:
            raise SettingsError("smtp_host must be set where mail_return is")
        if self.mail_inbox:
            self._check_inbox()

    def _check_inbox(self) -> None:
        try:
            place = read_place(self.mail_inbox)
        except ValueError as error:
            raise SettingsError(f"mail_inbox must be {error}") from error
        if place.kind in ("imaps", "imap") and self.mail_inbox_password is None:
            raise SettingsError("mail_inbox_password must be set where mail_inbox is by IMAP")
        _check_certificates("mail_inbox_ca", self.mail_inbox_ca)

    def _check_twilio(self) -> None:
        if self.twilio_token is None:
            raise SettingsError("twilio_token must be set where twilio_account is")
        if not self.twilio_from.startswith(("+", "MG")):
            raise SettingsError("twilio_from must be a number with its + or a service's MG…")
        if self.env == "production" and not self.twilio_url.startswith("https://"):
            raise SettingsError("twilio_url must begin with https:// in production")

    def _check_push(self) -> None:
        if self.push_key:
            key_bytes("push_key", self.push_key.reveal())
        elif self.push_contact and (self.database or self.env == "production"):
            raise SettingsError(
                "push_key must be set where push_contact is: all processes share it"
            )
        if self.push_contact and not self.push_contact.startswith(("mailto:", "https://")):
            raise SettingsError("push_contact must begin with mailto: or https://")
        if self.env == "production" and any(x.startswith("http:") for x in self.push_hosts):
            raise SettingsError("push_hosts must be reached by https in production")
        if self.apns_key and not (self.apns_key_id and self.apns_team and self.apns_topic):
            raise SettingsError("apns_key_id, apns_team, apns_topic must be set where apns_key is")
        if self.env == "production" and not self.apns_url.startswith("https://"):
            raise SettingsError("apns_url must begin with https:// in production")
        _check_certificates("apns_ca", self.apns_ca)

    def _check_failpoint(self) -> None:
        from hub.failpoints import FailPoint  # only then: it knows parts of the river

        if self.env == "production":
            raise SettingsError("failpoint must not be set in production: it kills the process")
        try:
            FailPoint(self.failpoint)
        except ValueError as error:
            raise SettingsError(f"failpoint: {error}") from error

    def _check_database(self) -> None:
        try:
            address = urlsplit(self.database)
            user, secret = address.username, address.password
        except ValueError as error:
            raise SettingsError("database is no address") from error
        if address.scheme != POSTGRES:
            raise SettingsError(f"database must begin with {POSTGRES}://")
        if secret is not None:
            raise SettingsError("database must not hold the password: database_password does")
        if self.database_password and not user:
            raise SettingsError("database must name the user that database_password is of")

    def database_url(self) -> str:
        """``database`` with the password, for SQLAlchemy: not to be shown to anybody."""
        if self.database_password is None:
            return self.database
        password = quote(self.database_password.reveal(), safe="")
        return self.database.replace("@", f":{password}@", 1)

    def twilio(self) -> Account | None:
        """The account at Twilio; None where none is set."""
        if not self.twilio_account or self.twilio_token is None:
            return None
        shared = self.twilio_shared_key.reveal() if self.twilio_shared_key else ""
        return Account(
            self.twilio_account, self.twilio_token.reveal(), self.twilio_from, self.public_url,
            shared, self.twilio_url,
        )  # fmt: skip

    def lane_secrets(self, http: Http) -> Mapping[str, str]:
        """What the pages' doors check a declared provider's callbacks with."""
        return secrets_of(http)

    def wechat_door(self, wechat: Wechat) -> Door | None:
        """What the pages' door checks this account's callbacks with."""
        if not wechat.token_env:
            return None
        return door_of(wechat, secret_of(wechat.token_env), secret_of(wechat.key_env))

    def web_push(self) -> WebPush | None:
        """Who we are to the push services of browsers; None where nobody is named."""
        if not self.push_contact:
            return None
        secret = self.push_key or made_once(self.data_dir / "keys" / "push_key")
        return WebPush(self.push_contact, key_bytes("push_key", secret.reveal()), self.push_hosts)

    def apns(self) -> Apns | None:
        """Who we are to Apple; None where there is no key."""
        if self.apns_key is None:
            return None
        return Apns(
            self.apns_key.reveal(), self.apns_key_id, self.apns_team, self.apns_topic,
            self.apns_url, str(self.apns_ca or ""),
        )  # fmt: skip

    def key(self, name: KeyName) -> bytes:
        """This key as it was set or, in development, as made once in `data_dir/keys`."""
        secret = self._secret(name) or made_once(self.data_dir / "keys" / name)
        return key_bytes(name, secret.reveal())

    def spare(self) -> dict[int, bytes]:
        """The other key-encryption key by its number, where there is one."""
        if self.kek_spare is None:
            return {}
        number, _, text = self.kek_spare.reveal().partition(":")
        if not (number.isdecimal() and number.isascii() and 1 <= int(number) <= KEK_ID_MAX):
            raise SettingsError(f"kek_spare must be number:key, the number 1 to {KEK_ID_MAX}")
        if int(number) == self.kek_id:
            raise SettingsError(f"kek_spare must have another number than kek, which is {number}")
        return {int(number): key_bytes("kek_spare", text)}

    def lost(self, names: Iterable[KeyName]) -> list[KeyName]:
        """Those of these keys that nobody set and no file holds."""
        place = self.data_dir / "keys"
        return [n for n in names if self._secret(n) is None and not (place / n).exists()]

    def _secret(self, name: KeyName) -> Secret | None:
        secret: Secret | None = getattr(self, name)
        return secret


def _check_certificates(name: str, file: Path | None) -> None:
    if file is None:
        return
    if not file.is_file():
        raise SettingsError(f"{name}: there is no file {file}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError as error:  # of which SSLError is one
        raise SettingsError(f"{name}: {file} holds no certificates in PEM") from error


def secret_of(variable: str) -> str:
    """A secret of a lane: what this variable of the environment holds, or the file that its
    ``…_FILE`` names; "" where there is neither. Raises :class:`SettingsError` for a file that
    cannot be read."""
    if found := os.environ.get(variable, "").strip():
        return found
    file = os.environ.get(f"{variable}_FILE")
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{variable}_FILE: {error}") from error


def secrets_of(http: Http) -> dict[str, str]:
    """Those of a declared provider, by the names that its lane gives them."""
    return {name: secret_of(variable) for name, variable in http.secrets.items()}


_FIELDS = {field.name: field for field in msgspec.structs.fields(Settings)}


class Setting(NamedTuple):
    """One setting as the documentation shows it."""

    name: str
    variable: str
    default: object
    doc: str


def describe() -> Iterator[Setting]:
    """Every setting, in the order of declaration."""
    for name, field in _FIELDS.items():
        doc = next(meta.description for meta in field.type.__metadata__ if meta.description)
        yield Setting(name, _variable(name), field.default, doc)


def load(environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read the settings; what is unknown or malformed is an error that names it."""
    values = _from_file(file) if file else {}
    return Settings(**(values | _from_environment(environ)))


def _from_file(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{file}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: {error}") from error
    for name in document:
        if name not in _FIELDS:
            raise SettingsError(f"{file}: {name} is not a setting{_nearest(name, _FIELDS)}")
    return {
        name: _convert(f"{file}: {name}", value, name, strict=True)
        for name, value in document.items()
    }


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable.startswith(TEST_PREFIX):
            continue
        name = variable.removeprefix(PREFIX).removesuffix("_FILE").lower()
        if name not in _FIELDS:
            nearest = _nearest(variable, map(_variable, _FIELDS))
            raise SettingsError(f"{variable} is not a setting{nearest}")
        if name in values:
            raise SettingsError(f"{_variable(name)} and {variable} are both set; keep one")
        text = environ[variable]
        if variable.endswith("_FILE"):
            try:
                text = Path(environ[variable]).read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                raise SettingsError(f"{variable}: {error}") from error
        values[name] = _convert(variable, text, name, strict=False)
    return values


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _convert(where: str, value: object, name: str, *, strict: bool) -> object:
    """The value in the type of this setting; not strict also reads it from a text."""
    field = _FIELDS[name]
    if not strict and isinstance(value, str) and isinstance(field.default, tuple):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, field.type, strict=strict, dec_hook=_construct)
    except msgspec.ValidationError as error:
        refused = codec.refusal(str(error), where, field.type)
        raise SettingsError(str(refused)) from error


def _construct(kind: type, value: object) -> object:
    """The types that msgspec does not know, Path and Secret, made of a text."""
    if not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")  # msgspec's own words
    return kind(value)
