"""Pods: is one ready, and if not, what its own status says about it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from seatrial.links.kubernetes import Object
from seatrial.links.kubernetes.objects import condition, holds, is_terminating, name_of

IMAGES = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable")
"""Reasons of a container without its image."""

ENDED = ("Succeeded", "Failed")
"""Phases of a pod that will never run again."""


def counts(pod: Object) -> bool:
    """Whether a pod is one to count: neither terminating nor at its end."""
    return not is_terminating(pod) and (pod.get("status") or {}).get("phase") not in ENDED


def is_ready(pod: Object, down: Container[str] = ()) -> bool:
    """Whether the API has it as ready: its condition, each of its containers, and its node, unless that is `down`."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    return (
        counts(pod)
        and status.get("phase") == "Running"
        and holds(pod, "Ready")
        and len(containers) == len(pod["spec"]["containers"])
        and all(container.get("ready") for container in containers)
        and pod["spec"].get("nodeName") not in down
    )


def trouble(pod: Object) -> str:
    """Why a pod is not ready, by its own status."""
    status = pod.get("status") or {}
    if is_terminating(pod):
        held = ", ".join(pod["metadata"].get("finalizers") or ())
        return f"is terminating, held by the finalizer {held}" if held else "is terminating"
    if status.get("phase") in ENDED:
        ended = _say(f"has ended ({status['phase']})", status.get("reason"), status.get("message"))
        return "; ".join((ended, *filter(None, (*_inits(pod), *_containers(pod)))))
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return _say("cannot be scheduled", "", scheduled.get("message") or scheduled.get("reason"))
    if not status.get("containerStatuses") and not status.get("initContainerStatuses"):
        node = (pod["spec"] or {}).get("nodeName")
        return f"has not been started by the node {node}" if node else "is not scheduled yet"
    return next(filter(None, (*_inits(pod), *_containers(pod))), "") or _contradiction(pod)


def _inits(pod: Object) -> Iterable[str]:
    """Init containers, and sidecars among them, in their order."""
    specs = {spec["name"]: spec for spec in pod["spec"].get("initContainers") or ()}
    for container in (pod.get("status") or {}).get("initContainerStatuses") or ():
        sidecar = specs.get(container["name"], {}).get("restartPolicy") == "Always"
        what = f"{'sidecar' if sidecar else 'init container'} {container['name']}"
        state = container.get("state") or {}
        if (ended := state.get("terminated")) and (sidecar or ended.get("exitCode")):
            yield f"{what} ended with exit code {ended.get('exitCode')}{_crashes(container)}"
        elif waiting := _waiting(container, what):
            yield waiting
        elif "running" in state and not sidecar:
            yield f"{what} is still running"
        elif "running" in state and not container.get("started"):
            yield f"{what} is running, and its startup probe has not passed"


def _containers(pod: Object) -> Iterable[str]:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        what = f"container {container['name']}"
        state = container.get("state") or {}
        if waiting := _waiting(container, what):
            yield waiting
        elif ended := state.get("terminated"):
            code = f"exit code {ended.get('exitCode')} ({ended.get('reason')})"
            yield f"{what} ended with {code}{_crashes(container)}"
        elif "running" in state and container.get("started") is False:
            yield f"{what} is running, and its startup probe has not passed{_crashes(container)}"
        elif "running" in state and not container.get("ready") and not holds(pod, "Ready"):
            yield f"{what} is running, and not ready: its readiness probe does not pass{_crashes(container)}"


def _waiting(container: Mapping[str, Any], what: str) -> str:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = waiting.get("reason") or "", waiting.get("message") or ""
    if reason in IMAGES:
        return _say(f"{what}: the image {container.get('image')} cannot be pulled", reason, message)
    if reason == "CrashLoopBackOff":
        last = (container.get("lastState") or {}).get("terminated") or {}
        code = f"exit code {last.get('exitCode')} ({last.get('reason')})" if last else "an unknown result"
        return f"{what} crashes again and again: {container.get('restartCount', 0)} restarts, the last with {code}"
    if reason in ("PodInitializing", ""):
        return ""
    return _say(f"{what} is waiting", reason, message)


def _crashes(container: Mapping[str, Any]) -> str:
    restarts = container.get("restartCount") or 0
    return f", after {restarts} restart{'s' if restarts > 1 else ''}" if restarts else ""


def _contradiction(pod: Object) -> str:
    """Conditions against containers, or a condition that nothing in the status explains."""
    ready = condition(pod, "Ready")
    unready = [one["name"] for one in (pod.get("status") or {}).get("containerStatuses") or () if not one.get("ready")]
    if ready.get("status") == "True" and unready:
        names = ", ".join(unready)
        return f"its condition Ready is True, and its container {names} is not ready: they contradict each other"
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    if closed := [gate for gate in gates if not holds(pod, gate)]:
        return f"its readiness gate {', '.join(closed)} is not true"
    if ready.get("status") != "True":
        return _say("is not ready although its containers are", ready.get("reason"), ready.get("message"))
    return ""


def _say(what: str, reason: object, message: object) -> str:
    if message and reason:
        return f"{what} ({reason}): {message}"
    return f"{what}: {message}" if message else f"{what} ({reason})" if reason else what


def sentence(pod: Object, down: Container[str] = ()) -> str:
    """`pod web-1: …`, by its own status; where its node is `down`, also that."""
    node = pod["spec"].get("nodeName")
    told = trouble(pod) or "its condition Ready is True"
    return f"pod {name_of(pod)}: {told}{f', and its node {node} is not ready' if node in down else ''}"
