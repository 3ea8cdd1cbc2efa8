"""Objects of the readiness table: small ones, each with one thing wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]
IMAGE = "localhost/seatrial/busybox:1"
FOREVER = ["sleep", "100000"]
NEVER = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1000}
FILE = {"exec": {"command": ["test", "-f", "/ready"]}, "periodSeconds": 1, "failureThreshold": 1}


def container(name: str = "main", **more: Any) -> Object:
    return {"name": name, "image": IMAGE, "imagePullPolicy": "Never", "command": FOREVER, **more}


def pod_spec(*containers: Object, **more: Any) -> Object:
    return {"terminationGracePeriodSeconds": 0, "containers": list(containers) or [container()], **more}


def pod(name: str = "web", *containers: Object, labels: Mapping[str, str] | None = None, **more: Any) -> Object:
    metadata = {"name": name, "labels": {"app": name, **(labels or {})}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(*containers, **more)}


def workload(kind: str, name: str = "web", *containers: Object, spec: Object | None = None, **more: Any) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod_spec(*containers, **more)}
    whole = {"selector": {"matchLabels": {"app": name}}, "template": template, **(spec or {})}
    if kind == "StatefulSet":
        whole["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": whole}


def job(name: str, *containers: Object, **spec: Any) -> Object:
    template = {"spec": pod_spec(*containers, restartPolicy="Never")}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def service(name: str, **spec: Any) -> Object:
    given = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": given}


def webhook(name: str, namespace: str, **client: Any) -> Object:
    """A webhook for the pods of one namespace."""
    hook = {
        "name": f"{name}.seatrial.example",
        "clientConfig": client,
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 3,
    }
    kind = "ValidatingWebhookConfiguration"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [hook],
    }


def definition(plural: str, group: str = "seatrial.example") -> Object:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": plural, "singular": plural[:-1], "kind": plural[:-1].capitalize()}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
