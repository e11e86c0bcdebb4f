"""The manifests in deploy/kubernetes: they belong together, and what they start starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dashkit.files import REPOSITORY
from flowtrail_collector.sagas.flow_file import load_flows

FOLDER = REPOSITORY / "deploy" / "kubernetes"


def _manifests() -> dict[str, Any]:
    yaml = YAML(typ="safe", pure=True)
    return {
        one["kind"]: one for path in sorted(FOLDER.glob("*.yaml")) for one in yaml.load_all(path.read_text())
    }


KINDS = _manifests()
POD = KINDS["Deployment"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def test_everything_selects_the_same_pods() -> None:
    labels = POD["metadata"]["labels"]
    assert KINDS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert KINDS["Service"]["spec"]["selector"] == labels
    assert KINDS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert (
        KINDS["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == KINDS["Service"]["metadata"]["labels"]
    )


def test_ports_have_the_names_they_are_called_by() -> None:
    (port,) = CONTAINER["ports"]
    (service_port,) = KINDS["Service"]["spec"]["ports"]
    (endpoint,) = KINDS["ServiceMonitor"]["spec"]["endpoints"]
    assert service_port["targetPort"] == port["name"]
    assert endpoint["port"] == service_port["name"]
    assert endpoint["path"] == "/metrics"
    listen = next(one["value"] for one in CONTAINER["env"] if one["name"] == "FLOWTRAIL_LISTEN")
    assert listen == f"0.0.0.0:{port['containerPort']}"


def test_mounts_have_volumes_and_files_are_mounted() -> None:
    volumes = {volume["name"]: volume for volume in POD["spec"]["volumes"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == set(volumes)
    mounted = {Path(mount["mountPath"]) for mount in CONTAINER["volumeMounts"]}
    for variable in CONTAINER["env"]:
        if str(variable.get("value", "")).startswith("/"):
            assert Path(variable["value"]).parent in mounted
    assert volumes["flows"]["configMap"]["name"] == KINDS["ConfigMap"]["metadata"]["name"]


def test_it_runs_unprivileged() -> None:
    assert POD["spec"]["securityContext"]["runAsNonRoot"] is True
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert re.search(r":\d", CONTAINER["image"])


def test_the_flow_file_in_the_config_map_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "flows.yaml"
    path.write_text(KINDS["ConfigMap"]["data"]["flows.yaml"], encoding="utf-8")
    assert set(load_flows(path).by_name) == {"order-fulfilment"}
