"""Whose a resource is: names and tags contain the run, the trial and the node, from its first moment on; a deployer's
machines are recognised by their addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.cloudstack import Cloud, tags_of
from seatrial.model.resource import Node, Resource
from seatrial.providers.cloudstack.settings import CloudStackSettings
from seatrial.providers.nodes import to_detail

OWNER = "provider:cloudstack"

PREFIX = "seatrial-"
"""Of the name of every machine and disk."""

GONE = ("Destroyed", "Expunging")
"""States of removed machines; the cloud forgets them by itself."""

DISK_GONE = ("Destroy", "Expunging", "Expunged")
"""States of removed disks."""

_DISPLAYED = re.compile(r"seatrial (r[0-9a-z]{10,}) (t[0-9a-z]{10,}) (\S+)")


def place_of(cloud: Cloud) -> dict[str, object]:
    """For the ledger: the place of all resources, and of the search for them."""
    return {"endpoint": cloud.endpoint, "cloud_project": cloud.project}


def machine_name(trial: str, node: str) -> str:
    """A host name unique to the trial."""
    return f"{PREFIX}{trial}-{node}"


def key_pair(trial: str) -> str:
    """The name of the trial's key pair in the account."""
    return f"{PREFIX}{trial}"


def display_name(run: str, trial: str, node: str) -> str:
    """The name on the cloud's own pages; present before any tag can be."""
    return f"seatrial {run} {trial} {node}"


def tags_from(labels: Mapping[str, str], node: str) -> list[dict[str, str]]:
    """Labels as CloudStack takes them."""
    return [{"key": key, "value": value} for key, value in {**labels, "seatrial.node": node}.items() if value]


def ids_of(thing: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Run, trial and node of a machine of Seatrial; by its tags, else by its display name."""
    tags = tags_of(thing)
    run, trial, node = (tags.get(f"seatrial.{word}", "") for word in ("run", "trial", "node"))
    if run and trial and node:
        return run, trial, node
    match = _DISPLAYED.fullmatch(str(thing.get("displayname") or ""))
    return (match[1], match[2], match[3]) if match else None


async def listed(cloud: Cloud, run: str) -> list[Resource]:
    """Machines of this run (`*`: of any), and disks of removed machines; project and expiry in the detail."""
    machines = await cloud.list("listVirtualMachines", "virtualmachine", keyword=PREFIX)
    things = [machine for machine in machines if machine.get("state") not in GONE]
    disks = await cloud.list("listVolumes", "volume", keyword=PREFIX)
    things += [disk for disk in disks if disk.get("type") == "DATADISK" and disk.get("state") not in DISK_GONE]
    resources: dict[str, Resource] = {}
    for thing in things:
        ids = ids_of(thing)
        if ids is None or run not in ("*", ids[0]):
            continue
        its_run, trial, node = ids
        name = f"{trial}-{node}"
        own = {"node": node, **place_of(cloud), "machine": machine_name(trial, node), **to_detail(tags_of(thing))}
        resource = Resource(
            kind="node", name=name, owner=OWNER, run=its_run, trial=trial, detail=own, outlives_host=True
        )
        resources.setdefault(name, resource)
    return list(resources.values())


def recognised(
    nodes: Sequence[Node], machines: Sequence[Mapping[str, Any]], settings: CloudStackSettings
) -> list[Node]:
    """The nodes in their order, the account's with their identifiers; CannotTell for an address of several machines."""
    by_address: dict[str, list[Mapping[str, Any]]] = {}
    for machine in machines:
        if machine.get("state") not in GONE and _allowed(machine, settings):
            for address in set(_addresses(machine)):
                by_address.setdefault(address, []).append(machine)
    return [_known(node, by_address) for node in nodes]


def _known(node: Node, by_address: Mapping[str, Sequence[Mapping[str, Any]]]) -> Node:
    machines = by_address.get(str(node.address)) or by_address.get(str(node.ssh.get("host"))) or ()
    if len(machines) > 1:
        names = ", ".join(sorted(str(machine.get("name")) for machine in machines))
        raise CannotTell(
            f"the address of {node.name} belongs to several virtual machines ({names}): private addresses may exist "
            "once in each network; narrow them down by `adopt` or `adopt_tag` of [providers.cloudstack]"
        )
    if not machines:
        return node
    machine = machines[0]
    detail = {**node.detail, "id": str(machine["id"]), "machine": str(machine.get("name"))}
    return replace(node, adopted=True, detail=detail)


def _addresses(machine: Mapping[str, Any]) -> Iterable[str]:
    for card in machine.get("nic") or ():
        yield from (str(card[key]) for key in ("ipaddress", "ip6address") if card.get(key))
        yield from (str(more["ipaddress"]) for more in card.get("secondaryip") or () if more.get("ipaddress"))
    if machine.get("publicip"):
        yield str(machine["publicip"])


def _allowed(machine: Mapping[str, Any], settings: CloudStackSettings) -> bool:
    names = (str(machine.get("name") or ""), str(machine.get("displayname") or ""))
    if not any(fnmatchcase(name, settings.adopt) for name in names):
        return False
    if not settings.adopt_tag:
        return True
    key, equals, value = settings.adopt_tag.partition("=")
    tags = tags_of(machine)
    return key in tags and (not equals or tags[key] == value)
