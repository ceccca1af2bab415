"""The one-process hub on a lane that goes by a carrier's own protocol, and the books kept with the
ledger of that carrier's gateway, which knows messages by their numbers only."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from streams.core.codec import decode
from streams.core.events import Unknown
from streams.core.identity import event_key
from streams.core.lifecycle import State, Status
from tests.crash.books import INTENT, Books
from tests.crash.one_process import HubAtAPipe
from tests.crash.upstream import SOURCE, Reported, Upstream
from tests.peers.gateway import Gateway

NEVER = ("violation-recorded", "document-ready")
"""Notices whose text is never repeated while its fate is unknown."""

DOUBT_ENDS = {Status.DELIVERED, Status.UNCONFIRMED}
"""Matched with the carrier's report after all, or said to be unconfirmed."""

KIND = 1_000_000
"""The two digits by which a gateway knows what to do with a message stand before so many numbers:
see KINDS in `tests/peers/gateway.js`."""

LANES = """
[[lane]]
name = "sms-carrier"
channel = "sms"
provider = "{protocol}"
carriers = ["*"]
rate_per_s = 2000
segments_max = 10

[lane.{table}]
host = "127.0.0.1"
port = {port}
password_env = "GATEWAY_PASSWORD"
binds = 2
{account}

[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 2000
"""

ACCOUNTS = {
    "smpp": ("smpp", 'system_id = "fenghuo"\nanswered_id = "hex"\nreported_id = "decimal"'),
    "cmpp2": ("cmpp", 'source_addr = "901783"\nproof_required = false'),
    "cmpp3": ("cmpp", 'source_addr = "901783"\nproof_required = false'),
}
"""By protocol: the name of its table, and what stands in it besides."""


class AtGateway(HubAtAPipe):
    """The hub in ``folder``. ``clock`` is the rehearsal's file, ``port`` the gateway's; ``more`` is
    put into the account."""

    def __init__(
        self, folder: Path, clock: Path, gateway: Gateway, protocol: str, port: int, more: str = ""
    ) -> None:
        table, account = ACCOUNTS[protocol]
        account = f"{account}\n{more}"
        lanes = LANES.format(protocol=protocol, table=table, port=port, account=account)
        (folder / "lanes.toml").write_text(lanes, encoding="utf-8")
        settings = {
            "HUB_LANES": str(folder / "lanes.toml"),
            "HUB_CLOCK": str(clock),
            "GATEWAY_PASSWORD": "secret",
        }
        super().__init__(folder, gateway.ledger, settings)


def people(kind: int, load: int = 0) -> Upstream:
    """Reports about people to whom a gateway does what ``kind`` says; those of one ``load`` are
    not those of another."""
    return Upstream(f"kind-{kind}-{load}", kind * KIND + load * 10_000, NEVER)


class GatewayBooks(Books):
    """Every number is told of one event only, so the number says which leg was taken."""

    def faults(self) -> list[str]:
        """Besides: what was in doubt and is neither matched nor unconfirmed, with what was seen."""
        faults = super().faults()
        for stream, (state, seen) in self.doubts().items():
            if state.status not in DOUBT_ENDS or not seen:
                faults.append(f"{stream.hex()} was in doubt ({seen}) and is {state.status}")
        return faults

    def doubts(self) -> dict[bytes, tuple[State, str]]:
        """The legs of which it was ever unknown whether they were taken, and what was seen then."""
        found: dict[bytes, tuple[State, str]] = {}
        for stream, state in self.states.items():
            for row in self.rows[stream]:
                if isinstance(event := decode(row.type, row.data), Unknown):
                    found[stream] = state, event.evidence
        return found

    def _taken(self) -> defaultdict[bytes, Counter[str]]:
        streams = self._streams()
        parts: Counter[tuple[str, int]] = Counter()
        for entry in self._entries():
            parts[entry["to"], entry["part"]] += 1
        taken: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
        for (number, _), times in parts.items():
            if number in streams:
                sms = taken[streams[number]]
                sms["sms"] = max(sms["sms"], times)
        return taken

    def _called(self) -> Iterator[str]:
        """No carrier was called without an intent: a number was told at most as often."""
        streams = self._streams()
        for number in {entry["to"] for entry in self._entries()} - streams.keys():
            yield f"{number} was told of something, and nothing of it is journalled"
        for stream, channels in self._taken().items():
            intents = sum(row.type.startswith(INTENT) for row in self.rows[stream])
            if channels["sms"] > intents:
                yield f"{stream.hex()} was taken {channels['sms']} times for {intents} intents"

    def _entries(self) -> list[dict[str, str]]:
        if not self._ledger.exists():
            return []
        lines = [json.loads(line) for line in self._ledger.read_bytes().splitlines()]
        return [line for line in lines if "refused" not in line]

    def _streams(self) -> dict[str, bytes]:
        """The leg of everybody who was to be told, by their number."""
        legs = {
            state.head.event: stream
            for stream, state in self.states.items()
            if state.head is not None
        }
        found = {}
        for one in self.accepted:
            if stream := legs.get(event_key(SOURCE, one.id)):
                found[f"86{_number(one)}"] = stream
        return found


def _number(event: Reported) -> str:
    said: str = json.loads(event.raw)["data"]["recipient"]["phones"][0]
    return said
