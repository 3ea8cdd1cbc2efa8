"""The system `kubernetes`: manifests, a kustomization or Helm charts as they are, in a namespace of the trial's own.

Its pods are the nodes.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell, NotSupported, StepFailed
from seatrial.links.kubernetes import Access, Cluster, NoSuchKind, connect
from seatrial.links.kubernetes.deploying import access, helm, manifests
from seatrial.links.kubernetes.deploying.deployment import Deployment
from seatrial.links.kubernetes.deploying.manifests import Object
from seatrial.links.kubernetes.deploying.workloads import KINDS, Seen, Workload, look
from seatrial.links.kubernetes.objects import holds
from seatrial.model.chart import Chart
from seatrial.model.cluster import ClusterStatus, NodeHealth, PowerState, all_off
from seatrial.model.reading import Health, absent, measured
from seatrial.model.resource import Node, Resource
from seatrial.model.scenario import Suite
from seatrial.registry import system
from seatrial.spi import Context, Fault, Gap, Need, Powers, Recognised
from seatrial.systems.kubernetes import hosts, powers, variables
from seatrial.systems.kubernetes.contamination.auditor import Own
from seatrial.systems.kubernetes.contamination.recording import audit
from seatrial.systems.kubernetes.evidence import collected, logs_of
from seatrial.systems.kubernetes.forwards import Forwards
from seatrial.systems.kubernetes.pods import BY, Place, Places, to_node
from seatrial.systems.kubernetes.settings import KubernetesSettings
from seatrial.systems.kubernetes.unready import Unready, explained, health_of_all
from seatrial.systems.settings import fill
from seatrial.systems.shared_look import SharedLook
from seatrial.systems.states import EXPRESSION_NAMES, not_deployed, whole

NAMESPACE = "E2E_TEST_NAMESPACE"
DEADLINES = {"deploy": 300.0, "start": 120.0, "stop": 90.0, "restart": 180.0, "destroy": 120.0}
LOG_LINES = 2000
LAST_LINES = 20


@system("kubernetes")
class Kubernetes:
    """Objects in a cluster; the way to it is a kubeconfig with a context that somebody named."""

    Settings: ClassVar[type[Any]] = KubernetesSettings
    places_nodes: ClassVar[bool] = False
    power_keys: ClassVar[Mapping[Powers, str]] = dict.fromkeys(hosts.FAULTS, "`cluster_nodes`")
    expression_names: ClassVar[tuple[str, ...]] = EXPRESSION_NAMES
    """Additional names for the expressions in the settings."""
    pace: tuple[float, float] = (0.1, 0.5)
    deadlines: Mapping[str, float] = DEADLINES

    def __init__(self, settings: KubernetesSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._stage = ""
        self._place: access.Place | None = None
        self._objects: Sequence[Object] = ()
        self._deployment: Deployment | None = None
        self._places: Places | None = None
        self._seen: dict[str, Workload] = {}
        """This trial's workloads as last seen: one that somebody deletes is missed."""
        self._unready = Unready()
        self._replicas: dict[str, int] = {}
        """Replicas of workloads before Seatrial stopped all of them."""
        self._begun: dict[str, Fault] = {}
        """Faults of nodes of the cluster, by node and name."""
        self._forwards = Forwards()
        self._look = SharedLook(self._measured)

    # Before the run

    @classmethod
    def recognise(cls, folder: Path, way: str) -> Recognised | None:
        """A chart, a kustomization or manifests."""
        from seatrial.systems.kubernetes.recognition import recognised

        return recognised(folder, way)

    @classmethod
    def part_names(cls, settings: KubernetesSettings) -> tuple[str, ...]:
        """The readiness of a pod, and an unfinished rollout of its workload; conditions of a cluster's nodes."""
        return ("service", "rollout", *(hosts.PARTS[1:] if settings.cluster_nodes else ()))

    @classmethod
    def state_names(cls, settings: KubernetesSettings) -> tuple[str, ...]:
        """Those of the settings."""
        return tuple(settings.states)

    @classmethod
    def gaps(cls, settings: KubernetesSettings) -> Mapping[Need, Gap]:
        """No records, and no admin UI."""
        remedy = "check it with `http`, `sql`, or a `custom_command`"
        return {
            Need.RECORDS: Gap("the system `kubernetes` writes no records", remedy),
            Need.ADMIN: Gap("the system `kubernetes` knows no admin UI", remedy),
        }

    @classmethod
    def powers(cls, settings: KubernetesSettings) -> frozenset[Powers]:
        """Scale a workload, delete a pod at once, restart by a rollout; cordon and drain the named nodes."""
        pods = frozenset({Powers.STOP, Powers.START, Powers.CRASH, Powers.GRACEFUL_RESTART})
        return pods | hosts.FAULTS if settings.cluster_nodes else pods

    @classmethod
    def role_names(cls, settings: KubernetesSettings) -> tuple[str, ...]:
        """None: the nodes of the cluster have names of their own."""
        return ()

    @classmethod
    def check_suite(cls, suite: Suite, environment: Mapping[str, str]) -> Iterable[tuple[tuple[str, ...], str, str]]:
        """The files must exist and be readable, and the kubeconfig must not leave open which cluster is meant."""
        from seatrial.systems.kubernetes.plan import problems

        yield from problems(suite.system.settings, suite.document_folder, environment)

    # Deployment

    async def init(self, ctx: Context) -> None:
        """Find the cluster, and read or build the objects; nothing is made."""
        settings = self._settings
        place = access.chosen(
            access.located(fill(ctx, settings.kubeconfig, {}), self._folder),
            fill(ctx, settings.context, {}),
            os.environ,
        )
        async with access.reached(place) as cluster:
            self._place = await access.identified(cluster, place)
        ctx.log(f"Kubernetes: {self._place}")
        await audit(ctx, self._place, lambda: self._own(ctx))
        objects = await self._built(ctx)
        if settings.charts:
            helm.find()
        if doubled := manifests.doubled(objects):
            raise StepFailed(f"{doubled} is in the manifests twice")
        self._objects = objects
        self._stage = self._stage or "initialized"

    def _own(self, ctx: Context) -> Own:
        made = self._deployment
        if made is None:
            return Own(namespaces=(), objects=(), kept=False)
        return Own(namespaces=made.own_namespaces, objects=made.every_object, kept=made.remains(ctx))

    async def _built(self, ctx: Context) -> list[Object]:
        """The objects of the manifests and of the kustomization, with the overlay over them."""
        from seatrial.links.kubernetes.deploying import kustomize

        settings = self._settings
        named = {name: self._folder / name for name in fill(ctx, settings.manifests, {})}
        objects = manifests.all_of(named)
        base = self._folder / fill(ctx, settings.kustomize, {}) if settings.kustomize else None
        if settings.overlay:
            files = [file for path in named.values() for file in manifests.files(path)]
            keys = ctx.bind(dict(settings.overlay))
            return await kustomize.overlaid(ctx, [*files, *([base] if base else [])], keys, self._folder)
        return objects + (await kustomize.build(ctx, base) if base else [])

    async def deploy(self, ctx: Context) -> None:
        """Apply everything; do not wait for pods."""
        await self.init(ctx)
        assert self._place is not None
        given = fill(ctx, self._settings.namespace, {})
        if self._deployment is None:
            namespace = given or ctx.environment()[NAMESPACE]
            self._deployment = Deployment(self._folder, self._place, namespace, given=bool(given))
            self._places = Places(ctx.trial_id)
        elif why := access.moved(self._deployment.place, self._place.server, self._place.identity):
            raise CannotTell(f"{why}: this trial deployed to the first one")
        self._stage = "deployed"
        known = {name: ctx.environment()[name] for name in variables.ALWAYS}
        objects = variables.filled(self._objects, {**known, **fill(ctx, self._settings.variables, {})})
        charts = [_filled(ctx, chart) for chart in self._settings.charts]
        cluster = await self._kept(ctx)
        await self._deployment.make(ctx, cluster, objects, charts)
        await self._forwards.open(ctx, cluster, self._deployment.namespace, self._settings.forwards)

    async def destroy(self, ctx: Context) -> None:
        """Remove everything by the ledger, the newest first."""
        await self._forwards.close()
        if self._deployment is not None:
            await self._deployment.give_back(ctx, ctx.resting)
        self._stage = "destroyed"

    async def give_back(self, resource: Resource) -> None:
        """Remove what the ledger's record says, as far as it is the trial's; end a fault of a node of the cluster."""
        if resource.kind == hosts.FAULT:
            await hosts.end(resource)
            return
        from seatrial.links.kubernetes.deploying.removal import give_back

        await give_back(resource)

    async def outputs(self, ctx: Context) -> Mapping[str, Any]:
        """`namespace`, `kubeconfig` and `context`: for `kubectl` in your commands; `forwards`."""
        deployment = self._made
        place = deployment.place
        way = {"namespace": deployment.namespace, "kubeconfig": place.kubeconfig, "context": place.context}
        return {**way, "forwards": self._forwards.outputs} if self._settings.forwards else way

    # Nodes

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The pods now, each under the name that it or its predecessor had; also those that should be."""
        if self._stage != "deployed" or self._deployment is None:
            return ()
        places, _ = await self._look(ctx)
        cluster = self._deployment.place
        image = fill(ctx, self._settings.debug_image, {})
        return [to_node(place, cluster.kubeconfig, cluster.context, image) for place in places]

    async def boot_id(self, ctx: Context, node: Node) -> str:
        """The id of its pod, which changes when another pod takes its place; of a node of the cluster, its own."""
        if hosts.is_host(node):
            async with self._reached() as cluster:
                return await hosts.boot_id(cluster, node)
        place = await self._place_of(ctx, node)
        if not place.uid:
            raise CannotTell(f"the pod of {node.name} does not exist")
        return place.uid

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """The phase and the readiness of each pod, and the conditions of a node of the cluster, as the API server has
        them."""
        machines = [node for node in nodes if hosts.is_host(node)]
        if machines:
            async with self._reached() as cluster:
                found = await hosts.health_of(ctx, cluster, machines)
            rest = [node for node in nodes if node not in machines]
            return {**found, **(await self.health(ctx, rest) if rest else {})}
        places, _ = await self._look(ctx)
        told = await self._unready.reasons(await self._kept(ctx), places)
        known = health_of_all(places, told)
        gone = all_off(measured(PowerState.STOPPED, by=BY), "its workload does not exist any more")
        return {node.name: known.get(node.name, gone) for node in nodes}

    async def status(self, ctx: Context) -> ClusterStatus:
        """The state by the rule, over all pods that there should be; without pods, whether all objects exist."""
        if self._stage != "deployed":
            return not_deployed(self._stage)
        places, seen = await self._look(ctx)
        self._require_jobs(seen)
        if not places:
            return await self._without_pods(fill(ctx, self._settings.nodes, {}))
        told = await self._unready.reasons(await self._kept(ctx), places)
        hopeless = self._unready.hopeless(places, told, busy=any(not _has_ended(job) for job in seen.jobs))
        status = await whole(ctx, health_of_all(places, told), self._settings.rule, self._settings.states)
        return status if status.state.value == "running" else explained(status, places, told, hopeless)

    async def _without_pods(self, selector: str) -> ClusterStatus:
        if selector and any(kind in KINDS and kind != "Job" for _, kind, _, _ in self._made.objects):
            text = f"no pod has the labels of `nodes`, {selector}, and no workload wants one"
            gone = measured(Health.NOT_OK, text, by=BY)
            return ClusterStatus(state=measured("critical", text, by=BY), service=gone)
        async with self._reached() as cluster:
            missing = [name for name in self._made.objects if not await _exists(cluster, name)]
        total = len(self._made.objects)
        if missing or not total:
            why = ", ".join(f"{kind} {name}" for _, kind, _, name in missing) or "no object"
            text = f"there are no pods, and of the objects are missing: {why}" if total else "nothing was applied"
            gone = measured(Health.NOT_OK, text, by=BY)
            return ClusterStatus(state=measured("critical", text, by=BY), service=gone)
        text = f"there are no pods; all {total} objects exist"
        return ClusterStatus(
            state=measured("running", text, by=BY), service=absent(Health.UNKNOWN, "there are no pods")
        )

    def _require_jobs(self, seen: Seen) -> None:
        """StepFailed when a job of this trial has failed for good."""
        ours = {(namespace, name) for _, kind, namespace, name in self._made.objects if kind == "Job"}
        for job in seen.jobs:
            metadata, conditions = job["metadata"], (job.get("status") or {}).get("conditions") or ()
            for state in conditions:
                failed = state["type"] == "Failed" and state["status"] == "True"
                if failed and (metadata["namespace"], metadata["name"]) in ours:
                    raise StepFailed(
                        f"the job {metadata['name']} failed: {state.get('message') or state.get('reason')}"
                    )

    # Powers

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Scale its workload by one, delete its pod, or roll its workload out again; False for another power."""
        if hosts.is_host(node) and not node.adopted:
            raise NotSupported(self.refusal(node, what))
        if hosts.is_host(node) or what not in type(self).powers(self._settings):
            return False
        place = await self._place_of(ctx, node)
        async with self._reached() as cluster:
            await powers.use(cluster, place, what)
        return True

    def refusal(self, node: Node, what: Powers) -> str:
        """Why its workload or machine has no such power; empty: it has."""
        if hosts.is_host(node):
            assert self._settings.cluster_nodes is not None
            return hosts.refusal(node, what, self._settings.cluster_nodes)
        return powers.refusal(str(node.detail.get("workload") or ""), what)

    async def power_all(self, ctx: Context, what: Powers) -> bool:
        """Scale all workloads to zero, or back; False where one cannot be scaled."""
        places, _ = await self._look(ctx)
        workloads = {place.workload.key: place.workload for place in places}
        async with self._reached() as cluster:
            return await powers.power_all(cluster, workloads, self._replicas, what)

    # Nodes of the cluster

    async def hosts(self, ctx: Context) -> Sequence[Node]:
        """Those that the settings name; none without `cluster_nodes`."""
        if self._settings.cluster_nodes is None:
            return ()
        made, chosen = self._made, hosts.filled(ctx, self._settings.cluster_nodes)
        own = [name for name in made.namespaces if not self._settings.namespace or name != made.namespace]
        given = {"given": made.namespace, "labels": fill(ctx, self._settings.nodes, {})}
        more = {"place": made.place.recorded(), "trial": ctx.trial_id, "reason": chosen.reason,
                "own": {"namespaces": own, **given}}  # fmt: skip
        async with self._reached() as cluster:
            things = await hosts.listed(cluster, chosen)
        return await hosts.recognised(ctx, [hosts.to_host(thing, **more) for thing in things], chosen)

    def is_host(self, node: Node) -> bool:
        """Whether it is a node of the cluster, and not a pod."""
        return hosts.is_host(node)

    async def role(self, ctx: Context, word: str) -> Sequence[Node]:
        """The nodes of the cluster for `node/NAME`, `node/*`, `node/any` and `under/POD`."""
        places, _ = await self._look(ctx)
        return await hosts.by_word(ctx, word, await self.hosts(ctx), {place.name: place.pod for place in places})

    async def foresee_fault(self, node: Node, fault: Fault) -> Mapping[str, object]:
        """What begins and ends it. StepFailed when it is a fault of machines that are the trial's own."""
        detail = hosts.foreseen(node, fault)
        self._begun[hosts.key_of(detail)] = fault
        return detail

    def remedy(self, detail: Mapping[str, object]) -> Sequence[str]:
        """The program that ends it without Seatrial."""
        return hosts.remedy(detail)

    async def inject(self, node: Node, detail: Mapping[str, object]) -> Mapping[str, object]:
        """Cordon or drain the node."""
        assert self._settings.cluster_nodes is not None
        fault, strangers = self._begun[hosts.key_of(detail)], self._settings.cluster_nodes.evict == "all"
        async with self._reached() as cluster:
            return await hosts.begin(cluster, node, detail, fault.seen, strangers=strangers)

    # Logs

    async def service_log(self, ctx: Context, node: Node) -> str:
        """The last lines of the pod's containers."""
        return await self._log(await self._place_of(ctx, node), LOG_LINES)

    async def evidence(self, ctx: Context) -> Mapping[str, str]:
        """The end of every pod's log."""
        places, _ = await self._look(ctx)
        return {place.name: await self._log(place, LAST_LINES) for place in places}

    async def diagnostics(self, ctx: Context) -> Mapping[str, str]:
        """Objects without secrets, events in order of time, and logs, also of containers before their restart."""
        async with self._reached() as cluster:
            return await collected(cluster, self._made.namespaces)

    async def _log(self, place: Place, tail: int) -> str:
        if place.pod is None:
            return "no log: its pod does not exist"
        async with self._reached() as cluster:
            return await logs_of(cluster, place.workload.namespace, place.pod, tail=tail)

    # The cluster

    @property
    def _made(self) -> Deployment:
        if self._deployment is None:
            raise CannotTell("nothing is deployed: a step `deploy` comes first")
        return self._deployment

    def access(self, ctx: Context) -> Access:
        """For checks: the cluster of this trial, and its namespace."""
        made = self._made
        return Access(kubeconfig=made.place.kubeconfig, context=made.place.context, namespace=made.namespace)

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[Cluster]:
        async with access.reached(self._made.place, self._made.namespace) as cluster:
            yield cluster

    async def _kept(self, ctx: Context) -> Cluster:
        """The trial's own connection, for what comes again and again."""
        place, namespace = self._made.place, self._made.namespace
        where = Access(kubeconfig=place.kubeconfig, context=place.context, namespace=namespace)
        return await ctx.keep(("kubernetes of the system", where), lambda: connect(where))

    async def _measured(self, ctx: Context) -> tuple[Sequence[Place], Seen]:
        """The places of all pods; checks of one moment share this look."""
        deployment, selector = self._made, fill(ctx, self._settings.nodes, {})
        seen = await look(await self._kept(ctx), [*deployment.namespaces, *deployment.others], selector)
        named = {tuple(name[1:]) for name in deployment.objects}
        ours = {one.key: one for one in seen.workloads if (one.kind, one.namespace, one.name) in named}
        self._seen.update(ours)
        workloads = {one.key: one for one in seen.workloads if one.namespace not in deployment.others} | ours
        lost = {key: replace(workload, pods=()) for key, workload in self._seen.items() if key not in workloads}
        assert self._places is not None
        return self._places.assign([*workloads.values(), *lost.values()]), seen

    async def _place_of(self, ctx: Context, node: Node) -> Place:
        places, _ = await self._look(ctx)
        for place in places:
            if place.name == node.name:
                return place
        raise CannotTell(f"the workload of {node.name} does not exist any more")


def _filled(ctx: Context, chart: Chart) -> Chart:
    words = {name: fill(ctx, getattr(chart, name), {}) for name in ("chart", "version", "release", "values")}
    return replace(chart, **words, set=ctx.bind(dict(chart.set)))


def _has_ended(job: Object) -> bool:
    return holds(job, "Complete") or holds(job, "Failed") or bool((job.get("spec") or {}).get("suspend"))


async def _exists(cluster: Cluster, name: Sequence[str]) -> bool:
    """Whether an object exists and is not being deleted."""
    api_version, kind, namespace, own_name = name
    try:
        found = await cluster.kind_of({"apiVersion": api_version, "kind": kind})
    except NoSuchKind:
        return False
    present = await cluster.get(found, own_name, namespace)
    return present is not None and not present["metadata"].get("deletionTimestamp")
