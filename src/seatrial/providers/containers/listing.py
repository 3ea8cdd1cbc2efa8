"""Our existing resources, by the engine's own lists; the ledger is not asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.links.containers import Engine, NoSuchThing, refusal
from seatrial.links.containers.engines import detail_of
from seatrial.model.resource import Resource
from seatrial.providers.containers.trial_resources import OWNER
from seatrial.providers.nodes import to_detail

RUN, TRIAL, NODE = "seatrial.run", "seatrial.trial", "seatrial.node"


async def listed(engine: Engine, run: str) -> Sequence[Resource]:
    """Containers, then volumes belonging to none of them, then networks: the order in which they can be removed."""
    label = RUN if run == "*" else f"{RUN}={run}"
    wanted = ("--filter", f"label={label}")
    containers, volumes, networks = await asyncio.gather(
        _inspected(engine, "container", "ps", "--all", "--quiet", "--no-trunc", *wanted),
        _inspected(engine, "volume", "volume", "ls", "--quiet", *wanted),
        _inspected(engine, "network", "network", "ls", "--quiet", *wanted),
    )
    nodes = [_node(engine, one) for one in containers]
    held = {str(name) for node in nodes for name in node.detail["volumes"]}  # type: ignore[attr-defined]
    loose = [_thing(engine, "volume", one) for one in volumes if one["Name"] not in held]
    return [*nodes, *loose, *(_thing(engine, "network", one) for one in networks)]


async def _inspected(engine: Engine, kind: str, *listing: str) -> list[Mapping[str, Any]]:
    what = f"listing our resources of kind {kind}"
    names = await engine.names(*listing, what=what)
    if not names:
        return []
    done = await engine.attempt(kind, "inspect", *names, what=what)
    # A resource removed between the two calls is only listed, and is no longer ours to remove.
    if not done.ok and not isinstance(refused := refusal(engine, what, done), NoSuchThing):
        raise refused
    found: list[Mapping[str, Any]] = json.loads(done.stdout or "[]")
    return found


def _node(engine: Engine, seen: Mapping[str, Any]) -> Resource:
    labels, container = seen["Config"]["Labels"], str(seen["Name"]).lstrip("/")
    volumes = [mount["Name"] for mount in seen.get("Mounts") or () if mount.get("Type") == "volume"]
    node = labels.get(NODE, "")
    name = f"{labels.get(TRIAL, '')}-{node}" if node else container
    return _resource(engine, "node", name, labels, {"node": node, "container": container, "volumes": volumes})


def _thing(engine: Engine, kind: str, seen: Mapping[str, Any]) -> Resource:
    name = str(seen.get("Name") or seen.get("name"))
    return _resource(engine, kind, name, seen.get("Labels") or seen.get("labels") or {}, {kind: name})


def _resource(engine: Engine, kind: str, name: str, labels: Mapping[str, str], own: Mapping[str, object]) -> Resource:
    detail = {**detail_of(engine), **own, **to_detail(labels)}
    return Resource(kind=kind, name=name, owner=OWNER, run=labels[RUN], trial=labels.get(TRIAL, ""), detail=detail)
