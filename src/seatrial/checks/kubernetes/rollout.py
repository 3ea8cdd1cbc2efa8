"""Whether the newest version of a workload is all that runs, and ready."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from seatrial.checks.kubernetes.view import NODE, InCluster, View, missing
from seatrial.checks.per_node import text_of
from seatrial.errors import nearest
from seatrial.links.kubernetes import Cluster, Object
from seatrial.links.kubernetes.objects import is_terminating, name_of
from seatrial.links.kubernetes.readiness import reasons
from seatrial.links.kubernetes.readiness.pods import counts, is_ready, sentence
from seatrial.links.kubernetes.readiness.reasons import Reason
from seatrial.model.result import Category, Observation, Verdict, failed, passed
from seatrial.model.values import Duration, Range
from seatrial.registry import check
from seatrial.spi import Context

POD, SET, REVISION = "v1/Pod", "apps/v1/ReplicaSet", "apps/v1/ControllerRevision"

KINDS: Mapping[str, str] = {
    **dict.fromkeys(("deployment", "deployments", "deploy"), "apps/v1/Deployment"),
    **dict.fromkeys(("statefulset", "statefulsets", "sts"), "apps/v1/StatefulSet"),
    **dict.fromkeys(("daemonset", "daemonsets", "ds"), "apps/v1/DaemonSet"),
}
"""The kinds of workloads by their names."""

NUMBER = "deployment.kubernetes.io/revision"


@check("rollout")
@dataclass(frozen=True, kw_only=True)
class Rollout(InCluster):
    """All pods of a workload are new and ready, none is old: `rollout:web`, `rollout:statefulset/db`.

    New is what the workload's present template makes. Terminating pods count neither as new nor as old. Without a
    readiness probe, Kubernetes has a container as ready as soon as it runs: `settled`, or `minReadySeconds` in the
    workload, sees one that crashes a moment later.
    """

    workload: str
    """`NAME` of a Deployment, or `KIND/NAME` with `deployment`, `statefulset`, `daemonset`."""
    replicas: Annotated[int, Range(0)] | None = None
    """The expected number of pods; default: as many as the workload wants now, and at least one."""

    settled: Annotated[Duration, Range(0)] = Duration(0)
    """How long it must stay as it is, with the same containers; default: not at all."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"workload": text_of(rest, "workload", "rollout:deployment/web")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        kind, name = self._workload()
        if kind not in KINDS:
            yield "workload", f"unknown kind of workload {kind!r}; {nearest(kind, sorted(KINDS))}"
        if not name:
            yield "workload", "the name is missing; allowed: NAME, KIND/NAME"

    def _workload(self) -> tuple[str, str]:
        kind, _, name = self.workload.rpartition("/")
        return kind.lower() or "deployment", name

    async def observe(self, ctx: Context) -> Observation:
        runs: list[frozenset[tuple[str, str]]] = []
        unprobed: list[str] = []

        async def judge(view: View) -> Observation:
            observation = await self._judge(view)
            workload = view.one(KINDS[self._workload()[0]], self._workload()[1])
            if observation.verdict is Verdict.PASSED and workload is not None:
                new, _ = _sorted(view, KINDS[self._workload()[0]], workload)
                runs.append(frozenset(run for pod in new for run in _runs(pod)))
                unprobed[:] = [] if workload["spec"].get("minReadySeconds") else _unprobed(workload)
            return observation

        first = await self.look(ctx, self._kinds(), judge)
        if first.verdict is not Verdict.PASSED:
            return first
        if not self.settled:
            why = f"without a readiness probe, ready is whatever runs: {', '.join(unprobed)}" if unprobed else ""
            return replace(first, why=why)
        before = runs[-1]
        ctx.seen(f"{self.workload} is rolled out, and must stay so for {self.settled:g} s", measured=True)
        await asyncio.sleep(self.settled)
        last = await self.look(ctx, self._kinds(), judge)
        if last.verdict is Verdict.PASSED and (ended := sorted({pod for pod, _ in before - runs[-1]})):
            why = f"did not stay for {self.settled:g} s: containers of {', '.join(ended)} have ended meanwhile"
            return failed(last.seen, last.expected, why)
        return last

    def _kinds(self) -> list[str]:
        kind = KINDS[self._workload()[0]]
        return [kind, POD, NODE, SET if kind == "apps/v1/Deployment" else REVISION]

    async def _judge(self, view: View) -> Observation:
        kind, name = self._workload()
        workload = view.one(KINDS[kind], name)
        if workload is None:
            return missing(kind, name, view.namespace)
        if is_terminating(workload):
            return failed("terminating", "rolled out", f"{kind} {name} is being deleted{_held(workload)}")
        status = workload.get("status") or {}
        wanted = _wanted(workload)
        seen: dict[str, object] = {"wanted": wanted}
        if int(status.get("observedGeneration") or 0) < int(workload["metadata"].get("generation") or 0):
            return failed(seen, "rolled out", f"the controller has not yet seen the newest version of {kind} {name}")
        if self.replicas is None and not wanted:
            return failed(seen, "at least one pod", f"{kind} {name} wants 0 replicas; if that is right: `replicas: 0`")
        if self.replicas is not None and wanted != self.replicas:
            return failed(seen, self.replicas, f"{kind} {name} wants {wanted} replicas")
        new, old = _sorted(view, KINDS[kind], workload)
        down = view.down
        ready = [pod for pod in new if is_ready(pod, down)]
        seen |= {"new": len(new), "ready": len(ready), "old": len(old)}
        expected = {"new": wanted, "ready": wanted, "old": 0}
        if why := _unfinished(workload, wanted, new, old, down):
            return failed(seen, expected, f"{kind} {name}: {why}")
        return passed(seen, expected)

    async def why_not(self, ctx: Context, cluster: Cluster, namespace: str) -> Reason:
        why = Reason()

        async def judge(view: View) -> Observation:
            nonlocal why
            kind, name = self._workload()
            workload = view.one(KINDS[kind], name)
            if workload is not None:
                new, old = _sorted(view, KINDS[kind], workload)
                first = _unfinished(workload, _wanted(workload), new, old, view.down, alone=True)
                pods = await reasons.of_pods(cluster, namespace, new, view.down)
                more = [pods.text]
                if len(new) < _wanted(workload):
                    makers = view.owned(SET, workload) if workload["kind"] == "Deployment" else [workload]
                    more += [await reasons.of_creation(cluster, namespace, maker) for maker in makers]
                if old and not any(more):
                    more.append(await _blocked(cluster, namespace, old))
                if not (parts := list(dict.fromkeys(filter(None, (first, *more))))):
                    return failed()  # meanwhile it is well
                text = f"{kind} {name}: {'; '.join(parts)}"
                going = not any(more) and not _holds_back(workload, old)
                why = Reason(text, pods.category or (Category.TIMEOUT if going else ""))
            return failed()

        await self.look(ctx, self._kinds(), judge)
        return why


