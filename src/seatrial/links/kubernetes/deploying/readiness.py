"""Whether a pod is ready, and why not, by what the API server says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.links.kubernetes import Object
from seatrial.links.output import beginning

SHOWN = 300


def is_ready(pod: Object) -> bool:
    """Whether the kubelet's probes say so; the controllers say no where a kubelet is silent."""
    return _condition(pod, "Ready").get("status") == "True"


def _condition(pod: Object, name: str) -> Mapping[str, Any]:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == name), {})


def reason(pod: Object) -> str:
    """Why a pod is not ready, in one line: the first of scheduling, containers and conditions."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"it cannot be scheduled: {beginning(str(scheduled.get('message')), SHOWN)}"
    status = pod.get("status") or {}
    for key in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(key) or ():
            if why := _container(container, init=key.startswith("init")):
                return why
    ready = _condition(pod, "Ready")
    return str(ready.get("message") or ready.get("reason") or status.get("message") or "it is not ready")


def _container(container: Mapping[str, Any], *, init: bool) -> str:
    name, state = f"the {'init ' if init else ''}container {container['name']}", container.get("state") or {}
    last = (container.get("lastState") or {}).get("terminated") or {}
    if waiting := state.get("waiting"):
        ended = f"; it ended before with exit code {last['exitCode']} ({last.get('reason')})" if last else ""
        message = f": {beginning(waiting['message'], SHOWN)}" if waiting.get("message") else ""
        return f"{name} waits: {waiting.get('reason')}{message}{ended}"
    if over := state.get("terminated"):
        return "" if init and over.get("exitCode") == 0 else f"{name} ended with exit code {over.get('exitCode')}"
    if init:
        return f"{name} still runs" if not container.get("ready") else ""
    return "" if container.get("ready") else f"{name} runs, but is not ready"
