"""Whether waiting can still help a pod that is not ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.links.kubernetes import Object
from seatrial.links.kubernetes.readiness.pods import is_ready

NEVER = 0.0
"""Seconds for what only another definition of the pod can change."""
LOADED = 15.0
"""Seconds for an image that somebody may be loading into the node at this moment."""
MADE = 60.0
"""Seconds for a Secret or a ConfigMap that something in the cluster may still make, once all else is ready."""

FORBIDDEN = ("runAsNonRoot", "non-numeric user")
"""Words of the kubelet about a container whose image and definition contradict each other."""


def patience(pod: Object) -> float | None:
    """Seconds after which waiting cannot help this pod any more; None: it may become ready at any time, as after a
    failed pull or a crash."""
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return min((limit for one in containers if (limit := _patience(one)) is not None), default=None)


def _patience(container: Mapping[str, Any]) -> float | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = waiting.get("reason"), str(waiting.get("message") or "")
    if reason == "InvalidImageName" or (
        reason == "CreateContainerConfigError" and any(words in message for words in FORBIDDEN)
    ):
        return NEVER
    if reason == "ErrImageNeverPull":
        return LOADED
    return MADE if reason == "CreateContainerConfigError" else None


class Waits:
    """Since when the pods of one system have been stuck."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def over(self, pods: Sequence[Object], now: float, *, busy: bool) -> Object | None:
        """A pod that waiting cannot help any more. `busy`: something else of the system is still on its way, such as a
        job, and may make what a pod lacks."""
        limits = {str(pod["metadata"]["uid"]): patience(pod) for pod in pods}
        busy = busy or any(limits[str(pod["metadata"]["uid"])] is None and not is_ready(pod) for pod in pods)
        stuck = {uid: limit for uid, limit in limits.items() if limit is not None and not (busy and limit == MADE)}
        self._since = {uid: self._since.get(uid, now) for uid in stuck}
        over = [pod for pod in pods if now - self._since.get(str(pod["metadata"]["uid"]), now) >= _limit(stuck, pod)]
        return next(iter(over), None)


def _limit(stuck: Mapping[str, float], pod: Object) -> float:
    return stuck.get(str(pod["metadata"]["uid"]), float("inf"))
