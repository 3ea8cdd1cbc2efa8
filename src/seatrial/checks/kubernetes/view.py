"""Looking at a cluster: watches as the source, a fresh list under each pass, the next look at the next change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.kubernetes import Access, Cluster, HoldsCluster, MissingRight, NoSuchKind, Object, Watch, shared
from seatrial.links.kubernetes.objects import controller, holds
from seatrial.links.kubernetes.readiness.reasons import Reason
from seatrial.model.result import Observation, Verdict, failed, unknown
from seatrial.spi import Context

NODE = "v1/Node"
CRDS = "apiextensions.k8s.io/v1/CustomResourceDefinition"
SERVERS = "apiregistration.k8s.io/v1/APIService"

SOON = 0.1
"""Seconds until the next look where the API server is about to serve a kind: it reports no event about that."""


class View:
    """Objects of some kinds in one namespace, as they are now."""

    def __init__(self, cluster: Cluster, namespace: str, watches: Mapping[str, Watch]) -> None:
        self.cluster, self.namespace = cluster, namespace
        self._watches = watches

    def all(self, kind: str) -> list[Object]:
        """All objects of a kind, by name."""
        return [thing for _, thing in sorted(self._watches[kind].objects.items())]

    def one(self, kind: str, name: str) -> Object | None:
        """One object; None: it is absent."""
        watch = self._watches[kind]
        return watch.objects.get((self.namespace if watch.kind.namespaced else "", name))

    @property
    def down(self) -> frozenset[str]:
        """The nodes that are not ready, as far as the user may see nodes."""
        nodes = self._watches[NODE].objects if NODE in self._watches else {}
        return frozenset(name for (_, name), node in nodes.items() if not holds(node, "Ready"))

    def owned(self, kind: str, owner: Object) -> list[Object]:
        """The objects of a kind with this controller."""
        return [thing for thing in self.all(kind) if controller(thing).get("uid") == owner["metadata"]["uid"]]


CONFIRM = 10.0
"""Seconds for the API server to confirm what its watch said, before a check fails."""

Judge = Callable[[View], Awaitable[Observation]]


@dataclass(frozen=True, kw_only=True)
class InCluster:
    """A check of objects in a cluster: the system's, or one that the check names."""

    namespace: str = ""
    """The namespace; default: the trial's, else the context's."""
    kubeconfig: str = ""
    """A kubeconfig, relative to the document; default: the system's cluster."""
    context: str = ""
    """A context of the kubeconfig; default: its current one."""

    def asks_others(self, ctx: Context) -> bool:
        return True

    def check_system(self, system: type[Any], settings: Any) -> Iterable[tuple[str, str]]:
        if not (self.kubeconfig or self.context or issubclass(system, HoldsCluster)):
            yield (
                "the check names no cluster, and the suite's system is in none",
                "set `context` or `kubeconfig`; a suite of the system `kubernetes` has its own",
            )

    def access(self, ctx: Context) -> Access:
        """The cluster and the namespace to look at."""
        file = str(Path(ctx.document_folder, Path(self.kubeconfig).expanduser())) if self.kubeconfig else ""
        if isinstance(ctx.system, HoldsCluster) and not (self.kubeconfig or self.context):
            own = ctx.system.access(ctx)
            return replace(own, namespace=self.namespace or own.namespace)
        return Access(kubeconfig=file, context=self.context, namespace=self.namespace)

    async def cluster(self, ctx: Context) -> tuple[Cluster, str]:
        """The cluster, and the namespace to look in."""
        access = self.access(ctx)
        cluster = await shared(ctx, access)
        return cluster, access.namespace or cluster.namespace

    async def look(self, ctx: Context, kinds: Sequence[str], judge: Judge) -> Observation:
        """The judgement of these kinds. A pass is judged by a list that began after this look did; whatever changes
        later causes the next look."""
        ctx.seen("the API server has not answered yet", measured=False)
        cluster, namespace = await self.cluster(ctx)
        async with AsyncExitStack() as stack:
            watches: dict[str, Watch] = {}
            lists: dict[str, int] = {}
            name = ""
            try:
                for name in kinds:
                    kind = await cluster.kind(name)
                    begun = cluster.lists(kind, namespace)
                    watches[name] = await stack.enter_async_context(cluster.watching(kind, namespace))
                    lists[name] = begun
                    if name == NODE and isinstance(watches[name].problem, MissingRight):
                        del watches[name]  # most users may not see nodes; their pods' own status says nearly all
            except NoSuchKind as error:
                return await self._unserved(ctx, cluster, name, error)
            for watch in watches.values():
                ctx.look_again_when(_change_of(watch))
            view = View(cluster, namespace, watches)
            if problem := next((watch.problem for watch in watches.values() if watch.problem), None):
                raise problem
            observation = await judge(view)
            old = [watch for name, watch in watches.items() if watch.listed <= lists[name]]
            if observation.verdict is Verdict.PASSED and old:
                for watch in old:
                    await watch.confirm()
                observation = await judge(view)
            return observation

    async def _unserved(self, ctx: Context, cluster: Cluster, name: str, error: NoSuchKind) -> Observation:
        """A kind that the server does not serve. A new definition, or a new server behind the API server, causes the
        next look."""
        why = f"{error}: is its definition installed?"
        for source in (CRDS, SERVERS):
            async with cluster.watching(await cluster.kind(source)) as sources:
                if sources.problem is None:
                    ctx.look_again_when(_change_of(sources))
                if source == CRDS and any(_defines(one, name) for one in sources.objects.values()):
                    ctx.look_again_when(soon)
                    why = f"{error}: it is defined, and the API server does not serve it yet"
        return failed("no such kind", "a served kind", why)

    async def explain(self, ctx: Context, observation: Observation) -> Observation:
        """With the reason of `why_not`, on one line."""
        if observation.verdict is Verdict.UNKNOWN:
            return observation
        cluster, namespace = await self.cluster(ctx)
        try:
            async with asyncio.timeout(CONFIRM):
                await cluster.confirm(namespace)
        except (CannotTell, TimeoutError) as error:
            # A watch alone does not show whether the server still knows what it says.
            why = str(error) or f"the API server {cluster.server} does not answer within {CONFIRM:g} s"
            return unknown(f"{why}; last seen: {observation.why}", observation.expected, observation.seen)
        reason = await self.why_not(ctx, cluster, namespace)
        why = one_line(ctx, reason.text) if reason.text else observation.why
        return replace(observation, why=why, category=reason.category or observation.category)

    async def why_not(self, ctx: Context, cluster: Cluster, namespace: str) -> Reason:
        """Why it is not as expected, by everything that the cluster tells; empty: no better reason than the look's."""
        return Reason()


async def soon() -> None:
    """For `look_again_when`: without an event, after a moment."""
    await asyncio.sleep(SOON)


def _defines(definition: Mapping[str, Any], name: str) -> bool:
    """Whether a definition is that of a kind, by any of its names, and established."""
    names = definition["spec"]["names"]
    known = {names["plural"], names.get("singular"), names["kind"].lower(), *(names.get("shortNames") or ())}
    return name.rpartition("/")[2].partition(".")[0].lower() in known and holds(definition, "Established")


LONGEST = 600
"""Characters of a reason."""


def one_line(ctx: Context, text: str) -> str:
    """A text of the product on one line; masked before it is cut."""
    line = " ".join(ctx.masked(text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _change_of(watch: Watch) -> Callable[[], Awaitable[None]]:
    revision = watch.revision

    async def changed() -> None:
        async with watch.reading():
            await watch.changed(revision)

    return changed


def missing(what: str, name: str, namespace: str) -> Observation:
    """An object that must exist and does not."""
    return failed("absent", "present", f"{what} {name} does not exist in namespace {namespace}")
