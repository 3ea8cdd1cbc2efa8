"""Whether the pods of a selector are ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from seatrial.checks.kubernetes.view import NODE, InCluster, View
from seatrial.checks.per_node import text_of
from seatrial.links.kubernetes import Cluster, Object
from seatrial.links.kubernetes.objects import is_terminating, name_of
from seatrial.links.kubernetes.readiness import reasons
from seatrial.links.kubernetes.readiness.pods import counts, is_ready, sentence
from seatrial.links.kubernetes.readiness.reasons import Reason
from seatrial.links.kubernetes.selectors import Selector
from seatrial.model.result import Observation, failed, passed
from seatrial.model.values import Range
from seatrial.registry import check
from seatrial.spi import Context

POD = "v1/Pod"


@check("pods_ready")
@dataclass(frozen=True, kw_only=True)
class PodsReady(InCluster):
    """All pods (of a selector) are ready, and there is at least one: `pods_ready`, `pods_ready:app=web`.

    Pods that terminate or have ended do not count.
    """

    labels: str = ""
    """A label selector; default: all pods of the namespace."""
    count: Annotated[int, Range(0)] | None = None
    """The exact number of pods; default: at least one."""

    text_pattern: ClassVar[str] = "(:.+)?"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"labels": text_of(rest, "label selector", "pods_ready:app=web")} if rest else {}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from wrong_selector(self.labels)

    async def observe(self, ctx: Context) -> Observation:
        return await self.look(ctx, [POD, NODE], self._judge)

    def _chosen(self, view: View) -> list[Object]:
        return selected(view.all(POD), self.labels)

    async def _judge(self, view: View) -> Observation:
        pods = self._chosen(view)
        counted = [pod for pod in pods if counts(pod)]
        down = view.down
        unready = [pod for pod in counted if not is_ready(pod, down)]
        ready = len(counted) - len(unready)
        seen = {"pods": len(counted), "ready": ready}
        wanted: object = self.count if self.count is not None else "at least one"
        expected = {"pods": wanted, "ready": "all"}
        which = f"pods with {self.labels}" if self.labels else "pods"
        if (not counted and self.count is None) or (self.count is not None and len(counted) != self.count):
            left = [name_of(pod) for pod in pods if is_terminating(pod)]
            more = f"; terminating: {', '.join(left)}" if left else ""
            return failed(seen, expected, f"{len(counted)} {which} in namespace {view.namespace}{more}")
        if unready:
            return failed(seen, expected, f"{ready} of {len(counted)} {which} are ready; {sentence(unready[0], down)}")
        return passed(seen, expected)

    async def why_not(self, ctx: Context, cluster: Cluster, namespace: str) -> Reason:
        why = Reason()

        async def judge(view: View) -> Observation:
            nonlocal why
            pods = [pod for pod in self._chosen(view) if counts(pod)]
            why = await reasons.of_pods(cluster, namespace, pods, view.down)
            return failed()

        await self.look(ctx, [POD, NODE], judge)
        return why


def wrong_selector(labels: str) -> Iterable[tuple[str, str]]:
    """The problem of a selector, if it has one."""
    try:
        Selector(labels)
    except ValueError as error:
        yield "labels", str(error)


def selected(things: Iterable[Object], labels: str) -> list[Object]:
    """Those with the right labels."""
    selector = Selector(labels)
    return [thing for thing in things if selector.matches(thing["metadata"].get("labels"))]
