"""compose.yaml and the files it mounts: by schema, and by rules of our own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dashkit.compose import RABBITMQ_ENV, filled_in
from dashkit.files import REPOSITORY, load_yaml
from flowtrail_collector.settings import RabbitConfig
from orderflow.platform.settings import Settings
from servers import UnavailableError, servers_required
from servers._tools import tool

COMPOSE: dict[str, Any] = load_yaml(REPOSITORY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"topics"}
WITHOUT_PORT = {"topics", "load"}
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")


def test_the_schema_of_the_compose_specification() -> None:
    """github.com/compose-spec/compose-spec, schema/compose-spec.json."""
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text(encoding="utf-8"))
    found = jsonschema.Draft7Validator(schema).iter_errors(COMPOSE)
    assert [f"{'/'.join(map(str, error.path))}: {error.message}" for error in found] == []


def test_the_stack_is_complete() -> None:
    assert set(SERVICES) == {
        "kafka", "rabbitmq", "registry", "postgres", "jaeger", "prometheus", "grafana", "collector-1", "collector-2",
        "topics", "orders", "inventory", "billing", "fulfillment", "customers", "load",
    }  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_limited_watched_and_on_loopback_only(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+", service["image"]), service["image"]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    limits = service["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} == set(limits)
    assert (
        service["healthcheck"] == {"disable": True}
        if name in WITHOUT_PORT
        else service["healthcheck"]["test"]
    )
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" in service])
def test_our_own_images_run_unprivileged(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert f" AS {service['build']['target']}\n" in DOCKERFILE
    assert "\nUSER 10001:10001\n" in DOCKERFILE


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_and_mounts_is_there(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert other in ONE_SHOT
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (REPOSITORY / source).exists(), source
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("environment", [{}, RABBITMQ_ENV], ids=["without", "with"])
def test_rabbitmq_is_there_only_with_its_environment_file(environment: dict[str, str]) -> None:
    profiles = environment.get("COMPOSE_PROFILES", "").split(",")
    there = {
        name
        for name, each in SERVICES.items()
        if not each.get("profiles") or {*each["profiles"]} & {*profiles}
    }
    assert ("rabbitmq" in there) == bool(environment)
    for name in ("topics", "orders", "billing"):
        values = {key: filled_in(text, environment) for key, text in SERVICES[name]["environment"].items()}
        settings = Settings.of("orders", {**values, "ORDERFLOW_FOLDER": "."})
        assert (settings.broker, bool(settings.rabbitmq_url)) == (
            ("both", True) if environment else ("kafka", False)
        )
    for name in ("collector-1", "collector-2"):
        values = {key: filled_in(text, environment) for key, text in SERVICES[name]["environment"].items()}
        config = RabbitConfig(
            values["FLOWTRAIL_RABBITMQ"],
            values["FLOWTRAIL_RABBITMQ_PASSWORD"],
            values["FLOWTRAIL_RABBITMQ_MANAGEMENT"],
        )
        config.validate()
        assert bool(config.url) == bool(environment)
        if environment:
            assert config.credentials == (
                SERVICES["rabbitmq"]["environment"]["RABBITMQ_DEFAULT_USER"],
                filled_in(SERVICES["rabbitmq"]["environment"]["RABBITMQ_DEFAULT_PASS"], {}),
            )
            assert config.management_url == SERVICES["orders"]["environment"]["RABBITMQ_MANAGEMENT_URL"]
    for service in (SERVICES[name] for name in there):
        for other, wait in service.get("depends_on", {}).items():
            assert other in there or wait["required"] is False


def test_one_variable_gives_everybody_the_password_of_rabbitmq() -> None:
    given = {"RABBITMQ_PASSWORD": "s3cret"}
    places = {
        "rabbitmq": "RABBITMQ_DEFAULT_PASS",
        "collector-1": "FLOWTRAIL_RABBITMQ_PASSWORD",
        "topics": "RABBITMQ_URL",
        "billing": "RABBITMQ_URL",
    }
    for name, variable in places.items():
        value = filled_in(SERVICES[name]["environment"][variable], given)
        assert re.search(r"\bs3cret\b", value), name


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    let_in = {
        line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (REPOSITORY / source).exists(), source
            assert source in let_in


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested = _pins(REPOSITORY / "requirements" / "dev.txt")
    shipped = _pins(REPOSITORY / "deploy" / "requirements.txt")
    assert {"confluent-kafka", "kafka-python", "psycopg-binary", "opentelemetry-sdk"} <= set(shipped)
    assert {name: tested.get(name) for name in shipped} == shipped


def _pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.servers
def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    try:
        promtool = tool("promtool")
    except UnavailableError as error:
        if servers_required():
            raise
        pytest.skip(str(error))
    for volume in SERVICES["prometheus"]["volumes"]:
        source, target = volume.split(":")[:2]
        if source.startswith("."):
            copy = tmp_path / Path(target).relative_to("/etc/prometheus")
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(REPOSITORY / source, copy)
    checked = subprocess.run(
        [promtool, "check", "config", str(tmp_path / "prometheus.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS: 3 rule files found" in checked.stdout


def test_prometheus_scrapes_every_service_that_has_metrics() -> None:
    config = load_yaml(REPOSITORY / "deploy" / "prometheus" / "prometheus.yml")
    scraped = {
        target
        for job in config["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    shop = {"orders", "inventory", "billing", "fulfillment", "customers"}
    port = SERVICES["orders"]["environment"]["ORDERFLOW_METRICS_PORT"]
    assert scraped == {f"{name}:{port}" for name in shop} | {"collector-1:8090", "collector-2:8090"}
    rule_files = {path.name for path in (REPOSITORY / "dashboards" / "prometheus").glob("*.yml")}
    mounted = {
        Path(volume.split(":")[0]).name for volume in SERVICES["prometheus"]["volumes"] if "/rules/" in volume
    }
    assert mounted == rule_files


def test_grafana_is_provisioned_with_what_the_dashboards_need() -> None:
    """Field names: grafana.com/docs/grafana/latest/administration/provisioning."""
    folder = REPOSITORY / "deploy" / "grafana" / "provisioning"
    sources = load_yaml(folder / "datasources" / "flowtrail.yaml")
    assert set(sources) <= {"apiVersion", "prune", "deleteDatasources", "datasources"}
    by_uid = {source["uid"]: source for source in sources["datasources"]}
    for source in by_uid.values():
        assert set(source) <= {"name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData"}
        host = re.fullmatch(r"http://([\w-]+):\d+", source["url"])
        assert host is not None
        assert host[1] in SERVICES
    assert {uid: source["type"] for uid, source in by_uid.items()} == {
        "prometheus": "prometheus", "jaeger": "jaeger", "flowtrail": "jaeger",
    }  # fmt: skip
    assert [uid for uid, source in by_uid.items() if source.get("isDefault")] == ["prometheus"]
    exemplars = by_uid["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    traces, trails = exemplars
    assert traces["datasourceUid"] in by_uid
    assert re.fullmatch(r"http://localhost:8090/search\?q=\$\$\{__value\.raw\}", trails["url"])
    (provider,) = load_yaml(folder / "dashboards" / "flowtrail.yaml")["providers"]
    assert set(provider) <= {
        "name", "orgId", "folder", "type", "disableDeletion", "allowUiUpdates", "updateIntervalSeconds", "options",
    }  # fmt: skip
    path = provider["options"]["path"]
    assert f"./dashboards/grafana:{path}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (REPOSITORY / "dashboards" / "grafana" / Path(home).relative_to(path)).is_file()
