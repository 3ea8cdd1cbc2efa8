"""Which cluster: a kubeconfig and a context that somebody named, and the proof that it is still the same one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, LeftBehind
from seatrial.links.kubernetes import Access, Cluster, MissingRight, connect
from seatrial.model.frozen import frozen

DEFAULT = "~/.kube/config"


@frozen
class Place:
    """A cluster as the ledger remembers it: it says which one a context led to."""

    kubeconfig: str
    context: str
    server: str = ""
    identity: str = ""
    """The id of its namespace `kube-system`, which no other cluster has; empty: the user may not read it."""

    def __str__(self) -> str:
        return f"context {self.context or 'of this pod'} ({self.server})"

    def recorded(self) -> dict[str, object]:
        """For the ledger; there is no secret in it."""
        return {name: getattr(self, name) for name in ("kubeconfig", "context", "server", "identity")}


def contexts(kubeconfig: str) -> list[str] | None:
    """The names of a kubeconfig's contexts, of several files with `:` between; None: there is no such file."""
    import yaml

    paths = [path for path in (Path(one).expanduser() for one in kubeconfig.split(os.pathsep) if one) if path.is_file()]
    if not paths:
        return None
    names: dict[str, None] = {}
    for path in paths:
        try:
            document = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            names.update(dict.fromkeys(str(one["name"]) for one in (document or {}).get("contexts") or ()))
        except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError):
            raise CannotTell(f"the kubeconfig {path} cannot be read") from None
    return list(names)


def located(kubeconfig: str, folder: Path) -> str:
    """The paths of a kubeconfig in a document; relative ones begin at the document."""
    paths = [Path(one).expanduser() for one in kubeconfig.split(os.pathsep) if one]
    return os.pathsep.join(str(folder / path) for path in paths)


def chosen(kubeconfig: str, context: str, environment: Mapping[str, str]) -> Place:
    """The kubeconfig as absolute paths, and the named context or the only one; CannotTell when nobody chose one."""
    given = kubeconfig or environment.get("KUBECONFIG", "") or DEFAULT
    names = contexts(given)
    if names is None:
        if not kubeconfig and "KUBERNETES_SERVICE_HOST" in environment:
            return Place(kubeconfig="", context="")
        raise CannotTell(f"there is no kubeconfig {given}; set `kubeconfig`, or the variable KUBECONFIG")
    if why := unclear(names, context):
        raise CannotTell(f"the kubeconfig {given} {why}")
    paths = os.pathsep.join(str(Path(one).expanduser().absolute()) for one in given.split(os.pathsep) if one)
    return Place(kubeconfig=paths, context=context or names[0])


def unclear(names: list[str], context: str) -> str:
    """Why these contexts leave open which cluster is meant; empty: they do not."""
    if context and context not in names:
        return f"has no context {context!r}; it has: {', '.join(names) or 'none'}"
    if not context and len(names) != 1:
        return f"has {len(names)} contexts ({', '.join(names) or 'none'}): name the one to use, `context: NAME`"
    return ""


def known_by(place: Place) -> str:
    """A text that changes when the context leads to another cluster: a hash of its entry in the kubeconfig."""
    import yaml

    named: dict[str, dict[str, Any]] = {"clusters": {}, "contexts": {}}
    for path in place.kubeconfig.split(os.pathsep) if place.kubeconfig else ():
        if not Path(path).is_file():
            continue
        try:
            document = yaml.load(Path(path).read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
            for key, known in named.items():
                for one in document.get(key) or ():
                    known.setdefault(str(one["name"]), one)  # the first file with a name counts, as for kubectl
        except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError):
            raise CannotTell(f"the kubeconfig {path} cannot be read") from None
    context = (named["contexts"].get(place.context) or {}).get("context") or {}
    entries = [context, (named["clusters"].get(str(context.get("cluster"))) or {}).get("cluster") or {}]
    return hashlib.sha256(json.dumps(entries, sort_keys=True, default=str).encode()).hexdigest()


@asynccontextmanager
async def reached(place: Place, namespace: str = "") -> AsyncIterator[Cluster]:
    """The cluster for the length of the block."""
    cluster = await connect(Access(kubeconfig=place.kubeconfig, context=place.context, namespace=namespace))
    try:
        yield cluster
    finally:
        await cluster.close()


async def identified(cluster: Cluster, place: Place) -> Place:
    """The place with the server's address and the cluster's identity."""
    return Place(
        kubeconfig=place.kubeconfig, context=place.context, server=cluster.server, identity=await _identity(cluster)
    )


async def _identity(cluster: Cluster) -> str:
    try:
        system = await cluster.get(await cluster.kind("v1/Namespace"), "kube-system")
    except MissingRight:
        return ""
    return str(system["metadata"]["uid"]) if system else ""


@asynccontextmanager
async def again(record: Mapping[str, Any]) -> AsyncIterator[Cluster]:
    """The cluster of a ledger's record; LeftBehind if the context leads to another one now, or perhaps does."""
    place = Place(**record)
    async with reached(place) as cluster:
        if why := moved(place, cluster.server, await _identity(cluster)):
            raise LeftBehind(why)
        yield cluster


def moved(place: Place, server: str, identity: str) -> str:
    """Why what a place leads to now is another cluster, or perhaps is; empty: it is the same one."""
    if place.identity and identity:
        return "" if identity == place.identity else f"the {place} leads to another cluster now ({server})"
    if server == place.server:
        return ""
    return (
        f"the {place} leads to {server} now, and whether that is the same cluster cannot be seen: the user needs the "
        "right to get the namespace kube-system"
    )
