"""Records who makes, changes and deletes objects anywhere in a cluster: one watch per kind, of metadata alone.

No content of any object is read. What controllers of the cluster do by themselves is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import field
from datetime import datetime
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.kubernetes import Cluster, Expired, Kind, MissingRight, NoSuchKind, NoSuchObject, Object
from seatrial.model.frozen import frozen
from seatrial.model.record import record

SECONDS, SILENCE = 290, 330.0
"""Seconds after which the server ends a watch, and after which a silent connection counts as broken."""

AT_ONCE = 8
"""Watches that begin at the same time."""

PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between tries while the API server is away."""

MOST = 20_000
"""Changes that are remembered."""

NAMESPACE, DEFINITION, POD = "Namespace", "CustomResourceDefinition", "Pod"

QUIET = frozenset({
    "Event", "Lease", "Endpoints", "EndpointSlice", "ControllerRevision", "ReplicaSet", "Node", "CSINode",
    "CSIStorageCapacity", "VolumeAttachment", "PodMetrics", "NodeMetrics", "ComponentStatus", "APIService", "IPAddress",
    "ResourceSlice", "PodTemplate",
})  # fmt: skip
"""Kinds that controllers write all the time, and nobody else does."""

CONTROLLERS = frozenset({
    "kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver", "cloud-controller-manager",
    "clusterrole-aggregation-controller", "k3s", "kubeadm", "local-path-provisioner", "csi-provisioner",
})  # fmt: skip
"""Field managers that are parts of every cluster."""


@frozen
class Write:
    """Who wrote an object's fields last."""

    manager: str
    operation: str
    """`Update` or `Apply`."""


@record
class Seen:
    """An object, and what happened to it while it was watched; times are this machine's, in seconds since 1970."""

    kind: Kind
    metadata: Mapping[str, Any]
    """As it was last: without the list of who set which field."""
    last: Write | None = None
    made: float = 0.0
    """0: it existed before."""
    changed: float = 0.0
    changed_by: Write | None = None
    changed_as: Mapping[str, Any] = field(default_factory=dict)
    """Its metadata after the last change."""
    deleted: float = 0.0
    """0: it exists."""

    @property
    def name(self) -> str:
        return str(self.metadata["name"])

    @property
    def namespace(self) -> str:
        """Its namespace; empty: it belongs to the whole cluster."""
        return str(self.metadata.get("namespace") or "")

    @property
    def labels(self) -> Mapping[str, str]:
        return self.metadata.get("labels") or {}

    def __str__(self) -> str:
        return f"{self.kind.name} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


