"""The kinds that an API server serves, by its own discovery."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from seatrial.links.kubernetes.answers import NoSuchKind, NoSuchObject
from seatrial.links.kubernetes.wire import Wire
from seatrial.model.frozen import frozen

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@frozen
class Kind:
    """One kind of object in one version of its API."""

    group: str
    """Empty: the core."""
    version: str
    name: str
    """In the singular, as `kind` of an object: `Deployment`."""
    plural: str
    """As in paths: `deployments`."""
    namespaced: bool
    verbs: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """Its other names: the singular in small letters, and short ones (`deploy`)."""

    @property
    def api_version(self) -> str:
        """As in objects: `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", *more: str) -> str:
        """The path of all of them (in a namespace), of one, or of a part of it."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/" + "/".join(
            quote(part, safe=":") for part in (*parts, self.plural, *((name,) if name else ()), *more)
        )

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


REMEMBERED = 30.0
"""Seconds for which other connections to the same API server need not ask for its kinds."""

_remembered: dict[str, tuple[float, list[Kind]]] = {}
"""By the server's address: when they were asked for, and the kinds."""


class Kinds:
    """The kinds of one API server; asked once, and again for a kind missing before."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._known: list[Kind] = []
        """Those that this connection asked for."""

    async def named(self, name: str) -> Kind:
        """A kind by `Deployment`, `deployments`, `deploy`, `deployments.apps`, `apps/v1/Deployment`; NoSuchKind."""
        return await self._first(name, lambda kind: _is_called(kind, name))

    async def of(self, api_version: str, name: str) -> Kind:
        """The kind of an object by its `apiVersion` and `kind`; NoSuchKind."""
        return await self._first(
            f"{api_version} {name}", lambda kind: (kind.api_version, kind.name) == (api_version, name)
        )

    async def all(self) -> list[Kind]:
        """All kinds, in the server's order: the core first, the preferred version of each group first."""
        if not self._known:
            self._known = [kind async for kind in self._discovered()]
            _remembered[self._wire.server] = time.monotonic(), self._known
        return self._known

    async def _first(self, name: str, is_it: Any) -> Kind:
        asked, kinds = _remembered.get(self._wire.server, (0.0, []))
        if not self._known and time.monotonic() - asked < REMEMBERED:
            for kind in kinds:
                if is_it(kind):
                    return kind
        for again in (True, False):
            fresh = not self._known
            for kind in await self.all():
                if is_it(kind):
                    return kind
            if fresh or not again:
                break
            self._known = []  # it may have come meanwhile
        raise NoSuchKind(f"the API server serves no kind {name!r}", code=404, reason="NoSuchKind")

    async def _discovered(self) -> Any:
        for path in ("/api", "/apis"):
            answer = await self._wire.json("GET", path, "discovery of the kinds", accept=AGGREGATED)
            if answer.get("kind") == "APIGroupDiscoveryList":
                for kind in kinds_in(answer):
                    yield kind
                continue
            for api_version in _versions(answer):
                try:
                    listed = await self._wire.json("GET", f"{path}/{api_version}", f"discovery of {api_version}")
                except NoSuchObject:  # removed meanwhile
                    continue
                for kind in kinds_of_version(api_version, listed):
                    yield kind


def _is_called(kind: Kind, name: str) -> bool:
    api_version, _, last = name.rpartition("/")
    if api_version:
        return kind.api_version == api_version and last in (kind.name, kind.plural)
    first, _, group = name.partition(".")
    if group:
        return group in (kind.group, f"{kind.version}.{kind.group}") and first in (kind.name, kind.plural, *kind.words)
    return name == kind.name or name.lower() in (kind.plural, kind.name.lower(), *kind.words)


def kinds_in(answer: Mapping[str, Any]) -> Iterator[Kind]:
    """The kinds in an `APIGroupDiscoveryList`; what an absent extension server would serve is not in it."""
    for group in answer.get("items") or ():
        for version in group.get("versions") or ():
            for resource in version.get("resources") or ():
                yield Kind(
                    group=str((group.get("metadata") or {}).get("name") or ""),
                    version=str(version["version"]),
                    name=str(resource["responseKind"]["kind"]),
                    plural=str(resource["resource"]),
                    namespaced=resource.get("scope") == "Namespaced",
                    verbs=tuple(resource.get("verbs") or ()),
                    words=(str(resource.get("singularResource") or ""), *(resource.get("shortNames") or ())),
                )


def kinds_of_version(api_version: str, listed: Mapping[str, Any]) -> Iterator[Kind]:
    """The kinds in an `APIResourceList`, as older servers answer."""
    group, _, version = api_version.rpartition("/")
    for resource in listed.get("resources") or ():
        if "/" not in resource["name"]:
            yield Kind(
                group=group, version=version, name=str(resource["kind"]), plural=str(resource["name"]),
                namespaced=bool(resource.get("namespaced")), verbs=tuple(resource.get("verbs") or ()),
                words=(str(resource.get("singularName") or ""), *(resource.get("shortNames") or ())),
            )  # fmt: skip


def _versions(answer: Mapping[str, Any]) -> Iterable[str]:
    """The versions of an older server's answer, the preferred one of each group first."""
    if "groups" not in answer:
        return [str(version) for version in answer.get("versions") or ()]
    found: list[str] = []
    for group in answer["groups"]:
        preferred = str((group.get("preferredVersion") or {}).get("groupVersion") or "")
        others = [str(one["groupVersion"]) for one in group.get("versions") or ()]
        found += [preferred, *(one for one in others if one != preferred)] if preferred else others
    return found
