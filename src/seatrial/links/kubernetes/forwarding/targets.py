"""The target of a port-forward: which pods belong to it now, and which port of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.kubernetes.answers import Object
from seatrial.links.kubernetes.objects import controller
from seatrial.links.kubernetes.readiness.pods import is_ready, trouble
from seatrial.links.kubernetes.selectors import Selector, of_spec
from seatrial.model.frozen import frozen

KINDS = {
    "Service": ("svc", "service", "services"),
    "Deployment": ("deploy", "deployment", "deployments"),
    "StatefulSet": ("sts", "statefulset", "statefulsets"),
    "DaemonSet": ("ds", "daemonset", "daemonsets"),
    "ReplicaSet": ("rs", "replicaset", "replicasets"),
    "Pod": ("po", "pod", "pods"),
}
"""Kinds with pods, and their words in front of a name."""
WATCHED = {
    "": (),
    "Pod": (),
    "Service": ("v1/Service",),
    "Deployment": ("apps/v1/Deployment", "apps/v1/ReplicaSet"),
    "StatefulSet": ("apps/v1/StatefulSet",),
    "DaemonSet": ("apps/v1/DaemonSet",),
    "ReplicaSet": ("apps/v1/ReplicaSet",),
}
"""The kinds that say which pods belong to a target, besides the pods."""
ALLOWED = "svc/NAME, deployment/NAME, statefulset/NAME, daemonset/NAME, replicaset/NAME, pod/NAME, or app=web"
_NAMED = re.compile(r"([a-z]+)/([a-z0-9]([-a-z0-9.]*[a-z0-9])?)")

Objects = Mapping[str, Sequence[Object]]
"""Kind to its objects in the namespace."""


class NoTarget(CannotTell):
    """No pod can be the target now; the text says why."""


@frozen
class Target:
    """A Service, a workload or a pod by its name, or pods by their labels."""

    kind: str
    """Empty: by labels."""
    name: str = ""
    labels: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.kind else f"pods with {self.labels}"


def target(text: str) -> Target:
    """The target that a text means; ValueError says what is allowed."""
    text = text.strip()
    if named := _NAMED.fullmatch(text):
        kind = next((kind for kind, words in KINDS.items() if named[1] in words), "")
        if not kind:
            raise ValueError(f"a forward cannot go to the kind {named[1]!r}; allowed: {ALLOWED}")
        return Target(kind=kind, name=named[2])
    selector = Selector(text)
    if not selector.names_values:
        raise ValueError(f"{text!r} leaves open which pods are meant; allowed: {ALLOWED}")
    return Target(kind="", labels=selector.text)


def pods_of(target: Target, objects: Objects, namespace: str) -> list[Object]:
    """The pods that belong to a target now, ready or not; NoTarget when it is absent or chooses no pods by itself."""
    pods = objects["Pod"]
    if target.kind == "Pod":
        return [pod for pod in pods if pod["metadata"]["name"] == target.name]
    if not target.kind:
        return _matching(pods, Selector(target.labels))
    thing = the_one(target, objects, namespace)
    spec = thing.get("spec") or {}
    if target.kind == "Service":
        if spec.get("type") == "ExternalName":
            raise NoTarget(f"{target} is another name of {spec.get('externalName')}, and has no pods")
        if not spec.get("selector"):
            raise NoTarget(f"{target} has no selector, so nothing says which pods are behind it")
        return _matching(pods, of_spec(spec["selector"]))
    # Labels alone are not enough: pods of another workload may have them too.
    owners = {str(thing["metadata"]["uid"])}
    if target.kind == "Deployment":
        owners = {str(one["metadata"]["uid"]) for one in objects["ReplicaSet"] if _owner(one) in owners}
    return [pod for pod in _matching(pods, of_spec(spec.get("selector"))) if _owner(pod) in owners]


def the_one(target: Target, objects: Objects, namespace: str) -> Object:
    """The Service or the workload itself; NoTarget when it is absent."""
    for thing in objects[target.kind]:
        if thing["metadata"]["name"] == target.name:
            return thing
    raise NoTarget(f"{target} does not exist in the namespace {namespace}")


def chosen(target: Target, pods: Sequence[Object], namespace: str, before: str = "") -> Object:
    """One of a target's pods that is ready and not about to end: the one with the id `before` if it still can, else the
    newest. NoTarget says why there is none."""
    able = [pod for pod in pods if is_able(pod)]
    for pod in able:
        if pod["metadata"]["uid"] == before:
            return pod
    if able:
        return max(able, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
    if not pods:
        raise NoTarget(f"there are no {_pods(target)} in the namespace {namespace}")
    reasons = [f"{pod['metadata']['name']}: {'it is about to end' if _ending(pod) else trouble(pod)}" for pod in pods]
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    raise NoTarget(f"none of the {_pods(target)} is ready: {'; '.join(reasons[:3])}{more}")


def _pods(target: Target) -> str:
    return f"pods of {target}" if target.kind else str(target)


def is_able(pod: Object) -> bool:
    """Whether a new connection may go to it."""
    return not _ending(pod) and is_ready(pod)


def port_of(target: Target, port: str | int, pod: Object, objects: Objects, namespace: str) -> int:
    """The number of the port in a pod; NoTarget when there is no such port."""
    port = int(port) if str(port).isdigit() else str(port)
    if target.kind != "Service":
        return port if isinstance(port, int) else _named(pod, port)
    ports = (the_one(target, objects, namespace).get("spec") or {}).get("ports") or ()
    for one in ports:
        if port in (one.get("port"), one.get("name")) and one.get("protocol", "TCP") == "TCP":
            inner = one.get("targetPort") or one["port"]
            return inner if isinstance(inner, int) else _named(pod, str(inner))
    has = ", ".join(f"{one['port']}{f' ({name})' if (name := one.get('name')) else ''}" for one in ports)
    raise NoTarget(f"{target} has no TCP port {port}; it has: {has or 'none'}")


def _named(pod: Object, name: str) -> int:
    known: dict[str, int] = {}
    for one in _ports(pod):
        if one.get("name") and one.get("protocol", "TCP") == "TCP":
            known.setdefault(str(one["name"]), int(one["containerPort"]))
    if name not in known:
        raise NoTarget(f"the pod {pod['metadata']['name']} has no port {name!r}; it has: {', '.join(known) or 'none'}")
    return known[name]


def _ports(pod: Object) -> Iterator[Mapping[str, Any]]:
    spec = pod.get("spec") or {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        yield from container.get("ports") or ()


def _matching(pods: Sequence[Object], selector: Selector) -> list[Object]:
    return [pod for pod in pods if selector.matches(pod["metadata"].get("labels"))]


def _owner(thing: Object) -> str:
    return str(controller(thing).get("uid") or "")


def _ending(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp")) or (pod.get("status") or {}).get("phase") in (
        "Succeeded", "Failed",
    )  # fmt: skip
