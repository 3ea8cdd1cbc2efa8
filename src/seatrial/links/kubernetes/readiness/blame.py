"""The category of a pod that is not ready, by what its own status says."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from seatrial.links.kubernetes import Object
from seatrial.links.kubernetes.objects import condition, is_terminating
from seatrial.links.kubernetes.readiness.pods import ENDED, IMAGES
from seatrial.model.result import Category

SHORT_OF = ("Insufficient ", "Too many pods", "-pressure", "not-ready", "unreachable", "were unschedulable", "no nodes")
"""Parts of the scheduler's message where the cluster lacks room for a pod, whatever the pod asks for."""

BEGINS = ("", "ContainerCreating", "PodInitializing")
"""Reasons of a container whose node is preparing it."""


def category_of(pod: Object, down: Container[str] = (), *, warned: bool = False) -> Category:
    """Infrastructure: the node, the image, room in the cluster. Timeout: nothing has gone wrong, it is still on its
    way. Test: the document names an impossible image. Product: anything else. `warned`: the cluster warns of it."""
    status = pod.get("status") or {}
    scheduled = condition(pod, "PodScheduled")
    if pod["spec"].get("nodeName") in down:
        return Category.INFRASTRUCTURE
    if is_terminating(pod) or status.get("phase") in ENDED:
        return Category.PRODUCT
    if scheduled.get("status") == "False":
        short = any(words in str(scheduled.get("message")) for words in SHORT_OF)
        return Category.INFRASTRUCTURE if short else Category.PRODUCT
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    reasons = {_waits(one) for one in containers if "waiting" in (one.get("state") or {})}
    if "InvalidImageName" in reasons:
        return Category.TEST
    if reasons & set(IMAGES):
        return Category.INFRASTRUCTURE
    return Category.TIMEOUT if not reasons - set(BEGINS) and _begins(containers, warned) else Category.PRODUCT


def _begins(containers: Sequence[Mapping[str, Any]], warned: bool) -> bool:
    """Whether all that has happened so far went well, and something is still to come."""
    states = [one.get("state") or {} for one in containers]
    ended = [state["terminated"].get("exitCode") for state in states if "terminated" in state]
    if any(ended) or any(one.get("restartCount") for one in containers):
        return False
    if any("running" in state and one.get("started") is False for state, one in zip(states, containers, strict=True)):
        return True  # its startup probe has not passed: the kubelet gives it time, and warns of each answer
    return not warned and (not states or any("waiting" in state for state in states))


def _waits(container: Mapping[str, Any]) -> str:
    return str(container["state"]["waiting"].get("reason") or "")