class Recorder:
    """The record of one cluster, for all trials of a run."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.seen: dict[str, Seen] = {}
        """By the object's id."""
        self.namespaces: dict[str, Mapping[str, Any]] = {}
        """The metadata of every namespace that was ever there, by its name."""
        self.writers: dict[str, set[str]] = {}
        """Namespace to the field managers that wrote anything in it."""
        self.unseen: dict[str, str] = {}
        """Kind to the reason why it is not watched."""
        self.blind = ""
        """Why nothing is watched; empty: it is."""
        self._generations: dict[str, int] = {}
        self._words: dict[str, Mapping[str, str]] = {}
        """The labels and annotations of definitions by their ids, without Seatrial's own marks."""
        self._connected: dict[tuple[str, str], asyncio.Event] = {}
        self._watched: set[tuple[str, str]] = set()
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._group: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @classmethod
    async def open(cls, cluster: Cluster) -> Recorder:
        """Begin now; the cluster is closed with it."""
        recorder = cls(cluster)
        try:
            await recorder._begin()
        except MissingRight as error:
            recorder.blind = str(error)
        except BaseException:
            await recorder.close()
            raise
        return recorder

    @property
    def server(self) -> str:
        """The address of the API server."""
        return self._cluster.server

    async def close(self) -> None:
        """End all watches."""
        for task in self._group:
            task.cancel()
        await asyncio.gather(*self._group, return_exceptions=True)
        await self._cluster.close()

    async def connected(self) -> None:
        """Wait until the watch of each kind has begun: before that, nobody knows what it has missed."""
        for event in list(self._connected.values()):
            await event.wait()

    async def gone(self, namespace: str, within: float) -> None:
        """Wait until the end of a namespace was seen, at most so long: what happened before is recorded then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while any(one.kind.name == NAMESPACE and one.name == namespace and not one.deleted
                          for one in self.seen.values()):  # fmt: skip
                    self._changed.clear()
                    await self._changed.wait()

    async def _begin(self) -> None:
        namespaces = await self._cluster.list(await self._cluster.kind("v1/Namespace"), "", metadata=True)
        for thing in namespaces.objects:
            self.namespaces[str(thing["metadata"]["name"])] = _slim(thing["metadata"])
        with suppress(NoSuchKind):
            definitions = await self._cluster.list(await self._cluster.kind(DEFINITION), "", metadata=True)
            for thing in definitions.objects:
                self._generations[str(thing["metadata"]["uid"])] = int(thing["metadata"].get("generation") or 0)
                self._words[str(thing["metadata"]["uid"])] = _words(thing["metadata"])
        await self._watch_all(namespaces.version)

    async def _watch_all(self, version: str) -> None:
        """Watch every kind that is not watched yet, from a moment on (empty: from its first object)."""
        for kind in await self._cluster.kinds():
            key = (kind.group, kind.plural)
            if kind.name in QUIET or not {"list", "watch"} <= set(kind.verbs) or key in self._watched:
                continue
            self._watched.add(key)
            self._connected.setdefault(key, asyncio.Event())
            task = asyncio.create_task(self._follow(kind, version), name=f"record {kind}")
            self._group.add(task)
            task.add_done_callback(self._group.discard)

    async def _follow(self, kind: Kind, version: str) -> None:
        pause = PAUSE
        while True:
            try:
                if not version:
                    version = await self._listed(kind)
                async with AsyncExitStack() as stack:
                    async with self._gate:
                        watch = self._cluster.following(
                            kind, "", version, seconds=SECONDS, silence=SILENCE, metadata=True
                        )
                        events = await stack.enter_async_context(watch)
                    pause = PAUSE
                    self._connected[kind.group, kind.plural].set()
                    async for change, thing in events:
                        version = str(thing["metadata"].get("resourceVersion") or version)
                        if change != "BOOKMARK":
                            self._take(kind, change, thing)
            except Expired:
                version = ""
                continue
            except MissingRight as error:
                self.unseen[kind.name] = str(error)
                self._connected[kind.group, kind.plural].set()
                return
            except (NoSuchKind, NoSuchObject):
                self._watched.discard((kind.group, kind.plural))
                self._connected[kind.group, kind.plural].set()
                return
            except CannotTell:  # the server is away: it goes on where it was
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _listed(self, kind: Kind) -> str:
        """Take the present objects; the version from which a watch goes on."""
        listing = await self._cluster.list(kind, "", metadata=True)
        for thing in listing.objects:
            if str(thing["metadata"]["uid"]) not in self.seen:
                self._take(kind, "LISTED", thing)
        return listing.version

    # Events

    def _take(self, kind: Kind, change: str, thing: Object) -> None:
        metadata = thing["metadata"]
        uid, now = str(metadata["uid"]), time.time()
        writes = list(_writes(metadata))
        writers = self.writers.setdefault(str(metadata.get("namespace") or ""), set())
        writers.update(one.manager for one, _ in writes)
        if kind.name == NAMESPACE:
            self.namespaces[str(metadata["name"])] = _slim(metadata)
        if kind.name == DEFINITION and change in ("ADDED", "MODIFIED"):
            self._find_kinds()
        own = [one for one, part in writes if not part]
        before = self._generations.get(uid)
        reworded = False
        if kind.name == DEFINITION:
            words = _words(metadata)
            reworded = self._words.get(uid, words) != words
            self._words[uid] = words
        generation = int(metadata.get("generation") or 0)
        self._generations[uid] = generation
        if self._is_routine(kind, change, metadata, own):
            return
        seen = self.seen.get(uid)
        if seen is None:
            if len(self.seen) >= MOST:
                self.unseen["(others)"] = f"more than {MOST} objects were written: not all of them are recorded"
                return
            seen = Seen(kind=kind, metadata=_slim(metadata))
        seen.metadata, seen.last = _slim(metadata), own[-1] if own else None
        if change == "ADDED" or (change == "LISTED" and _since(metadata) > now - SECONDS):
            seen.made = now if change == "ADDED" else _since(metadata)
        elif change == "DELETED":
            seen.deleted = now
        elif change == "MODIFIED" and (reworded or _is_change(metadata, writes, before, generation)):
            seen.changed, seen.changed_by, seen.changed_as = now, seen.last, seen.metadata
        elif uid not in self.seen:
            return
        self.seen[uid] = seen
        self._changed.set()

    def _is_routine(self, kind: Kind, change: str, metadata: Mapping[str, Any], own: list[Write]) -> bool:
        """Whether the cluster itself does so: objects with an owner go with it, and controllers write by themselves."""
        if metadata.get("ownerReferences"):
            in_trial = "seatrial.trial" in (self.namespaces.get(str(metadata.get("namespace"))) or {}).get("labels", {})
            return not (kind.name == POD and change == "DELETED" and in_trial)
        if kind.name == "ConfigMap" and metadata["name"] == "kube-root-ca.crt":
            return True
        if kind.name == "ServiceAccount" and metadata["name"] == "default":
            return True
        return bool(own) and all(one.manager in CONTROLLERS for one in own) and kind.name != NAMESPACE

    def _find_kinds(self) -> None:
        """A definition came or changed: watch its kind as soon as the server serves it."""

        async def find() -> None:
            for pause in (0.1, 0.5, 2.0):
                await asyncio.sleep(pause)
                with suppress(CannotTell):
                    self._cluster.forget_kinds()
                    await self._watch_all("")

        task = asyncio.create_task(find(), name="record new kinds")
        self._group.add(task)
        task.add_done_callback(self._group.discard)


def _writes(metadata: Mapping[str, Any]) -> Iterable[tuple[Write, str]]:
    """Who wrote which part (empty: the object itself), the oldest first."""
    entries = sorted(metadata.get("managedFields") or (), key=lambda one: str(one.get("time") or ""))
    for one in entries:
        operation = str(one.get("operation") or "")
        yield (
            Write(manager=str(one.get("manager") or "unknown"), operation=operation),
            str(one.get("subresource") or ""),
        )


def _is_change(
    metadata: Mapping[str, Any], writes: list[tuple[Write, str]], before: int | None, generation: int
) -> bool:
    """Whether more than the status changed, and more than its deletion began."""
    if metadata.get("deletionTimestamp"):
        return False
    if generation and before:
        return generation > before
    return bool(writes) and not writes[-1][1]


def _words(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    """Labels and annotations, without the marks by which trials share a definition."""
    both = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
    return {name: value for name, value in both.items() if "seatrial" not in name and "last-applied" not in name}


def _slim(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def _since(metadata: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(metadata.get("creationTimestamp"))).timestamp()
    except ValueError:
        return 0.0
