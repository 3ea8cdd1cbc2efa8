"""Whether a Service has ready endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from seatrial.checks.kubernetes.view import InCluster, View, missing
from seatrial.checks.per_node import text_of
from seatrial.links.kubernetes import Cluster, Object
from seatrial.links.kubernetes.objects import name_of
from seatrial.links.kubernetes.readiness import reasons
from seatrial.links.kubernetes.readiness.pods import counts, is_ready, sentence
from seatrial.links.kubernetes.readiness.reasons import Reason
from seatrial.links.kubernetes.selectors import of_spec
from seatrial.model.result import Observation, failed, passed
from seatrial.model.values import Range
from seatrial.registry import check
from seatrial.spi import Context

SERVICE, SLICE, POD = "v1/Service", "discovery.k8s.io/v1/EndpointSlice", "v1/Pod"


@check("endpoints")
@dataclass(frozen=True, kw_only=True)
class Endpoints(InCluster):
    """A Service has endpoints, and all of its pods are among the ready ones: `endpoints:web`."""

    service: str
    """The Service's name."""
    count: Annotated[int, Range(0)] | None = None
    """The exact number of ready endpoints; default: one for each pod of its selector, and at least one."""
    port: str = ""
    """A port that they must have: its name or its number."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"service": text_of(rest, "name of a Service", "endpoints:web")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.service:
            yield "service", "the name of the Service is empty"

    async def observe(self, ctx: Context) -> Observation:
        return await self.look(ctx, [SERVICE, SLICE, POD], self._judge)

    async def _judge(self, view: View) -> Observation:
        service = view.one(SERVICE, self.service)
        if service is None:
            return missing("Service", self.service, view.namespace)
        ready, ports = _ready(view, service)
        pods = _pods(view, service)
        wanted = self.count if self.count is not None else max(1, len(pods))
        seen = {"ready": sorted(ready), "ports": sorted(ports)}
        if self.port and ready and self.port not in ports:
            return failed(seen, self.port, f"the endpoints of {self.service} have no port {self.port}")
        if len(ready) == wanted or (self.count is None and not service["spec"].get("selector") and ready):
            return passed(seen, wanted)
        return failed(seen, wanted, self._why(service, pods, len(ready), wanted))

    def _why(self, service: Object, pods: list[Object], ready: int, wanted: int) -> str:
        text = f"Service {self.service} has {ready} ready endpoints, expected {wanted}"
        if not service["spec"].get("selector"):
            return f"{text}; it has no selector, and nothing else gives it one"
        if not pods:
            return f"{text}; no pod has the labels of its selector {of_spec(service['spec']['selector']).text}"
        return f"{text}; {sentence(next((pod for pod in pods if not is_ready(pod)), pods[0]))}"

    async def why_not(self, ctx: Context, cluster: Cluster, namespace: str) -> Reason:
        why = Reason()

        async def judge(view: View) -> Observation:
            nonlocal why
            service = view.one(SERVICE, self.service)
            if service is not None and (pods := _pods(view, service)):
                count = f"Service {self.service} has {len(_ready(view, service)[0])} ready endpoints"
                more = await reasons.of_pods(cluster, namespace, pods)
                why = Reason(f"{count}; {more.text}", more.category) if more.text else Reason()
            return failed()

        await self.look(ctx, [SERVICE, SLICE, POD], judge)
        return why


def _pods(view: View, service: Object) -> list[Object]:
    labels = service["spec"].get("selector")
    if not labels:
        return []
    selector = of_spec(labels)
    return [pod for pod in view.all(POD) if counts(pod) and selector.matches(pod["metadata"].get("labels"))]


def _ready(view: View, service: Object) -> tuple[set[str], set[str]]:
    """The addresses that take connections, and the ports with their names. An endpoint whose pod no longer counts stays
    in the slice until its controller notices: it is left out."""
    pods = {name_of(pod) for pod in _pods(view, service)}
    ready: set[str] = set()
    ports: set[str] = set()
    for part in view.all(SLICE):
        if (part["metadata"].get("labels") or {}).get("kubernetes.io/service-name") != name_of(service):
            continue
        ports |= {str(port[key]) for port in part.get("ports") or () for key in ("name", "port") if port.get(key)}
        for endpoint in part.get("endpoints") or ():
            told = endpoint.get("conditions") or {}
            if told.get("ready") is not False and not told.get("terminating"):
                target = endpoint.get("targetRef") or {}
                if service["spec"].get("selector") and target.get("kind") == "Pod" and target.get("name") not in pods:
                    continue
                ready.add(str(target.get("name") or (endpoint.get("addresses") or [""])[0]))
    return ready, ports
