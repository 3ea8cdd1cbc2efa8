"""What one owner makes in a cluster; its record has each object before it is applied."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.kubernetes import Cluster
from seatrial.links.kubernetes.deploying import applying, claims, helm, removal
from seatrial.links.kubernetes.deploying.access import Place
from seatrial.links.kubernetes.deploying.claims import Claims
from seatrial.links.kubernetes.deploying.helm import Helm, Release
from seatrial.links.kubernetes.deploying.manifests import Object, called
from seatrial.links.kubernetes.deploying.owner import Owner
from seatrial.links.kubernetes.deploying.ownership import stamped
from seatrial.model.chart import Chart

Waiting = Callable[[], AbstractContextManager[None]]

OWNER = "system:kubernetes"
SKEW = 300.0
"""Seconds by which the clock of the cluster may be behind this one's."""
RELEASE_NAME = 53
"""Characters in the name of a release."""
SHARE = 0.7
"""Of the deadline for `destroy`: after it, Seatrial says what does not go."""


class Deployment:
    """Everything that an owner has made. `namespaces` are its own and a given one; `others` are namespaces of other
    people in which a chart has objects, such as `kube-system`."""

    def __init__(self, folder: Path, place: Place, namespace: str, *, given: bool) -> None:
        """`folder`: where relative paths of charts begin; `given`: the namespace exists, and stays."""
        self._folder, self._given = folder, given
        self.place, self.namespace = place, namespace
        self.namespaces = [namespace]
        self.others: list[str] = []
        self.objects: list[list[str]] = []
        """API version, kind, namespace and name of everything that was applied or that a chart has."""
        self._entries: dict[str, list[str]] = {kind: [] for kind in removal.ORDER}
        self._releases: dict[str, dict[str, list[list[str]]]] = {}
        """What each release has had, since its first installation."""
        self._claimed: dict[str, dict[str, Claims]] = {}
        """By entry of the ledger."""

    async def make(self, ctx: Owner, cluster: Cluster, objects: Sequence[Object], charts: Sequence[Chart]) -> None:
        """Make the namespace, the definitions, the objects and the releases; do not wait for pods. The charts have no
        expressions any more."""
        made_here = {thing["metadata"]["name"] for thing in objects if thing["kind"] == "Namespace"}
        self.namespaces += [name for name in sorted(made_here) if name not in self.namespaces]
        await self._make_namespace(ctx, cluster)
        await self._define(ctx, cluster, [thing for thing in objects if thing["kind"] == applying.CRD])
        await self._apply(ctx, cluster, objects)
        for number, chart in enumerate(charts):
            await self._install(ctx, cluster, chart, number)

    async def give_back(self, ctx: Owner, waiting: Waiting = nullcontext) -> None:
        """Remove all of it. `waiting`: around the wait for namespaces, which Kubernetes keeps for five more seconds
        after nothing is in them."""
        for kind in removal.ORDER:
            for name in self._entries[kind][::-1]:
                if ctx.holds(kind, name, owner=OWNER):
                    with waiting() if kind == removal.NAMESPACE else nullcontext():
                        await ctx.give_back(kind, name)

    def remains(self, ctx: Owner) -> bool:
        """Whether any of it is still in the ledger."""
        return any(ctx.holds(kind, name, owner=OWNER) for kind, names in self._entries.items() for name in names)

    @property
    def own_namespaces(self) -> list[str]:
        """Those that this trial made."""
        return self.namespaces[1:] if self._given else list(self.namespaces)

    @property
    def every_object(self) -> list[list[str]]:
        """The names of its objects, those of hooks too."""
        return [*self.objects, *(name for release in self._releases.values() for name in release["hooks"])]

    # Namespaces

    async def _make_namespace(self, ctx: Owner, cluster: Cluster) -> None:
        kind, name = await cluster.kind("v1/Namespace"), self.namespace
        if self._given:
            if await cluster.get(kind, name) is None:
                raise CannotTell(f"the namespace {name} does not exist in {self.place}: create it, or name none")
            return
        thing: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        thing = stamped(thing, ctx.labels())

        async def create() -> None:
            await applying.apply(cluster, thing, ctx.trial_id, new_kinds=False)

        await self._entry(ctx, removal.NAMESPACE, name, create, {"name": name})

    async def _define(self, ctx: Owner, cluster: Cluster, definitions: Sequence[Object]) -> None:
        for definition in definitions:
            name = definition["metadata"]["name"]

            async def create(definition: Object = definition) -> None:
                await applying.define(cluster, definition, ctx.trial_id, ctx.run_id)

            self._know([applying.named(definition)])
            # In a given namespace, objects without the trial's label may be other people's.
            own = [ns for ns in self.namespaces if ns != self.namespace or not self._given]
            detail = {"name": name, "namespaces": own}
            await self._entry(ctx, removal.DEFINITION, f"{name} of {ctx.trial_id}", create, detail)

    # Objects

    async def _apply(self, ctx: Owner, cluster: Cluster, objects: Sequence[Object]) -> None:
        new_kinds = any(thing["kind"] == applying.CRD for thing in objects)
        things: list[Object] = []
        for thing in applying.in_order(objects):
            kind = await applying.kind_of(cluster, thing, applying.SERVED if new_kinds else 0)
            given = str(thing["metadata"].get("namespace") or "")
            if kind.namespaced and given and given not in self.namespaces:
                raise CannotTell(
                    f"{called(thing)} names a namespace that is neither {self.namespace} nor made by the manifests: "
                    "leave `metadata.namespace` out, or name it in the system's `namespace`"
                )
            things.append(stamped(thing, ctx.labels(), self.namespace if kind.namespaced and not given else ""))
        if not things:
            return
        names = [applying.named(thing) for thing in things]
        self._know(names)

        async def create() -> None:
            for thing in things:
                await applying.apply(cluster, thing, ctx.trial_id, new_kinds=new_kinds)

        name = f"{ctx.trial_id}-{len(self._entries[removal.OBJECTS]) + 1}"
        detail = {"objects": names, "claims": await self._claims(cluster, name, things)}
        await self._entry(ctx, removal.OBJECTS, name, create, detail)

    # Charts

    async def _install(self, ctx: Owner, cluster: Cluster, chart: Chart, number: int) -> None:
        program = Helm(ctx, helm.find(), self._folder)
        release = Release(
            name="", chart=self._chart(chart), namespace=self.namespace, place=self.place,
            version=chart.version, values=self._values(ctx, chart, number),
        )  # fmt: skip
        release = release.named(chart.release or await self._release_name(ctx, program, release))
        entry = f"{self.namespace}/{release.name}"
        is_new = not ctx.holds(removal.RELEASE, entry, owner=OWNER)
        if self._given and is_new and await program.exists(release):
            raise CannotTell(
                f"the release {release.name} already exists in the namespace {self.namespace}, and this trial did not "
                "make it: set another `release`, or uninstall it yourself"
            )
        await self._define(ctx, cluster, await program.definitions(release))
        rendered = await program.rendered(release)
        known = self._releases.setdefault(release.name, {"objects": [], "hooks": []})
        objects = _joined(known["objects"], await self._parts(cluster, rendered.objects))
        # A hook has no mark of its release: what is there already is not the trial's.
        absent = [name for name in await self._parts(cluster, rendered.hooks) if not await _exists(cluster, name)]
        hooks = _joined(known["hooks"], absent)
        self._know(objects)
        detail = {
            "release": release.name,
            "namespace": self.namespace,
            "program": program.path,
            "objects": list(objects),
            "hooks": list(hooks),
            "claims": await self._claims(cluster, entry, rendered.objects),
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - SKEW)),
        }

        async def create() -> None:
            await program.install(release, ctx.deadline("deploy"))

        await self._entry(ctx, removal.RELEASE, entry, create, detail)

    async def _release_name(self, ctx: Owner, program: Helm, release: Release) -> str:
        name = await program.chart_name(release)
        return f"{name[: RELEASE_NAME - len(ctx.trial_id) - 1].rstrip('-')}-{ctx.trial_id}"

    async def _claims(self, cluster: Cluster, entry: str, things: Sequence[Object]) -> list[Claims]:
        own = [namespace for namespace in self.namespaces if namespace != self.namespace or not self._given]
        # Which claims others had before the first deployment holds for the next ones.
        known = self._claimed.setdefault(entry, {})
        for one in await claims.expected(cluster, things, self.namespace, own):
            known.setdefault(f"{one['namespace']}/{one['prefix']}", one)
        return list(known.values())

    def _chart(self, chart: Chart) -> str:
        path = self._folder / chart.chart
        return str(path) if path.exists() else chart.chart

    def _values(self, ctx: Owner, chart: Chart, number: int) -> tuple[str, ...]:
        files = [str(self._folder / name) for name in chart.values]
        if chart.set:
            file = ctx.state / f"values-{number}.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps(chart.set))
            files.append(str(file))
        return tuple(files)

    async def _parts(self, cluster: Cluster, things: Sequence[Object]) -> list[list[str]]:
        """A chart's objects for the ledger; they need not say their namespace."""
        names = []
        for thing in things:
            name = applying.named(thing)
            kind = await applying.kind_of(cluster, thing)
            if kind.namespaced and not name[2]:
                name[2] = self.namespace
            names.append(name)
        return names

    # The ledger

    def _know(self, names: Sequence[list[str]]) -> None:
        self.objects += [name for name in names if name not in self.objects]
        self.namespaces += [name[3] for name in names if name[1] == "Namespace" and name[3] not in self.namespaces]
        used = dict.fromkeys([*self.others, *(name[2] for name in names if name[2])])
        self.others = [namespace for namespace in used if namespace not in self.namespaces]

    async def _entry(
        self, ctx: Owner, kind: str, name: str, create: applying.Create, detail: Mapping[str, object]
    ) -> None:
        """Make it with its record first; again in the same trial, there is a record already."""
        if ctx.holds(kind, name, owner=OWNER) and kind != removal.RELEASE:
            await create()
            return
        timeout = ctx.deadline("destroy")
        record = {**detail, "place": self.place.recorded(), "wait": timeout * SHARE, "timeout": timeout}
        if name not in self._entries[kind]:
            self._entries[kind].append(name)
        await ctx.make(kind, name, create, owner=OWNER, detail=record, outlives_host=True)


def _joined(known: list[list[str]], more: Sequence[list[str]]) -> list[list[str]]:
    known += [name for name in more if name not in known]
    return known


async def _exists(cluster: Cluster, name: Sequence[str]) -> bool:
    api_version, kind, namespace, own_name = name
    found = await cluster.get(await cluster.kind_of({"apiVersion": api_version, "kind": kind}), own_name, namespace)
    return found is not None