def _runs(pod: Object) -> list[tuple[str, str]]:
    """Each container of a pod as it runs now: another one after a restart."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return [(name_of(pod), str(status.get("containerID"))) for status in statuses]


def _unprobed(workload: Object) -> list[str]:
    return [one["name"] for one in workload["spec"]["template"]["spec"]["containers"] if not one.get("readinessProbe")]


def _wanted(workload: Object) -> int:
    """The number of pods that it wants now."""
    if workload["kind"] == "DaemonSet":
        return int((workload.get("status") or {}).get("desiredNumberScheduled") or 0)
    replicas = workload["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _sorted(view: View, kind: str, workload: Object) -> tuple[list[Object], list[Object]]:
    """Its new pods and its old ones; terminating and ended ones are neither."""
    if kind == "apps/v1/Deployment":
        sets = view.owned(SET, workload)
        number = (workload["metadata"].get("annotations") or {}).get(NUMBER)
        newest = [one for one in sets if (one["metadata"].get("annotations") or {}).get(NUMBER) == number]
        new = [pod for one in newest if _same_template(one, workload) for pod in view.owned(POD, one)]
        all_pods = [pod for one in sets for pod in view.owned(POD, one)]
    else:
        revision = _revision(view, workload)
        all_pods = view.owned(POD, workload)
        new = [pod for pod in all_pods if (pod["metadata"].get("labels") or {}).get(HASH) == revision]
    names = {name_of(pod) for pod in new}
    return [pod for pod in new if counts(pod)], [p for p in all_pods if counts(p) and name_of(p) not in names]


HASH = "controller-revision-hash"


def _revision(view: View, workload: Object) -> str:
    """The hash of the newest revision of a StatefulSet or a DaemonSet."""
    if workload["kind"] == "StatefulSet":
        return str((workload.get("status") or {}).get("updateRevision") or "")
    revisions = view.owned(REVISION, workload)
    newest = max(revisions, key=lambda one: int(one.get("revision") or 0), default=None)
    return str((newest["metadata"].get("labels") or {}).get(HASH) or "") if newest is not None else ""


def _same_template(replica_set: Object, deployment: Object) -> bool:
    """Whether a ReplicaSet has the Deployment's present template: a paused Deployment has none for it yet."""
    theirs, own = (_template(thing) for thing in (replica_set, deployment))
    return theirs == own


