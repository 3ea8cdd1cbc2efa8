"""What an operator would collect by hand: objects without secrets, events in order of time, logs now and before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.errors import SeatrialError
from seatrial.links.kubernetes import Cluster, Kind, MissingRight, NoSuchKind, Object
from seatrial.links.kubernetes.answers import ApiRefused
from seatrial.links.kubernetes.readiness.pods import is_ready, trouble
from seatrial.spi.concurrency import map_concurrently
from seatrial.systems.kubernetes.resource_use import used

AT_ONCE = 8
LINES = 500
MENTIONED = 10
"""Pods and warnings in the summary."""
HIDDEN = "(hidden)"
QUIET = ("Event", "EndpointSlice", "Endpoints", "ControllerRevision", "Lease", "PodMetrics")
"""Kinds that say nothing new."""


async def logs_of(cluster: Cluster, namespace: str, pod: Object, *, tail: int) -> str:
    """The last lines of each container of a pod; of the one before, too, if it was restarted."""
    parts = []
    for container in _containers(pod):
        name = container["name"]
        for previous in (True, False) if container.get("restartCount") else (False,):
            head = f"==> {name}{' before its last restart' if previous else ''}"
            try:
                text = await cluster.logs(
                    pod["metadata"]["name"], namespace, container=name, tail=tail, previous=previous
                )
            except ApiRefused as error:
                text = f"no log: {error.text or error}"
            parts.append(f"{head}\n{text.rstrip()}")
    return "\n".join(parts)


def _containers(pod: Object) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [one for key in ("initContainerStatuses", "containerStatuses") for one in status.get(key) or ()]


async def collected(cluster: Cluster, namespaces: Sequence[str]) -> dict[str, str]:
    """File name to content: `summary.txt`, `events.txt`, `objects.txt`, `nodes.txt`, `resources.txt`, `webhooks.txt`,
    `logs/NAMESPACE_POD.txt`."""
    objects = await _objects(cluster, namespaces)
    summary = list(_summary(cluster, namespaces, objects))
    files: dict[str, str] = {}
    try:
        events = await _events(cluster, namespaces)
    except MissingRight as error:
        summary.append(str(error))
    else:
        files["events.txt"] = "".join(f"{_line(event)}\n" for event in events)
        summary += _warnings(events)
    pods = [thing for thing in objects if thing["kind"] == "Pod"]
    files["nodes.txt"], unwell = await _nodes(cluster)
    files["resources.txt"], near = await used(cluster, namespaces, pods)
    files["webhooks.txt"], silent = await _webhooks(cluster)
    files["summary.txt"] = "".join(f"{line}\n" for line in (*summary, *unwell, *near, *silent))
    files["objects.txt"] = "\n".join(json.dumps(shown(thing), indent=1) for thing in objects) + "\n"

    async def log(pod: Object) -> tuple[str, str]:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        return f"logs/{namespace}_{name}.txt", await logs_of(cluster, namespace, pod, tail=LINES)

    files.update(await map_concurrently(log, pods, most=AT_ONCE))
    return files


async def _objects(cluster: Cluster, namespaces: Sequence[str]) -> list[Object]:
    kinds: dict[tuple[str, str], Kind] = {}
    for kind in await cluster.kinds():
        if kind.namespaced and "list" in kind.verbs and kind.name not in QUIET:
            kinds.setdefault((kind.group, kind.name), kind)

    async def listed(pair: tuple[Kind, str]) -> Sequence[Object]:
        try:
            return (await cluster.list(*pair)).objects
        except (ApiRefused, NoSuchKind):
            return ()

    pairs = [(kind, namespace) for namespace in namespaces for kind in kinds.values()]
    return [thing for some in await map_concurrently(listed, pairs, most=AT_ONCE) for thing in some]


def shown(thing: Object) -> Object:
    """An object for people: without secrets, and without the list of who set which field."""
    metadata = {key: value for key, value in thing["metadata"].items() if key != "managedFields"}
    copied = {**thing, "metadata": metadata}
    if thing["kind"] == "Secret":
        for key in ("data", "stringData"):
            if key in copied:
                copied[key] = dict.fromkeys(copied[key] or {}, HIDDEN)
        annotations = metadata.get("annotations") or {}
        metadata["annotations"] = {key: value for key, value in annotations.items() if "last-applied" not in key}
    return copied


def _summary(cluster: Cluster, namespaces: Sequence[str], objects: Sequence[Object]) -> Iterator[str]:
    """One page: pods that are not ready with the reason, objects that wait for a finalizer."""
    yield f"{cluster.server}, namespace {', '.join(namespaces)}"
    pods = [thing for thing in objects if thing["kind"] == "Pod"]
    unready = [pod for pod in pods if not is_ready(pod)]
    yield f"pods: {len(pods)}, not ready: {len(unready)}"
    yield from (f"  {pod['metadata']['name']}: {trouble(pod)}" for pod in unready[:MENTIONED])
    for thing in objects:
        metadata = thing["metadata"]
        if metadata.get("deletionTimestamp") and metadata.get("finalizers"):
            holds = ", ".join(metadata["finalizers"])
            yield f"{thing['kind']} {metadata['name']} is being deleted and waits for {holds}"


def _warnings(events: Sequence[Object]) -> Iterator[str]:
    """The last warnings."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    yield f"warnings: {len(warnings)}" + (f", the last {MENTIONED}:" if len(warnings) > MENTIONED else "")
    yield from (f"  {_line(event)}" for event in warnings[-MENTIONED:])


