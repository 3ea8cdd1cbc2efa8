"""One cluster through its API server: objects of any kind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from seatrial.links.kubernetes.answers import (
    Expired,
    Listing,
    MissingRight,
    NoSuchKind,
    NoSuchObject,
    Object,
    refusal_of,
)
from seatrial.links.kubernetes.kinds import Kind, Kinds
from seatrial.links.kubernetes.watch import Watch
from seatrial.links.kubernetes.wire import PATIENCE, Query, Wire

PAGE = 500
"""Objects in one answer of a list."""

MANAGER = "seatrial"
"""The field manager of server-side apply."""

PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Answers without spec, status and data."""

Propagation = Literal["Background", "Foreground", "Orphan"]


class Cluster:
    """A cluster; errors are those of `links.kubernetes.answers`."""

    def __init__(self, wire: Wire, namespace: str) -> None:
        self._wire = wire
        self._kinds = Kinds(wire)
        self._watches: dict[tuple[Kind, str], Watch] = {}
        self.namespace = namespace
        """For objects without one."""

    @property
    def server(self) -> str:
        """The address of the API server."""
        return self._wire.server

    async def close(self) -> None:
        """End all watches and close the connections."""
        await asyncio.gather(*(watch.close() for watch in self._watches.values()))
        self._watches.clear()
        await self._wire.close()

    # Kinds

    async def kind(self, name: str) -> Kind:
        """A kind by `Deployment`, `deployments`, `deploy`, `deployments.apps`, `apps/v1/Deployment`; NoSuchKind."""
        return await self._kinds.named(name)

    async def kind_of(self, thing: Mapping[str, Any]) -> Kind:
        """The kind of an object; NoSuchKind."""
        return await self._kinds.of(str(thing.get("apiVersion") or ""), str(thing.get("kind") or ""))

    async def kinds(self) -> Sequence[Kind]:
        """All kinds that the server serves now."""
        return await self._kinds.all()

    def forget_kinds(self) -> None:
        """Ask the server again at the next use: definitions came or went."""
        self._kinds = Kinds(self._wire)

    # Reading

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        """One object as it is now; None: it is absent."""
        try:
            thing: Object = await self._wire.json("GET", self._path(kind, namespace, name), f"get {kind} {name}")
        except NoSuchObject as error:
            if error.reason == "NotFound":
                return None
            raise _unserved(kind, error) from None  # a whole path is missing, not an object
        return thing

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "", metadata: bool = False
    ) -> Listing:
        """All objects of a kind as they are now, page by page. `namespace`: empty for all namespaces, None for the
        cluster's own; `labels`, `fields`: selectors; `metadata`: objects without anything else."""
        path = kind.path(self.namespace if namespace is None else namespace)
        select = [(key, value) for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value]
        for again in (True, False):
            try:
                return await self._listed(kind, path, [("limit", str(PAGE)), *select], metadata)
            except Expired:  # the pages took longer than the server keeps a moment
                if not again:
                    raise
            except NoSuchObject as error:
                raise _unserved(kind, error) from None
        raise AssertionError("the last try returns or raises")

    async def _listed(self, kind: Kind, path: str, query: Query, metadata: bool) -> Listing:
        objects: list[Object] = []
        more = ""
        while True:
            page = await self._wire.json(
                "GET", path, f"list {kind}", query=[*query, *([("continue", more)] if more else [])],
                accept=PARTIAL_LIST if metadata else "application/json",
            )  # fmt: skip
            head = {"apiVersion": kind.api_version, "kind": kind.name}
            objects += ({**head, **thing, **(head if metadata else {})} for thing in page.get("items") or ())
            more = str(page["metadata"].get("continue") or "")
            if not more:
                return Listing(objects=tuple(objects), version=str(page["metadata"].get("resourceVersion") or ""))

    @asynccontextmanager
    async def following(
        self, kind: Kind, namespace: str, version: str, *, seconds: int, silence: float, metadata: bool = False
    ) -> AsyncIterator[AsyncIterator[tuple[str, Object]]]:
        """Changes after a resource version, as (`ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, object), until the server
        ends it after `seconds`. Expired: list again; ApiAway: it was cut, or silent for `silence` seconds. `metadata`:
        objects without anything else."""
        query = [
            ("watch", "1"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
            ("timeoutSeconds", str(seconds)),
        ]  # fmt: skip
        what = f"watch {kind}"
        accept = PARTIAL if metadata else "application/json"
        async with self._wire.lines(kind.path(namespace), what, query=query, silence=silence, accept=accept) as lines:
            yield _events(lines, what)

    @asynccontextmanager
    async def watching(self, kind: Kind, namespace: str | None = None) -> AsyncIterator[Watch]:
        """The objects of a kind in a namespace (empty: in all), kept up to date while anybody reads them: one watch for
        all readers. It is current when the block begins, or has the reason in `problem`."""
        key = (kind, self.namespace if namespace is None else namespace) if kind.namespaced else (kind, "")
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = Watch(self, *key)
        async with watch.reading():
            yield watch

    def lists(self, kind: Kind, namespace: str) -> int:
        """How many lists the watch of a kind has begun until now; 0: nobody watches it."""
        watch = self._watches.get((kind, namespace if kind.namespaced else ""))
        return watch.begun if watch is not None else 0

    async def confirm(self, namespace: str) -> None:
        """List again whatever is watched in a namespace, or in none, except what the user may not see; raises the
        reason when that is impossible."""
        watches = [watch for (_, where), watch in self._watches.items() if where in (namespace, "") and watch.is_read]
        seen = [watch for watch in watches if not isinstance(watch.problem, MissingRight)]
        await asyncio.gather(*(watch.confirm() for watch in seen))

    async def logs(
        self, pod: str, namespace: str = "", *, container: str = "", tail: int | None = None, previous: bool = False
    ) -> str:
        """The output of a container: all of it or the last `tail` lines; `previous`: of the one before its restart."""
        query = [(key, value) for key, value in (
            ("container", container), ("tailLines", "" if tail is None else str(tail)),
            ("previous", "true" if previous else ""), ("limitBytes", str(2**20)),
        ) if value]  # fmt: skip
        path = f"/api/v1/namespaces/{namespace or self.namespace}/pods/{pod}/log"
        data = await self._wire.ask("GET", path, f"logs of the pod {pod}", query=query, accept="*/*")
        return data.decode(errors="replace")

    # Writing

    async def apply(
        self, thing: Mapping[str, Any], *, namespace: str = "", manager: str = MANAGER, force: bool = True
    ) -> Object:
        """Server-side apply: create the object, or set the given fields of it, also those set by others."""
        kind = await self.kind_of(thing)
        metadata = thing.get("metadata") or {}
        name = str(metadata.get("name") or "")
        where = str(metadata.get("namespace") or namespace)
        applied: Object = await self._wire.json(
            "PATCH", self._path(kind, where, name), f"apply {kind} {name}", body=thing,
            query=[("fieldManager", manager), ("force", str(force).lower())], content="application/apply-patch+yaml",
        )  # fmt: skip
        return applied

    async def create(self, thing: Mapping[str, Any], *, namespace: str = "", dry_run: bool = False) -> Object:
        """Create an object; Conflict when it exists. `dry_run`: admit it as if, and keep nothing."""
        kind = await self.kind_of(thing)
        metadata = thing.get("metadata") or {}
        where = str(metadata.get("namespace") or namespace or self.namespace)
        name = str(metadata.get("name") or metadata.get("generateName") or "")
        made: Object = await self._wire.json("POST", kind.path(where), f"create {kind} {name}", body=thing,
                                            query=[("dryRun", "All")] if dry_run else [])  # fmt: skip
        return made

    async def patch(
        self, kind: Kind, name: str, change: Mapping[str, Any], namespace: str = "", *, part: str = ""
    ) -> Object:
        """Merge a change into an object (JSON merge patch). `part`: into a part of its own, `status` or `scale`."""
        changed: Object = await self._wire.json(
            "PATCH", self._path(kind, namespace, name, *((part,) if part else ())), f"patch {kind} {name}",
            body=change, content="application/merge-patch+json",
        )  # fmt: skip
        return changed

    async def replace(self, kind: Kind, name: str, thing: Mapping[str, Any], namespace: str = "", *, part: str = "",
                      method: Literal["PUT", "POST"] = "PUT") -> Object:  # fmt: skip
        """Put an object, or a part of it, in the place of the present one; `POST` for a part that is an act, such as
        `eviction`. Conflict when its resource version is not the present one."""
        made: Object = await self._wire.json(
            method, self._path(kind, namespace, name, *((part,) if part else ())),
            f"{part or 'replace'} {kind} {name}", body=thing,
        )  # fmt: skip
        return made

    async def delete(
        self, kind: Kind, name: str, namespace: str = "", *, propagation: Propagation = "Background",
        grace: int | None = None, uid: str = "",
    ) -> bool:  # fmt: skip
        """Ask for the deletion; finalizers may hold the object afterwards. `grace`: seconds for a pod, 0: now; `uid`:
        this object alone, not another of its name. Whether it existed."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self._wire.ask("DELETE", self._path(kind, namespace, name), f"delete {kind} {name}", body=options)
        except NoSuchObject:
            return False
        return True

    async def ask(self, method: str, path: str, what: str, *, body: object = None, timeout: float = PATIENCE) -> Any:
        """Any other request with an answer in JSON, such as a review of rights."""
        return await self._wire.json(method, path, what, body=body, timeout=timeout)

    def _path(self, kind: Kind, namespace: str, name: str, *more: str) -> str:
        return kind.path(namespace or self.namespace, name, *more)

    @property
    def wire(self) -> Wire:
        """For exec and port-forwards."""
        return self._wire


async def _events(lines: AsyncIterator[bytes], what: str) -> AsyncIterator[tuple[str, Object]]:
    async for line in lines:
        event = json.loads(line)
        if event["type"] == "ERROR":
            raise refusal_of(what, event["object"])
        yield event["type"], event["object"]


def _unserved(kind: Kind, error: NoSuchObject) -> NoSuchKind:
    return NoSuchKind(f"the API server no longer serves {kind.api_version} {kind.name}", code=404, text=error.text)
