"""What `docker-compose.yml` says, read as a container engine would read it.

services = read({"HUB_ENV": "development"})
services["router"].command       # ("worker", "router")
layers(services)                 # who may start together, first to last
"""

import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
CARRIERS = ROOT / "docker-compose.carriers.yml"
"""Given after the other: what real carriers need besides."""

EXAMPLE = ROOT / ".env.example"
OWN = "fenghuo:"
"""How the hub's own image begins."""

# ${NAME}, ${NAME:-default}; "$$" is a dollar
_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


class Service(NamedTuple):
    """One service. ``ports`` are as published; ``said`` is everything the file says of it."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: dict[str, str]
    ports: tuple[str, ...]
    after: tuple[str, ...]
    check: tuple[str, ...]
    said: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        return self.image.startswith(OWN)

    @property
    def ends(self) -> bool:
        """Whether it does its work once."""
        return self.said.get("restart") == "no"


def read(given: Mapping[str, str], file: Path = FILE) -> dict[str, Service]:
    """Every service by its name, with the variables of the file replaced by what is given."""
    document = _filled(yaml.safe_load(file.read_text(encoding="utf-8")), given)
    return {name: _service(name, said) for name, said in document["services"].items()}


def _service(name: str, said: dict[str, Any]) -> Service:
    check = said.get("healthcheck", {}).get("test", ["CMD"])
    assert check[0] == "CMD", f"{name}: a health check is a command, not a line for a shell"
    return Service(
        name,
        said["image"],
        tuple(said.get("command", ())),
        {key: _text(value) for key, value in said.get("environment", {}).items()},
        tuple(said.get("ports", ())),
        tuple(said.get("depends_on", ())),
        tuple(check[1:]),
        said,
    )


def _text(value: object) -> str:
    assert isinstance(value, str | int), f"{value!r} must stand in quotes"
    assert not isinstance(value, bool), f"{value!r} must stand in quotes"
    return str(value)


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    """A part of the document with its variables replaced."""
    if isinstance(value, dict):
        return {key: _filled(part, given) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, given) for part in value]
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _given(found, given), value)
    return value


def _given(found: re.Match[str], given: Mapping[str, str]) -> str:
    """An empty variable is as good as none: that is what ``:-`` means."""
    if found["name"] is None:
        return "$"
    default = found["default"]
    if default is None:
        return given[found["name"]]
    return given.get(found["name"]) or default


def variables(file: Path = FILE) -> dict[str, str]:
    """The variables the file asks for, each with its default."""
    found = _VARIABLE.finditer(file.read_text(encoding="utf-8"))
    return {one["name"]: one["default"] for one in found if one["name"]}


def example(file: Path = EXAMPLE) -> dict[str, str]:
    """What the example of an environment sets."""
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def layers(services: Mapping[str, Service]) -> Iterator[list[Service]]:
    """The services in the order they may start in: each list once those before it are there."""
    order = TopologicalSorter({name: one.after for name, one in services.items()})
    order.prepare()
    while ready := order.get_ready():
        yield [services[name] for name in services if name in ready]
        order.done(*ready)
