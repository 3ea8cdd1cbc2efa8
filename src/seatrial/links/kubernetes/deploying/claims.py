"""Claims of volumes that the controller of a StatefulSet makes: they outlive it, in a namespace that stays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seatrial.links.kubernetes import Cluster, Object

KIND = "v1/PersistentVolumeClaim"
Claims = dict[str, Any]
"""For the ledger: `namespace`, `prefix` of the names, and the names `present` before, which are somebody else's."""


async def expected(cluster: Cluster, things: Iterable[Object], namespace: str, own: Sequence[str]) -> list[Claims]:
    """What the StatefulSets among these objects will claim outside the trial's own namespaces. `namespace`: of an
    object without one."""
    found: list[Claims] = []
    for thing in things:
        where = str(thing["metadata"].get("namespace") or namespace)
        if thing["kind"] != "StatefulSet" or where in own:
            continue
        for template in (thing.get("spec") or {}).get("volumeClaimTemplates") or ():
            claims: Claims = {
                "namespace": where,
                "prefix": f"{template['metadata']['name']}-{thing['metadata']['name']}-",
            }
            found.append({**claims, "present": [one["metadata"]["name"] for one in await made(cluster, claims)]})
    return found


async def made(cluster: Cluster, claims: Mapping[str, Any]) -> list[Object]:
    """The claims that exist now, except those that were `present`."""
    name = re.compile(f"{re.escape(claims['prefix'])}[0-9]+")
    listed = await cluster.list(await cluster.kind(KIND), claims["namespace"])
    here = [one for one in listed.objects if name.fullmatch(one["metadata"]["name"])]
    return [one for one in here if one["metadata"]["name"] not in claims.get("present", ())]
