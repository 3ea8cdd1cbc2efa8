"""A project whose runs reach the cluster of the tests, and what is in it of which trial."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.cluster import shared
from scripts.cluster.images import BUSYBOX
from tests.acceptance.harness import Project, until

Object = dict[str, Any]


@dataclass(frozen=True)
class InCluster(Project):
    """A project with `kubectl`, `helm` and the kubeconfig in its environment."""

    more: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.more}

    def kubectl(self, *words: str, input: str = "", check: bool = True) -> str:
        """What kubectl prints."""
        return self._call("kubectl", *words, input=input, check=check)

    def helm(self, *words: str) -> str:
        """What Helm prints."""
        return self._call("helm", *words)

    def _call(self, *words: str, input: str = "", check: bool = True) -> str:
        done = subprocess.run(
            words, env=self.environment, input=input, capture_output=True, text=True, timeout=240, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def put(self, *things: Object) -> None:
        """Make objects as another person would."""
        self.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(things)}))

    def get(self, *words: str) -> list[Object]:
        """Objects by kubectl's own words."""
        found: list[Object] = json.loads(self.kubectl("get", *words, "--output", "json"))["items"]
        return found

    def trial(
        self, *steps: object, name: str = "trial.json", deploy: str = "180s", allow: Sequence[str] = (),
        **settings: object,
    ) -> Path:  # fmt: skip
        """A document with one suite; `deploy`: the deadline of that step; `allow`: what counts as somebody else's."""
        system = {"kind": "kubernetes", **settings}
        deadlines = {"deploy": deploy, "destroy": "120s"}
        workflow = [{"step": one} if isinstance(one, str) else one for one in steps]
        suite = {"workflow": workflow, "deadlines": deadlines}
        contamination = {"contamination": {"allow": allow}} if allow else {}
        return self.write(name, {"system": system, "test_suites": {"s": suite}, **contamination})


def project_in(folder: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> InCluster:
    """A project in a folder."""
    path = os.pathsep.join([str(tool("helm").parent), str(cluster.folder / "bin"), os.environ["PATH"]])
    return InCluster(folder, {"KUBECONFIG": str(cluster.kubeconfig), "PATH": path})


def within(project: Project) -> InCluster:
    """The same project, where this process has the cluster in its own environment."""
    return project if isinstance(project, InCluster) else InCluster(project.folder, {})


def left_of(project: Project) -> Sequence[str]:
    """What the cluster has of this project's trials, of whatever kind: by label, by mark or by name."""
    trials = {path.name.rpartition("-")[2] for run in project.runs() for path in run.iterdir() if path.is_dir()}
    trials |= {str(event["trial"]) for event in project.events() if event.get("trial")}
    listed: list[Sequence[str]] = []

    def look() -> bool:
        with suppress(AssertionError):  # a definition went away in this moment
            listed.append(_everything(within(project)))
        return bool(listed)

    until(look, "a list of all objects")
    return [line for line in listed[0] if any(trial in line for trial in trials)]


def _everything(project: InCluster) -> Sequence[str]:
    """All objects of the cluster, a line each."""
    kinds = project.kubectl("api-resources", "--verbs=list", "--output=name").split()
    listed = project.kubectl(
        "get", ",".join(kind for kind in kinds if not kind.startswith(("events", "leases"))), "--all-namespaces",
        "--output=jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.labels} "
        "{.metadata.annotations}{\"\\n\"}{end}",
        "--ignore-not-found",
    )  # fmt: skip
    assert "Namespace /kube-system" in listed, f"kubectl listed no namespace: {listed[:300]}"
    return listed.splitlines()


def deployment(name: str = "web", replicas: int = 1, command: Sequence[str] = (), **container: object) -> Object:
    """A Deployment of pods that serve an empty folder."""
    labels = {"app": name}
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    serving = {"command": list(command) or ["httpd", "-f", "-p", "8080"], "readinessProbe": probe}
    spec = {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {"name": "main", "image": BUSYBOX, "imagePullPolicy": "Never", **serving, **container},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def config_map(name: str, **metadata: object) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"a": "b"}}


def cluster_role(name: str, **metadata: object) -> Object:
    """An object without a namespace."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, **metadata},
        "rules": rules,
    }


def definition(plural: str, group: str = "seatrial.example") -> Object:
    """A definition of a kind without rules."""
    singular = plural.removesuffix("s")
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": singular, "kind": singular.capitalize()},
            "versions": [version],
        },
    }


def instance(plural: str, name: str, group: str = "seatrial.example", **metadata: object) -> Object:
    """An object of a defined kind."""
    kind = plural.removesuffix("s").capitalize()
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": name, **metadata}}
