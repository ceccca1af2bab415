"""The compose file is whole, careful, and asks for nothing that does not exist."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from hub.__main__ import app
from hub.settings import describe
from tests.cluster import native_kafka
from tests.cluster.compose import (
    CARRIERS,
    EXAMPLE,
    FILE,
    ROOT,
    Service,
    example,
    layers,
    read,
    variables,
)

SERVICES = read(example())
LASTING = [one for one in SERVICES.values() if not one.ends]
OURS = [one for one in SERVICES.values() if one.is_ours]
WORKERS = {"router", "dispatcher", "receiver", "timer"}

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def names(services: list[Service]) -> list[str]:
    return [one.name for one in services]


# What every container is given -------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
class TestEveryService:
    def test_can_change_nothing_of_its_image(self, service: Service) -> None:
        assert service.said["read_only"] is True
        assert service.said["cap_drop"] == ["ALL"]
        assert service.said["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "cap_add", "devices", "network_mode", "pid"} & set(service.said)

    def test_has_its_limits(self, service: Service) -> None:
        assert re.fullmatch(r"\d+[mg]", service.said["mem_limit"])
        assert 0 < service.said["cpus"] <= 2
        assert 0 < service.said["pids_limit"] <= 400
        assert service.said["logging"]["options"].keys() == {"max-size", "max-file"}

    def test_runs_an_image_of_one_version(self, service: Service) -> None:
        assert re.fullmatch(r"[\w/]+:\d+\.\d+(\.\d+)?", service.image)

    def test_is_published_on_this_machine_alone(self, service: Service) -> None:
        assert [port for port in service.ports if not port.startswith("127.0.0.1:")] == []

    def test_waits_for_what_it_needs(self, service: Service) -> None:
        """A service that lasts must be healthy, one that ends must have ended well."""
        waits = service.said.get("depends_on", {})
        assert {name: wait["condition"] for name, wait in waits.items()} == {
            name: "service_completed_successfully" if SERVICES[name].ends else "service_healthy"
            for name in waits
        }


@pytest.mark.parametrize("service", LASTING, ids=names(LASTING))
def test_who_stays_is_watched_and_comes_back(service: Service) -> None:
    assert service.said["restart"] == "unless-stopped"
    assert service.check
    assert {"interval", "timeout", "retries", "start_period"} <= service.said["healthcheck"].keys()


def test_nobody_runs_as_root() -> None:
    """Kafka's image says so itself; PostgreSQL's would begin as root, to become another."""
    assert SERVICES["postgres"].said["user"] == "999:999"
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


def test_data_are_in_volumes_with_names() -> None:
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    used = [one.partition(":")[0] for s in SERVICES.values() for one in s.said.get("volumes", ())]
    assert sorted(used) == sorted(document["volumes"])


def test_the_river_has_no_way_out() -> None:
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert document["networks"]["river"] == {"internal": True}
    assert {name: SERVICES[name].said["networks"] for name in ("kafka", "postgres")} == {
        "kafka": ["river"],
        "postgres": ["river"],
    }


# What runs ---------------------------------------------------------------------------------------


def test_every_kind_of_worker_runs() -> None:
    commands = {one.name: one.command for one in OURS}
    assert commands == {
        "migrate": ("migrate",),
        "topics": ("topics",),
        "sandbox": ("sandbox",),
        "web": ("web",),
        **{name: ("worker", name) for name in WORKERS},
    }


@pytest.mark.parametrize("service", OURS, ids=names(OURS))
def test_it_asks_for_settings_that_exist(service: Service) -> None:
    known = {one.variable for one in describe()}
    asked = {name.removesuffix("_FILE") for name in service.environment}
    assert asked - known == set()


def test_health_is_asked_by_a_command_that_exists() -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    checks = {one.name: one.check for one in OURS if not one.ends}
    assert {check[:2] for check in checks.values()} == {("hub", "health")}
    assert checks["sandbox"][2:] == ("sandbox",)
    assert checks["web"][2:] == ("web",)
    assert "health" in known


def test_secrets_are_files_that_a_command_makes(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "hub", "secrets", str(tmp_path / "secrets")]
    subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True)
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    made = sorted(file.name for file in (tmp_path / "secrets").iterdir())
    assert made == sorted(document["secrets"])
    files = [
        path for s in SERVICES.values() for path in s.environment.values() if "secrets" in path
    ]
    assert {Path(path).name for path in files} == set(made)
    for service in SERVICES.values():
        asked = {Path(p).name for p in service.environment.values() if p.startswith("/run/secrets")}
        assert asked == set(service.said.get("secrets", ())), service.name


def test_the_sandbox_is_given_no_secret() -> None:
    assert SERVICES["sandbox"].said["secrets"] == []


def test_who_depends_on_whom() -> None:
    assert [names(layer) for layer in layers(SERVICES)] == [
        ["kafka", "postgres", "sandbox"],
        ["migrate", "topics"],
        ["router", "dispatcher", "receiver", "timer", "web"],
    ]


def test_the_broker_is_of_the_version_that_tests_run() -> None:
    assert SERVICES["kafka"].image == f"apache/kafka:{native_kafka.VERSION}"


# The example of an environment -------------------------------------------------------------------


def test_the_example_is_complete_and_says_the_defaults() -> None:
    assert example() == variables() | variables(CARRIERS)


def test_the_example_explains_every_variable() -> None:
    """Each has a comment of its own right before it."""
    blocks = EXAMPLE.read_text(encoding="utf-8").strip().split("\n\n")[1:]
    for block in blocks:
        *comment, setting = block.splitlines()
        assert comment, f"{setting} is not explained"
        assert all(line.startswith("# ") for line in comment), block
    assert len(blocks) == len(example())


def test_the_example_holds_no_secret() -> None:
    assert [name for name in example() if re.search("KEY|KEK|PASSWORD|TOKEN", name)] == []


def test_the_image_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert example()["FENGHUO_VERSION"] == project["version"]


def test_what_is_secret_is_ignored() -> None:
    """By git, and by whoever builds the image."""
    for name in (".env", "secrets/kek"):
        asked = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
        assert asked.returncode == 0, f"{name} could be committed"
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert not {"!.env", "!secrets"} & set(ignored)


# The image ---------------------------------------------------------------------------------------


def copied() -> dict[str, str]:
    """What the image is made of: from the checkout, and where it goes."""
    return dict(re.findall(r"^COPY (?!--)(\S+) (\S+)$", DOCKERFILE, re.MULTILINE))


def test_the_image_is_made_of_what_may_be_sent() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert sorted(copied()) == sorted(line[1:] for line in ignored if line.startswith("!"))


def test_the_image_is_of_the_python_that_is_promised() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(stages)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim", stages[0])


def test_the_image_takes_only_parts_that_are_pinned_and_built() -> None:
    assert "--require-hashes --no-deps --only-binary=:all:" in DOCKERFILE


def test_the_image_holds_all_that_the_hub_runs_on(tmp_path: Path) -> None:
    """Laid out as the image is, and run from elsewhere: a whole day of the river."""
    for source, target in copied().items():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target.removeprefix("/"))
    environment = {"PYTHONPATH": str(tmp_path / "srv/fenghuo"), "HUB_DATA_DIR": str(tmp_path)}
    command = ["-P", "-m", "hub", "demo", "--events", "100", "--days", "1"]
    ran = subprocess.run(
        [sys.executable, *command, "--folder", str(tmp_path / "demo")],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


# Real carriers -----------------------------------------------------------------------------------


def added() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(CARRIERS.read_text(encoding="utf-8"))
    return document


def test_everybody_who_reads_the_lanes_is_given_the_same_lanes() -> None:
    """Topics are made for each lane, and a process that knows other lanes would not start."""
    services = added()["services"]
    readers = {one.name for one in OURS} - {"sandbox", "migrate"}
    assert services.keys() == readers
    for name, said in services.items():
        assert said["environment"]["HUB_LANES"] == "/run/secrets/lanes", name
        assert "lanes" in said["secrets"], name


def test_what_is_added_are_settings_and_secrets_that_are_mounted() -> None:
    known = {one.variable for one in describe()}
    for name, said in added()["services"].items():
        ours = {one for one in said["environment"] if one.startswith("HUB_")}
        assert {one.removesuffix("_FILE") for one in ours} <= known
        files = {Path(v).name for v in said["environment"].values() if "/run/secrets/" in v}
        assert files == set(said["secrets"]), name
        assert files <= added()["secrets"].keys()


def test_only_who_sends_is_given_the_carriers_passwords() -> None:
    holders = {
        name
        for name, said in added()["services"].items()
        if any("PASSWORD" in one for one in said["environment"])
    }
    assert holders == {"dispatcher"}
    for said in added()["services"].values():
        open_ones = [one for one in said["environment"] if re.search("PASSWORD|TOKEN|KEY", one)]
        assert all(one.endswith("_FILE") for one in open_ones)


# How it is read ----------------------------------------------------------------------------------


def compose_file(folder: Path, text: str) -> Path:
    file = folder / "docker-compose.yml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_variable_is_what_was_given_else_its_default(tmp_path: Path) -> None:
    line = '{image: "a:1", command: ["${A:-one}", "${B:-two}", "$${C}", "${D}"]}'
    file = compose_file(tmp_path, f"services: {{x: {line}}}")
    assert read({"A": "", "B": "2", "D": "4"}, file)["x"].command == ("one", "2", "${C}", "4")
    with pytest.raises(KeyError, match="D"):
        read({}, file)


def test_what_yaml_would_read_as_something_else_is_refused(tmp_path: Path) -> None:
    file = compose_file(tmp_path, 'services: {x: {image: "a:1", environment: {A: yes}}}')
    with pytest.raises(AssertionError, match="must stand in quotes"):
        read({}, file)


@pytest.mark.cluster
def test_compose_joins_what_carriers_need_to_the_rest(tmp_path: Path) -> None:
    files = ["--file", str(FILE), "--file", str(CARRIERS)]
    command = ["docker-compose", "--env-file", str(EXAMPLE), *files, "config"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    judged: dict[str, Any] = yaml.safe_load(ran.stdout)["services"]
    dispatcher = judged["dispatcher"]
    assert dispatcher["environment"]["HUB_LANES"] == "/run/secrets/lanes"
    assert dispatcher["environment"]["HUB_KAFKA"] == "kafka:9092"
    mounted = {one["source"] if isinstance(one, dict) else one for one in dispatcher["secrets"]}
    assert {"kek", "lanes", "carrier_a_password"} <= mounted
    assert "HUB_LANES" not in judged["sandbox"]["environment"]


@pytest.mark.cluster
def test_compose_reads_it_as_we_do(tmp_path: Path) -> None:
    """Debian's docker-compose needs no engine to judge a file."""
    command = ["docker-compose", "--env-file", str(EXAMPLE), "--file", str(FILE), "config"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    judged: dict[str, Any] = yaml.safe_load(ran.stdout)["services"]
    ours = {name: (one.image, one.command, one.environment) for name, one in SERVICES.items()}
    assert ours == {
        name: (
            said["image"],
            tuple(said.get("command", ())),
            {key: str(value) for key, value in said["environment"].items()},
        )
        for name, said in judged.items()
    }
    assert {name: set(said.get("depends_on", {})) for name, said in judged.items()} == {
        name: set(one.after) for name, one in SERVICES.items()
    }
