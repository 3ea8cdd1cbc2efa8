"""Cordon a node and mark it with the trial and its reason; leave it later as it was.

The mark is an annotation of the node, written together with the cordon: other runs see it, wherever they run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from seatrial.errors import CannotTell, LeaseTaken
from seatrial.links.kubernetes.answers import Conflict, Object
from seatrial.links.kubernetes.cluster import Cluster
from seatrial.model.frozen import frozen

KIND = "v1/Node"
MARK = "fault.seatrial/"
"""With the fault's name: the annotation of a node with that fault."""
BEFORE = "cordoned_before"


@frozen
class Hold:
    """A fault of a node that one trial wants to begin or end."""

    node: str
    uid: str
    """The id of the node: another one may have the same name later."""
    fault: str
    trial: str


async def take(cluster: Cluster, hold: Hold, said: Mapping[str, object]) -> None:
    """Cordon the node and leave a mark that says `said`. LeaseTaken when another trial has it; CannotTell when it does
    not exist any more."""
    kind = await cluster.kind(KIND)
    while True:
        node = await cluster.get(kind, hold.node)
        if node is None or node["metadata"]["uid"] != hold.uid:
            raise CannotTell(f"the node {hold.node} does not exist any more")
        marks = marks_of(node)
        for mark in marks.values():
            if mark.get("trial") != hold.trial:
                raise LeaseTaken(f"the node {hold.node} is in use by {told(mark)}")
        # A second fault of the same trial must not take the first one's cordon for somebody else's.
        first = next(iter(marks.values()), {BEFORE: is_cordoned(node)})
        mark = {**said, "trial": hold.trial, BEFORE: bool(first.get(BEFORE))}
        change = {"metadata": _annotated(node, {MARK + hold.fault: json.dumps(mark)}), "spec": {"unschedulable": True}}
        try:
            await cluster.patch(kind, hold.node, change)
        except Conflict:
            continue
        return


async def release(cluster: Cluster, hold: Hold) -> None:
    """Take the mark away, and uncordon the node unless it was cordoned before or another fault of the trial goes on;
    a node that is gone, or has no such mark of this trial, is success."""
    kind = await cluster.kind(KIND)
    while True:
        node = await cluster.get(kind, hold.node)
        if node is None or node["metadata"]["uid"] != hold.uid:
            return
        marks = marks_of(node)
        mark = marks.pop(hold.fault, {})
        if mark.get("trial") != hold.trial:
            return
        change: dict[str, Any] = {"metadata": _annotated(node, {MARK + hold.fault: None})}
        if not marks and not mark.get(BEFORE):
            change["spec"] = {"unschedulable": None}
        try:
            await cluster.patch(kind, hold.node, change)
        except Conflict:
            continue
        return


def marks_of(node: Object) -> dict[str, Mapping[str, Any]]:
    """Fault to its mark."""
    found: dict[str, Mapping[str, Any]] = {}
    for key, text in (node["metadata"].get("annotations") or {}).items():
        if key.startswith(MARK):
            try:
                mark = json.loads(text)
            except ValueError:
                mark = None
            found[key.removeprefix(MARK)] = mark if isinstance(mark, dict) else {"trial": "?", "reason": text[:100]}
    return found


def told(mark: Mapping[str, Any]) -> str:
    """Who has a node, why and until when, in words."""
    until = f", until {mark['until']}" if mark.get("until") else ""
    return f"the trial {mark.get('trial')}{until} ({mark.get('reason') or 'it gives no reason'})"


def is_cordoned(node: Object) -> bool:
    """Whether new pods stay away from it."""
    return bool((node.get("spec") or {}).get("unschedulable"))


def _annotated(node: Object, annotations: Mapping[str, str | None]) -> dict[str, object]:
    """For a patch that is refused if anybody has changed the node meanwhile."""
    return {"resourceVersion": node["metadata"]["resourceVersion"], "annotations": annotations}
