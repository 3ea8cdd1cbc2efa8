"""Pods as nodes: each keeps its name while its pod is replaced, and what the API server says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seatrial.links.kubernetes import Object
from seatrial.links.kubernetes.deploying.workloads import ENDED, Workload
from seatrial.links.kubernetes.readiness.pods import is_ready, trouble
from seatrial.model.cluster import NodeHealth, PowerState, all_off
from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, measured
from seatrial.model.resource import KUBECTL, Connection, Node

BY = "the API server"


@frozen
class Place:
    """A node's place in a workload, and the pod in it now."""

    name: str
    workload: Workload
    pod: Object | None
    ending: Object | None = None
    """The pod that is being deleted, where no other one has its place: its processes may still run."""

    @property
    def uid(self) -> str:
        """The pod's id, which no other pod ever has; empty: there is none."""
        return str(self.pod["metadata"]["uid"]) if self.pod else ""


class Places:
    """Which pod is which node. A Deployment's pods have chance names: a new one takes the place of one that is gone."""

    def __init__(self, strip: str) -> None:
        self._strip = f"-{strip}"
        """The trial's id, left out of a node's name."""
        self._taken: dict[str, dict[str, str]] = {}
        """By workload: place to the id of its pod."""

    def assign(self, workloads: Sequence[Workload]) -> list[Place]:
        """The places of all pods that there are or should be."""
        many = _repeated([self._plain(workload.name) for workload in workloads])
        places: list[Place] = []
        for workload in workloads:
            name = self._plain(workload.name)
            if name in many:
                name = f"{name}-{workload.namespace}-{workload.kind.lower()}"
            places += self._of(workload, name)
        return places

    def _of(self, workload: Workload, name: str) -> list[Place]:
        if workload.kind == "Pod":
            return [Place(name=name, workload=workload, pod=next(iter(workload.pods), None))]
        taken = self._taken.setdefault(workload.key, {})
        by_uid, ending = _by_uid(workload.pods), _by_uid(workload.ending)
        if workload.kind == "StatefulSet":
            names = {f"{name}-{number}": "" for number in range(workload.wanted)}
            there = {f"{name}-{_ordinal(pod)}": uid for uid, pod in [*ending.items(), *by_uid.items()]}
            taken.update({**names, **there})
        elif workload.kind == "DaemonSet":
            taken.update({f"{name}-{_machine(pod) or uid[:8]}": uid for uid, pod in by_uid.items()})
        else:
            self._fill(taken, by_uid, ending, name, workload.wanted)
        return [
            Place(name=place, workload=workload, pod=by_uid.get(uid), ending=ending.get(uid))
            for place, uid in taken.items()
        ]

    def _fill(
        self, taken: dict[str, str], by_uid: Mapping[str, Object], ending: Mapping[str, Object], name: str, wanted: int
    ) -> None:
        """Those that stay keep their places; the new ones take the free places, the oldest first."""
        if not taken and wanted == 1:
            taken[name] = ""
        for number in range(len(taken) + 1, wanted + 1):
            taken[f"{name}-{number}"] = ""
        waiting = [uid for uid in by_uid if uid not in taken.values()]
        for place, uid in taken.items():
            if uid not in by_uid:
                taken[place] = waiting.pop(0) if waiting else uid if uid in ending else ""

    def _plain(self, name: str) -> str:
        return name.replace(self._strip, "") or name


def _by_uid(pods: Sequence[Object]) -> dict[str, Object]:
    return {str(pod["metadata"]["uid"]): pod for pod in pods}


def _ordinal(pod: Object) -> str:
    return str(pod["metadata"]["name"]).rpartition("-")[2]


def _machine(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _repeated(names: Sequence[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}


def to_node(place: Place, kubeconfig: str, context: str, debug_image: str = "") -> Node:
    """The node of a place, with the way into its pod of now."""
    pod = place.pod or {}
    workload = place.workload
    name = str((pod.get("metadata") or {}).get("name") or "")
    return Node(
        name=place.name,
        address=str((pod.get("status") or {}).get("podIP") or ""),
        connection=Connection(
            kind=KUBECTL,
            target=name,
            namespace=workload.namespace,
            context=context,
            debug_image=debug_image,
            passing=True,
            environment={"KUBECONFIG": kubeconfig} if kubeconfig else {},
        ),
        detail={
            "namespace": workload.namespace,
            "pod": name,
            "workload": f"{workload.kind} {workload.name}",
        },
    )


def health_of(place: Place, told: str = "") -> NodeHealth:
    """Power by the pod's phase, the service by its readiness, as the API server has them. `told`: why it is not ready,
    where the cluster tells more than the pod's status."""
    pod = place.pod
    if pod is None and place.ending is not None:
        why = f"its pod {place.ending['metadata']['name']} is ending"
        return NodeHealth(
            power=measured(PowerState.RUNNING, why, by=BY), parts={"service": measured(Health.NOT_OK, why, by=BY)}
        )
    if pod is None:
        wanted = place.workload.wanted
        why = f"{place.workload.kind} {place.workload.name} wants {wanted} pods, and its pod does not exist"
        why = f"{why}; {told}" if told else why
        return all_off(measured(PowerState.STOPPED, by=BY), why)
    status = pod.get("status") or {}
    why = told or trouble(pod)
    phase = status.get("phase")
    if phase in ENDED:
        return all_off(measured(PowerState.STOPPED, by=BY), told or f"its pod {why}")
    # One that is not started yet does not answer, and is not switched off.
    state = PowerState.RUNNING if phase == "Running" else PowerState.UNREACHABLE
    power = measured(state, "" if state is PowerState.RUNNING else f"its pod is {phase}: {why}", by=BY)
    parts = {"service": measured(Health.OK, by=BY) if is_ready(pod) else measured(Health.NOT_OK, why, by=BY)}
    if late := place.workload.unfinished:
        parts["rollout"] = measured(Health.NOT_OK, late, by=BY)
    return NodeHealth(power=power, parts=parts)
