"""Questions to the engine: the states of containers, and the list of our resources. The ledger is not asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from seatrial.links.containers import Engine, NoSuchThing, refusal
from seatrial.links.containers.engines import detail_of
from seatrial.links.containers.resources import power_in
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Resource
from seatrial.providers.batches import Batches
from seatrial.providers.containers.trial_resources import OWNER
from seatrial.providers.nodes import to_detail

RUN, TRIAL, NODE = "seatrial.run", "seatrial.trial", "seatrial.node"

FORM = (
    "{{.Name}}|{{.State.Status}}|{{.State.StartedAt}}|{{.State.ExitCode}}|{{.State.OOMKilled}}"
    "|{{.HostConfig.NetworkMode}}|{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
)

MOST = 16
"""Most calls of one engine at the same time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One container, as its engine says it."""

    status: str
    boot: str
    """When its init was started."""
    code: str
    """The exit code of the last init."""
    out_of_memory: bool
    mode: str = ""
    """Its network mode."""
    networks: tuple[str, ...] = ()

    @property
    def power(self) -> PowerState:
        """Its status in Seatrial's words."""
        return power_in(self.status, self.mode, self.networks)


class Looks:
    """Inspects containers. Simultaneous questions share one call of the engine, and an answer always comes from a call
    begun after the question."""

    def __init__(self) -> None:
        self._batches: dict[str, Batches[Seen]] = {}

    async def at(self, engine: Engine, container: str) -> Seen:
        """One container now; NoSuchThing, CannotTell."""
        key = repr(engine)
        if key not in self._batches:
            self._batches[key] = Batches(partial(_inspected, engine), NoSuchThing, most=MOST)
        return await self._batches[key].at(container)


async def _inspected(engine: Engine, containers: Sequence[str]) -> Mapping[str, Seen]:
    what = f"looking at {', '.join(containers)}"
    lines = (await engine.call("container", "inspect", "--format", FORM, *containers, what=what)).splitlines()
    seen = {}
    for line in lines:
        name, status, boot, code, out_of_memory, mode, networks = line.strip().split("|")
        networks_of = tuple(networks.split())
        seen[name.removeprefix("/")] = Seen(status, boot, code, out_of_memory == "true", mode, networks_of)
    return seen


async def listed(engine: Engine, run: str) -> Sequence[Resource]:
    """Containers, then volumes belonging to none of them, then networks: the order in which they can be removed."""
    label = RUN if run == "*" else f"{RUN}={run}"
    wanted = ("--filter", f"label={label}")
    containers, volumes, networks = await asyncio.gather(
        _shown(engine, "container", "ps", "--all", "--quiet", "--no-trunc", *wanted),
        _shown(engine, "volume", "volume", "ls", "--quiet", *wanted),
        _shown(engine, "network", "network", "ls", "--quiet", *wanted),
    )
    nodes = [_node(engine, one) for one in containers]
    held = {str(name) for node in nodes for name in node.detail["volumes"]}  # type: ignore[attr-defined]
    loose = [_thing(engine, "volume", one) for one in volumes if one["Name"] not in held]
    return [*nodes, *loose, *(_thing(engine, "network", one) for one in networks)]


async def _shown(engine: Engine, kind: str, *listing: str) -> list[Mapping[str, Any]]:
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
