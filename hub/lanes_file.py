"""The lanes file as a running hub follows it: read once at the start, and again when it changes."""

import logging
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from channels import cmpp_account, http_account, smpp_account, wechat_account
from channels.cmpp_account import Cmpp
from channels.http_account import Http
from channels.lanes import DEFAULT_LANES, ChannelName, Lanes
from channels.lanes_file import Account, LanesError, Protocols, load_lanes
from channels.smpp_account import Smpp
from channels.wechat_account import Wechat
from hub.settings import Settings, SettingsError

_log = logging.getLogger("fenghuo.lanes")

SMTP = "smtp"
"""What e-mail lanes go by once a mail server is set."""

SMPP = "smpp"
CMPP = ("cmpp2", "cmpp3")
WECHAT = "wechat"

HTTP: Mapping[str, ChannelName] = {"sms_http": "sms", "voice_http": "voice", "push_http": "push"}
"""Providers that are described, by what they carry."""

PROTOCOLS: Protocols = {
    "sandbox": None,
    "inbox": None,
    SMTP: None,
    "sms_twilio": None,
    "voice_twilio": None,
    "push_web": None,
    "push_apns": None,
    SMPP: Account(SMPP, Smpp, smpp_account.fault_of, "sms", smpp_account.sender_fault),
    **dict.fromkeys(
        CMPP, Account("cmpp", Cmpp, cmpp_account.fault_of, "sms", cmpp_account.sender_fault)
    ),
    WECHAT: Account(WECHAT, Wechat, wechat_account.fault_of, "wechat"),
    **{name: Account("http", Http, http_account.fault_of, HTTP[name]) for name in HTTP},
}
"""What lanes of this hub may go by."""

STAYS = ("channel", "provider", "protocol", "account")
"""Fields that are read at the start only: connections are made then."""


def read_lanes(settings: Settings) -> Lanes:
    """The lanes file of these settings. Raises :class:`LanesError`, or :class:`SettingsError` where
    there is no such file."""
    file = settings.lanes or DEFAULT_LANES
    try:
        lanes = load_lanes(file.read_text(encoding="utf-8"), PROTOCOLS)
    except LanesError as error:
        raise LanesError(f"{file}: {error}") from error
    except UnicodeDecodeError as error:
        raise LanesError(f"{file}: is not UTF-8") from error
    except OSError as error:
        raise SettingsError(f"lanes: {error}") from error
    if not settings.smtp_host:
        return lanes
    return Lanes(replace(x, protocol=SMTP) if x.channel == "email" else x for x in lanes)


class LanesFile:
    """Answers with the lanes once for each change of the file. What cannot be used is refused: the
    log says so once, ``wrong`` for as long as it lasts, and the lanes known before stay."""

    def __init__(self, settings: Settings, known: Lanes) -> None:
        self._settings = settings
        self._known = known
        self._seen = _stamp(settings.lanes or DEFAULT_LANES)
        self.wrong = ""

    def look(self) -> Lanes | None:
        """The lanes as the file has them now, where that is news."""
        stamp = _stamp(self._settings.lanes or DEFAULT_LANES)
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            lanes = read_lanes(self._settings)
            _check_same(self._known, lanes)
        except (LanesError, SettingsError) as error:
            self.wrong = f"the lanes file cannot be used as it is now, the old one holds: {error}"
            _log.error("%s", self.wrong)
            return None
        if self.wrong or list(lanes) != list(self._known):
            _log.info("the lanes file was read anew")
        self.wrong = ""
        self._known = lanes
        return lanes


def _stamp(file: Path) -> tuple[int, int, int]:
    """Changes when the file does, also when it is replaced by another."""
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _check_same(known: Lanes, lanes: Lanes) -> None:
    """Raises LanesError for a change that a running hub does not follow."""
    for name in sorted({x.name for x in known} ^ {x.name for x in lanes}):
        verb = "new" if name in lanes else "gone"
        raise LanesError(f"lane {name}: is {verb}; lanes are added and removed by a restart")
    for lane in lanes:
        for field in STAYS:
            if getattr(lane, field) != getattr(known[lane.name], field):
                raise LanesError(f"lane {lane.name}: {field} is changed by a restart only")
