"""Whose a resource is: names and tags contain the run, the trial and the node, from its first moment on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from seatrial.model.resource import Resource
from seatrial.providers.clouds.tags import NODE, RUN, TRIAL, Tagging
from seatrial.providers.clouds.vendor import Cloud, Machine, Part
from seatrial.providers.nodes import to_detail

PREFIX = "seatrial-"
"""Of the name of every machine and part."""

_NAMED = re.compile(r"seatrial-(r[0-9a-z]{10,})-(t[0-9a-z]{10,})(?![0-9a-z])")


def machine_name(trial: str, node: str) -> str:
    """A host name unique to the trial."""
    return f"{PREFIX}{trial}-{node}"


def trial_name(run: str, trial: str) -> str:
    """The prefix of the names of a trial's parts: it tells both also where a cloud cannot tag a part."""
    return f"{PREFIX}{run}-{trial}"


def ids_of(thing: Machine | Part, tagging: Tagging) -> tuple[str, str, str] | None:
    """Run, trial and node (empty: the whole trial's) of a resource of Seatrial, by its tags, else by a part's name."""
    run, trial, node = (tagging.read(thing.tags, label) for label in (RUN, TRIAL, NODE))
    if run and trial:
        return run, trial, node
    match = _NAMED.match(thing.name) if isinstance(thing, Part) else None
    return (match[1], match[2], "") if match else None


async def listed(cloud: Cloud, tagging: Tagging, owner: str, run: str) -> list[Resource]:
    """Machines of this run (`*`: of any) and parts, in the order of their removal; a disk or an address without its
    machine counts as its node."""
    tags = {tagging.key(RUN): ""} if run == "*" else tagging.write({RUN: run})
    things: list[Machine | Part] = [machine for machine in await cloud.machines(tags=tags) if not machine.gone]
    things += await cloud.parts(tags=tags)
    things += [part for part in await cloud.parts(prefix=PREFIX) if not part.tags]
    resources: dict[tuple[str, str], Resource] = {}
    for thing in things:
        ids = ids_of(thing, tagging)
        if ids is None or run not in ("*", ids[0]):
            continue
        its_run, trial, node = ids
        kind = "node" if node else thing.kind if isinstance(thing, Part) else ""
        if not kind:
            continue  # a machine without a node was not made by a trial
        name = f"{trial}-{node}" if node else thing.name
        own = {"node": node, "machine": machine_name(trial, node)} if node else {"part": name}
        detail = {**own, **cloud.place, **_labels(thing.tags, tagging)}
        made = Resource(kind=kind, name=name, owner=owner, run=its_run, trial=trial, detail=detail, outlives_host=True)
        resources.setdefault((kind, name), made)
    return list(resources.values())


def _labels(tags: Mapping[str, str], tagging: Tagging) -> dict[str, object]:
    return to_detail({label: tagging.read(tags, label) for label in ("seatrial.project", "seatrial.expires")})


def of_node(things: Sequence[Machine], trial: str, node: str, tagging: Tagging) -> list[Machine]:
    """The machines whose own tags say so: a cloud may ignore a filter."""
    wanted = (trial, node)
    return [machine for machine in things if (ids := ids_of(machine, tagging)) and ids[1:] == wanted]
