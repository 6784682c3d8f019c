"""The manifests as the cluster gets them: rendered by kubectl, valid, restricted, and in step with
the code's ports and settings.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

from app.cli.health import states
from app.core.errors import Misconfigured
from app.observe import metrics
from app.settings.load import load

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("development", "production")
Manifest = Mapping[str, Any]  # Any: YAML
TOOLS = Path(sys.executable).parent


@cache
def rendered(overlay: str) -> str:
    command = [str(TOOLS / "kubectl"), "kustomize", str(ROOT / "k8s" / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def manifests(overlay: str) -> Sequence[Manifest]:
    return list(yaml.safe_load_all(rendered(overlay)))


def of_kind(overlay: str, *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests(overlay) if manifest["kind"] in kinds]


def workloads() -> Iterator[tuple[str, Manifest]]:
    for overlay in OVERLAYS:
        for manifest in of_kind(overlay, "Deployment", "StatefulSet"):
            yield f"{overlay}/{manifest['metadata']['name']}", manifest


def containers() -> Iterator[tuple[str, Manifest, Manifest]]:
    for name, manifest in workloads():
        pod = manifest["spec"]["template"]["spec"]
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            yield f"{name}/{container['name']}", pod, container


each_container = pytest.mark.parametrize(
    ("pod", "container"), [pytest.param(p, c, id=name) for name, p, c in containers()]
)
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@each_overlay
def test_every_manifest_is_valid(overlay: str, tmp_path: Path) -> None:
    place = tmp_path / "all.yaml"
    place.write_text(rendered(overlay))

    done = subprocess.run(
        [TOOLS / "kubernetes-validate", "--strict", place],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    unknown = set(re.findall(r"for kind (\w+)", done.stdout + done.stderr))
    assert unknown <= {"ScaledObject", "PrometheusRule", "ServiceMonitor"}, (
        "only operators' own kinds have no public schema"
    )


@each_container
def test_every_container_runs_restricted(pod: Manifest, container: Manifest) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@each_container
def test_every_container_has_bounds_probes_and_a_fixed_image(
    pod: Manifest, container: Manifest
) -> None:
    assert container["resources"]["limits"]["memory"]
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert {"livenessProbe", "readinessProbe"} <= set(container)
    _, colon, tag = container["image"].rpartition(":")
    assert colon
    assert tag != "latest"
    assert re.match(r"\d+\.\d+", tag)


def test_the_image_has_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version

    ours = {
        container["image"]
        for _, _, container in containers()
        if container["image"].startswith("signoff")
    }

    assert ours == {f"signoff:{version[1]}"}


@each_overlay
def test_what_is_under_way_is_finished_within_the_grace_period(overlay: str) -> None:
    for manifest in of_kind(overlay, "Deployment", "StatefulSet"):
        pod = manifest["spec"]["template"]["spec"]
        for container in pod["containers"]:
            if not container["image"].startswith("signoff"):
                continue
            drained = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pod["terminationGracePeriodSeconds"] > drained + 25 + 5, (
                "the processes take up to 25 s to finish what is under way"
            )


@each_overlay
def test_the_dkim_keys_are_mounted_in_the_relay_alone(overlay: str) -> None:
    having = set()
    for manifest in of_kind(overlay, "Deployment", "StatefulSet"):
        pod = manifest["spec"]["template"]["spec"]
        secrets = {
            volume["name"]: volume["secret"]["secretName"]
            for volume in pod.get("volumes", [])
            if "secret" in volume
        }
        for container in pod["containers"]:
            for mount in container["volumeMounts"]:
                if secrets.get(mount["name"]) == "signoff-dkim":
                    having.add((container["name"], mount["mountPath"], mount["readOnly"]))
    (settings,) = (
        m["data"]["signoff.toml"]
        for m in of_kind(overlay, "ConfigMap")
        if "signoff.toml" in m["data"]
    )

    assert having == {("relay", "/etc/signoff/dkim", True)}
    assert 'dkim_keys = "relay"' in settings
    assert set(re.findall(r'key_file = "(.+)/', settings)) == {"/etc/signoff/dkim"}


@each_overlay
def test_a_spool_outlives_its_pod(overlay: str) -> None:
    spooling = {
        m["metadata"]["name"]: m
        for m in of_kind(overlay, "StatefulSet")
        if m["metadata"]["name"].startswith("signoff")
    }

    assert set(spooling) == {"signoff-web", "signoff-admin", "signoff-inbox"}
    for manifest in spooling.values():
        assert manifest["spec"]["persistentVolumeClaimRetentionPolicy"] == {
            "whenDeleted": "Retain",
            "whenScaled": "Retain",
        }
        (claim,) = manifest["spec"]["volumeClaimTemplates"]
        (mount,) = (
            m
            for m in manifest["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
            if m["name"] == claim["metadata"]["name"]
        )
        assert mount["mountPath"] == "/var/lib/signoff"


@each_overlay
def test_every_workload_has_a_budget_and_an_autoscaler(overlay: str) -> None:
    names = {
        m["metadata"]["name"]
        for m in of_kind(overlay, "Deployment", "StatefulSet")
        if m["metadata"]["name"].startswith("signoff")
    }
    budgets = {m["metadata"]["name"] for m in of_kind(overlay, "PodDisruptionBudget")}
    scaled = {
        m["spec"]["scaleTargetRef"]["name"]: m["kind"]
        for m in of_kind(overlay, "HorizontalPodAutoscaler", "ScaledObject")
    }

    assert names == {
        "signoff-web",
        "signoff-admin",
        "signoff-relay",
        "signoff-inbox",
        "signoff-worker",
    }
    assert budgets == names
    assert set(scaled) == names
    assert (scaled["signoff-worker"] == "ScaledObject") == (overlay == "production")


@each_overlay
def test_a_service_leads_to_ports_that_exist(overlay: str) -> None:
    ports = {
        manifest["metadata"]["name"]: {
            p["name"]
            for c in manifest["spec"]["template"]["spec"]["containers"]
            for p in c["ports"]
        }
        for manifest in of_kind(overlay, "Deployment", "StatefulSet")
    }
    for service in of_kind(overlay, "Service"):
        target = service["spec"]["selector"]["app.kubernetes.io/name"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports[target], service[
            "metadata"
        ]["name"]


@each_overlay
def test_admin_and_metrics_are_on_no_ingress(overlay: str) -> None:
    """Catalogue L11: nothing but the public port is reachable from outside."""
    for ingress in of_kind(overlay, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            backends = [path["backend"]["service"] for path in rule["http"]["paths"]]
            assert backends == [{"name": "signoff-web", "port": {"name": "public"}}]


@each_overlay
def test_the_settings_are_read_by_the_code_and_agree_with_the_ports(
    overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config,) = (m for m in of_kind(overlay, "ConfigMap") if "signoff.toml" in m["data"])
    here = (
        config["data"]["signoff.toml"]
        .replace("/etc/signoff", str(tmp_path))
        .replace("/var/lib/signoff", str(tmp_path / "state"))
    )
    (tmp_path / "signoff.toml").write_text(here)
    monkeypatch.setenv("SIGNOFF_CONFIG", str(tmp_path / "signoff.toml"))
    monkeypatch.setenv("SIGNOFF_STORE__URL", "redis://store:6379/0")
    monkeypatch.chdir(tmp_path)

    try:
        settings = load()
    except Misconfigured as exc:
        pytest.fail(str(exc))

    declared = {
        container["name"]: {port["name"]: port["containerPort"] for port in container["ports"]}
        for manifest in of_kind(overlay, "Deployment", "StatefulSet")
        for container in manifest["spec"]["template"]["spec"]["containers"]
    }
    assert declared["web"] == {
        "public": _port(settings.web.listen),
        "health": _port(settings.web.health_listen),
    }
    assert declared["admin"] == {"admin": _port(settings.web.admin_listen)}
    assert declared["relay"] == {
        "smtp": _port(settings.relay.listen),
        "lmtp": _port(settings.relay.lmtp_listen),
        "health": _port(settings.relay.health_listen),
    }
    assert declared["inbox"] == {
        "smtp": _port(settings.inbox.listen),
        "health": _port(settings.inbox.health_listen),
    }
    assert declared["worker"] == {"health": _port(settings.worker.health_listen)}
    assert {row["process"] for row in states(settings)} == {
        "web",
        "admin",
        "relay",
        "inbox",
        "worker",
    }


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def test_the_store_is_asked_for_by_name() -> None:
    """Without it each pod would start an embedded store of its own, and clicks would scatter."""
    for name, _, container in containers():
        if container["image"].startswith("signoff"):
            (variable,) = (v for v in container["env"] if v["name"] == "SIGNOFF_STORE__URL")
            assert not variable["valueFrom"]["secretKeyRef"].get("optional", False), name


def known_metrics() -> set[str]:
    """Every sample name that a process may export."""
    names: set[str] = set()
    for value in vars(metrics).values():
        if isinstance(value, prometheus_client.Counter):
            names.add(f"{value._name}_total")
        elif isinstance(value, prometheus_client.Histogram):
            names |= {f"{value._name}_{part}" for part in ("bucket", "sum", "count")}
        elif isinstance(value, prometheus_client.Gauge):
            names.add(value._name)
    return names


def test_every_query_of_alerts_dashboard_and_autoscaler_names_metrics_that_exist() -> None:
    (rules,) = of_kind("production", "PrometheusRule")
    queries = [rule["expr"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    (scaled,) = of_kind("production", "ScaledObject")
    queries += [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]
    (dashboard,) = (
        json.loads(m["data"]["signoff.json"])
        for m in of_kind("production", "ConfigMap")
        if "signoff.json" in m["data"]
    )
    queries += [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])
    ]

    used = {name for query in queries for name in re.findall(r"\bsignoff_\w+", query)}

    assert used
    assert used <= known_metrics()
    assert {
        panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in dashboard["panels"]
    } == {True}


def test_every_alert_says_what_it_means_and_how_bad_it_is() -> None:
    (rules,) = of_kind("production", "PrometheusRule")
    for rule in (rule for group in rules["spec"]["groups"] for rule in group["rules"]):
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
