"""What containers and nodes use: by the metrics API, else by the kubelets; the reason where neither says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.kubernetes import Cluster, NoSuchKind, Object
from seatrial.model.frozen import frozen
from seatrial.spi.concurrency import map_concurrently

NEAR = 0.9
"""The share of a memory limit from which a container is mentioned in the summary."""

PATIENCE = 5.0
"""Seconds for the answer of a kubelet."""

_UNITS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


@frozen
class Use:
    """One container now."""

    pod: str
    """`NAMESPACE/NAME`."""
    container: str
    cpu: float
    """Cores."""
    memory: float
    """Bytes."""


def quantity(text: object) -> float:
    """The number of a quantity such as `250m` or `64Mi`; 0 for another text."""
    match = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)([a-zA-Z]*)", str(text or ""))
    return float(match[1]) * _UNITS.get(match[2], 0.0) if match else 0.0


async def used(cluster: Cluster, namespaces: Sequence[str], pods: Sequence[Object]) -> tuple[str, list[str]]:
    """A table of what every container uses, with its requests and limits; and the containers near their limit."""
    uses, source = await _uses(cluster, namespaces, pods)
    specs = {
        (f"{pod['metadata']['namespace']}/{pod['metadata']['name']}", container["name"]): container.get("resources")
        or {}
        for pod in pods
        for container in (pod["spec"].get("containers") or ())
    }
    lines = [source, *(_line(use, specs.get((use.pod, use.container), {})) for use in uses)]
    return "".join(f"{line}\n" for line in lines), list(_near(uses, specs))


async def _uses(cluster: Cluster, namespaces: Sequence[str], pods: Sequence[Object]) -> tuple[list[Use], str]:
    try:
        kind = await cluster.kind("metrics.k8s.io/v1beta1/PodMetrics")
        listed = [thing for namespace in namespaces for thing in (await cluster.list(kind, namespace)).objects]
        return [use for thing in listed for use in _of_metrics(thing)], "by the metrics API:"
    except NoSuchKind:
        why = "the cluster has no metrics API"
    except CannotTell as error:
        why = str(error)
    nodes = sorted({str(pod["spec"]["nodeName"]) for pod in pods if pod["spec"].get("nodeName")})
    problems: list[str] = []

    async def ask(node: str) -> Mapping[str, Any]:
        path = f"/api/v1/nodes/{node}/proxy/stats/summary"
        try:
            told = await cluster.ask("GET", path, f"resource use on the node {node}", timeout=PATIENCE)
        except CannotTell as error:
            problems.append(str(error))
            return {}
        return told if isinstance(told, Mapping) else {}

    told = await map_concurrently(ask, nodes, most=8)
    uses = [use for one in told for use in _of_kubelet(one, namespaces)]
    missing = "".join(f"; not known: {problem}" for problem in problems)
    return uses, f"{why}; by the kubelets{' (no pod is on a node)' if not nodes else ''}{missing}:"


def _of_metrics(thing: Object) -> Iterator[Use]:
    pod = f"{thing['metadata']['namespace']}/{thing['metadata']['name']}"
    for container in thing.get("containers") or ():
        usage = container.get("usage") or {}
        yield Use(
            pod=pod,
            container=container["name"],
            cpu=quantity(usage.get("cpu")),
            memory=quantity(usage.get("memory")),
        )


def _of_kubelet(told: Mapping[str, Any], namespaces: Sequence[str]) -> Iterator[Use]:
    for pod in told.get("pods") or ():
        where = pod.get("podRef") or {}
        if where.get("namespace") not in namespaces:
            continue
        for container in pod.get("containers") or ():
            yield Use(
                pod=f"{where['namespace']}/{where.get('name')}",
                container=str(container.get("name")),
                cpu=float((container.get("cpu") or {}).get("usageNanoCores") or 0) / 1e9,
                memory=float((container.get("memory") or {}).get("workingSetBytes") or 0),
            )


def _line(use: Use, resources: Mapping[str, Any]) -> str:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}

    def bounds(name: str) -> str:
        given = [f"{word} {held[name]}" for word, held in (("request", requests), ("limit", limits)) if name in held]
        return f" ({', '.join(given)})" if given else ""

    cpu, memory = f"{use.cpu * 1000:.0f}m", f"{use.memory / 2**10:.0f}Ki"
    return f"  {use.pod} {use.container}: cpu {cpu}{bounds('cpu')}, memory {memory}{bounds('memory')}"


def _near(uses: Sequence[Use], specs: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[str]:
    for use in uses:
        text = ((specs.get((use.pod, use.container)) or {}).get("limits") or {}).get("memory")
        limit = quantity(text)
        if limit and use.memory >= NEAR * limit:
            share = f"{use.memory / limit:.0%}"
            yield f"{use.container} of {use.pod} uses {share} of its memory limit of {text}"