async def _events(cluster: Cluster, namespaces: Sequence[str]) -> list[Object]:
    kind = await cluster.kind("v1/Event")
    events = [thing for namespace in namespaces for thing in (await cluster.list(kind, namespace)).objects]
    return sorted(events, key=_moment)


def _moment(event: Object) -> str:
    series = event.get("series") or {}
    moments = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"),
               event["metadata"].get("creationTimestamp"))  # fmt: skip
    return str(next(filter(None, moments), ""))


def _line(event: Object) -> str:
    about = event.get("involvedObject") or {}
    count = int(event.get("count") or (event.get("series") or {}).get("count") or 1)
    times = f" ({count} times)" if count > 1 else ""
    what = f"{about.get('kind')} {about.get('name')}"
    message = " ".join(str(event.get("message") or "").split())
    return f"{_moment(event)} {event.get('type')} {what}: {event.get('reason')}: {message}{times}"


async def _nodes(cluster: Cluster) -> tuple[str, list[str]]:
    """The conditions of the nodes, and those that are not as they should be."""
    try:
        nodes = (await cluster.list(await cluster.kind("v1/Node"), "")).objects
    except SeatrialError as error:
        return f"the nodes of the cluster cannot be listed: {error}\n", []
    lines: list[str] = []
    unwell: list[str] = []
    for node in nodes:
        name, states = node["metadata"]["name"], (node.get("status") or {}).get("conditions") or ()
        said = ", ".join(f"{one['type']}={one['status']} ({one.get('reason')})" for one in states)
        off = ", cordoned" if (node.get("spec") or {}).get("unschedulable") else ""
        lines.append(f"{name}: {said}{off}")
        unwell += [
            f"node {name}: {one['type']}={one['status']}: {one.get('message') or one.get('reason')}"
            for one in states
            if (one["status"] == "True") is not (one["type"] == "Ready")
        ]
    return "\n".join(lines) + "\n", unwell[:MENTIONED]


async def _webhooks(cluster: Cluster) -> tuple[str, list[str]]:
    """The admission webhooks of the cluster, and those that refuse everything because nobody answers."""
    lines: list[str] = []
    silent: list[str] = []
    for name in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        try:
            configurations = (await cluster.list(await cluster.kind(name), "")).objects
        except SeatrialError as error:
            lines.append(f"{name}: cannot be listed: {error}")
            continue
        for configuration in configurations:
            for hook in configuration.get("webhooks") or ():
                client = hook.get("clientConfig") or {}
                service = client.get("service") or {}
                called = f"{service.get('namespace')}/{service.get('name')}" if service else str(client.get("url"))
                policy = hook.get("failurePolicy") or "Fail"
                rules = "; ".join(
                    f"{','.join(rule.get('operations') or ())} {','.join(rule.get('resources') or ())}"
                    for rule in hook.get("rules") or ()
                )
                what = f"{hook.get('name')} of {configuration['metadata']['name']}"
                lines.append(f"{what}: {rules} at {called}, {policy} without an answer")
                if service and policy == "Fail" and not await _has_endpoints(cluster, service):
                    silent.append(f"webhook {what}: its service {called} has no ready endpoint, so {rules} is refused")
    return "\n".join(lines or ["none"]) + "\n", silent[:MENTIONED]


async def _has_endpoints(cluster: Cluster, service: Mapping[str, Any]) -> bool:
    """Whether a service has a ready endpoint, as far as the user may see it."""
    labels = f"kubernetes.io/service-name={service.get('name')}"
    try:
        kind = await cluster.kind("discovery.k8s.io/v1/EndpointSlice")
        slices = (await cluster.list(kind, str(service.get("namespace")), labels=labels)).objects
    except SeatrialError:
        return True
    return any(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for one in slices
        for endpoint in one.get("endpoints") or ()
    )