def _template(thing: Object) -> tuple[object, ...]:
    template = thing["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != "pod-template-hash"}
    # `kubectl rollout restart` changes an annotation alone.
    return labels, metadata.get("annotations") or {}, template["spec"]


def _unfinished(
    workload: Object, wanted: int, new: Sequence[Object], old: Sequence[Object], down: Container[str], *,
    alone: bool = False,
) -> str:  # fmt: skip
    """Why the rollout is not done; empty: it is. `alone`: without a word about one of its pods."""
    status, kind = workload.get("status") or {}, workload["kind"]
    ready = [pod for pod in new if is_ready(pod, down)]
    paused = "it is paused: " if workload["spec"].get("paused") else ""
    strategy = workload["spec"].get("updateStrategy") or {}
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    if old and partition:
        held = ", ".join(name_of(pod) for pod in old)
        return f"its partition {partition} holds back {held}: {len(new)} of {wanted} pods are new"
    if strategy.get("type") == "OnDelete" and old:
        return f"its strategy OnDelete leaves {len(old)} old pods: {', '.join(map(name_of, old))}"
    if len(new) < wanted:
        text = f"{paused}{len(new)} of {wanted} pods are new{f', {len(old)} old' if old else ''}"
        why = "" if alone else reasons.cannot_create(workload)
        return f"{text}; {why}" if why else text
    if len(ready) < len(new):
        unready = next(pod for pod in new if not is_ready(pod, down))
        text = f"{paused}{len(ready)} of {wanted} new pods are ready"
        return text if alone else f"{text}; {sentence(unready, down)}"
    if old or len(new) > wanted:
        return f"{paused}{len(old)} old pods still run, {len(new)} of {wanted} are new"
    available = int(status.get("numberAvailable" if kind == "DaemonSet" else "availableReplicas") or 0)
    if available < wanted:
        return f"{available} of {wanted} pods have been ready long enough (minReadySeconds)"
    return ""


def _holds_back(workload: Object, old: Sequence[Object]) -> bool:
    """Whether new pods do not come by themselves."""
    strategy = workload["spec"].get("updateStrategy") or {}
    waits = strategy.get("type") == "OnDelete" or (strategy.get("rollingUpdate") or {}).get("partition")
    return bool(workload["spec"].get("paused") or (old and waits) or not _wanted(workload))


def _held(thing: Object) -> str:
    held = ", ".join(thing["metadata"].get("finalizers") or ())
    return f", held by the finalizer {held}" if held else ""


async def _blocked(cluster: Cluster, namespace: str, old: Sequence[Object]) -> str:
    """Why old pods stay, by their own status."""
    return "; ".join(sentence(pod) for pod in old[:1] if not is_ready(pod))
