"""docker-compose.yml and the Dockerfile, as far as they can be judged without a Docker daemon."""

import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?[\w.-]*")

each_service = pytest.mark.parametrize("name", SERVICES)


def mounts(name: str) -> list[list[str]]:
    """``source:target[:ro]``, split."""
    return [volume.split(":") for volume in SERVICES[name]["volumes"]]


def test_the_four_services() -> None:
    assert set(SERVICES) == {"monitor", "prometheus", "alertmanager", "grafana"}


@each_service
def test_images_are_pinned(name: str) -> None:
    """The same tomorrow as today."""
    assert PINNED.fullmatch(SERVICES[name]["image"])


@pytest.mark.parametrize("image", re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
def test_base_images_are_pinned(image: str) -> None:
    assert PINNED.fullmatch(image)


@each_service
def test_what_is_mounted_exists(name: str) -> None:
    """Docker would make an empty folder of a path that does not exist, and the service would start with nothing."""
    for source, *_ in mounts(name):
        if source.startswith("."):
            assert (ROOT / source).exists()
        else:
            assert source in COMPOSE["volumes"]


@each_service
def test_what_comes_from_the_repository_is_read_only(name: str) -> None:
    assert all(mode == ["ro"] for source, _, *mode in mounts(name) if source.startswith("."))


@each_service
def test_a_service_can_do_little(name: str) -> None:
    """No capability but raw sockets for the monitor, which its interpreter's file holds; no writable image."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_RAW"] if name == "monitor" else [])
    assert service["read_only"] is True
    assert ("no-new-privileges:true" in service.get("security_opt", [])) is (name != "monitor")
    assert "privileged" not in service


@each_service
def test_a_service_comes_back(name: str) -> None:
    """It is restarted, its health is looked at, and its log has an end."""
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]
    assert "healthcheck" in service or (name == "monitor" and "HEALTHCHECK" in DOCKERFILE)


@each_service
def test_nothing_is_open_to_the_network_unless_one_says_so(name: str) -> None:
    for port in SERVICES[name]["ports"]:
        assert port.startswith(("127.0.0.1:", "${DIEMCAU_BIND:-127.0.0.1}:"))


def test_names_of_hosts_agree() -> None:
    """Who scrapes, posts to or reads from whom is a service of this file, at its port."""
    prometheus = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    scraped = [job["static_configs"][0]["targets"][0] for job in prometheus["scrape_configs"]]
    alerted = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    source = yaml.safe_load((ROOT / "config/grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))
    assert scraped == ["monitor:8080", "alertmanager:9093", "localhost:9090"]
    assert alerted == ["alertmanager:9093"]
    assert "--alertmanager=http://alertmanager:9093" in SERVICES["monitor"]["command"]
    assert source["datasources"][0]["url"] == "http://prometheus:9090"


def test_grafana_reads_what_is_provisioned() -> None:
    provider = yaml.safe_load((ROOT / "config/grafana/provisioning/dashboards/diemcau.yml").read_text("utf-8"))
    targets = {target: source for source, target, *_ in mounts("grafana")}
    folder = provider["providers"][0]["options"]["path"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert targets[folder] == "./dashboards/json"
    assert (ROOT / "dashboards/json" / home.removeprefix(f"{folder}/")).is_file()


@pytest.mark.parametrize("secret", COMPOSE["secrets"])
def test_no_secret_is_committed(secret: str) -> None:
    """Its file is ignored, neither the image nor a mount of the monitor has it; and it is told how to make it."""
    path = ROOT / COMPOSE["secrets"][secret]["file"]
    shown = str(path.relative_to(ROOT))
    assert f"/{path.name}" in (path.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert shown in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert f"/etc/diemcau/{path.parent.name}" in SERVICES["monitor"]["tmpfs"]
    head = (ROOT / "docker-compose.yml").read_text(encoding="utf-8").partition("services:")[0]
    assert shown in head


def test_alertmanager_reads_what_the_monitor_writes() -> None:
    """One volume, which is the monitor's to write; the same secret."""
    (written,) = (part for part in SERVICES["monitor"]["command"] if part.startswith("--alertmanager-config="))
    (read,) = (part for part in SERVICES["alertmanager"]["command"] if part.startswith("--config.file="))
    targets = {source: target for name in ("monitor", "alertmanager") for source, target, *_ in mounts(name)}
    ours = dict(map(tuple, ((source, target) for source, target, *_ in mounts("monitor"))))["routes"]
    assert written == f"--alertmanager-config={ours}/alertmanager.yml"
    assert read == f"--config.file={targets['routes']}/alertmanager.yml"
    assert f"install --directory --owner 10001 --mode 0755 {ours}" in DOCKERFILE
    for name in ("monitor", "alertmanager"):
        assert "gateway_secret" in SERVICES[name]["secrets"]
    assert "--gateway-secret=/run/secrets/gateway_secret" in SERVICES["monitor"]["command"]


def test_what_the_image_copies_exists_and_is_sent() -> None:
    """A path that .dockerignore keeps out, or that was renamed, breaks the build."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    copied = [word for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()]
    assert {"pyproject.toml", "uv.lock", "monitor", "probes", "config"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists()
        assert any(fnmatch.fnmatch(path, pattern) for pattern in sent)


def test_the_image_does_not_run_as_root() -> None:
    assert re.search(r"^USER (?!root|0)\w+$", DOCKERFILE, re.MULTILINE)


def test_flags_of_the_monitor_are_those_of_the_command() -> None:
    """A flag that was renamed is found here, not on the morning."""
    from monitor.cli.run import command  # noqa: PLC0415

    known = {option for param in command.params for option in param.opts}
    given = {part.partition("=")[0] for part in SERVICES["monitor"]["command"] if part.startswith("--")}
    baked = set(re.findall(r'"(--[a-z-]+)"', DOCKERFILE.rpartition("CMD")[2]))
    assert given <= known
    assert baked <= known


def test_the_secret_of_the_links_outlives_the_container() -> None:
    """A new secret would end every link that was handed out."""
    state = re.search(r"DIEMCAU_STATE=(\S+)", DOCKERFILE)
    assert state is not None
    assert ["state", state[1]] in mounts("monitor")
    assert f"install --directory --owner 10001 --mode 0700 {state[1]}" in DOCKERFILE


def test_what_the_image_can_be_built_with_is_an_extra() -> None:
    """``--build-arg EXTRA=…`` as it is shown, which uv is told in the stage that makes the environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shown = re.findall(r"--build-arg EXTRA=(\w+)", (ROOT / "config/README.md").read_text(encoding="utf-8"))
    assert set(shown) == set(project["optional-dependencies"])
    assert re.search(r'^ARG EXTRA=""$(\n.+)*\nRUN uv sync .*\$\{EXTRA:\+--extra=\$EXTRA\}$', DOCKERFILE, re.MULTILINE)
