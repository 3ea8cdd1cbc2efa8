"""Recognising a deployer's machines: by identifier, else by address, among those that the settings allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from seatrial.errors import CannotTell
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node
from seatrial.providers.clouds.settings import CloudSettings
from seatrial.providers.clouds.vendor import Machine

IDENTIFIERS = ("id", "instance_id", "machine_id", "vm_id", "droplet_id", "server_id")
"""Keys of a node's detail in which a deployer may name the machine."""


def recognised(
    nodes: Sequence[Node], machines: Sequence[Machine], settings: CloudSettings, known: Mapping[str, tuple[str, str]]
) -> list[Node]:
    """The nodes in their order, the account's with their identifiers. `known`: identifier and address of nodes
    that were recognised before: a stop may have given the machine another address."""
    allowed = {machine.id.lower(): machine for machine in machines if not machine.gone and _allowed(machine, settings)}
    by_address: dict[str, list[Machine]] = {}
    for machine in allowed.values():
        for address in machine.addresses:
            by_address.setdefault(address, []).append(machine)

    def find(node: Node) -> Machine | None:
        before, at = known.get(node.name, ("", ""))
        named = [str(node.detail[key]) for key in IDENTIFIERS if node.detail.get(key)]
        named += [before] if at == host_of(node) else []
        if machine := next((allowed[id.lower()] for id in named if id.lower() in allowed), None):  # as Azure has it
            return machine
        matches = by_address.get(str(node.address)) or by_address.get(host_of(node)) or []
        if len(matches) > 1:
            names = ", ".join(sorted(f"{machine.name} ({machine.id})" for machine in matches))
            raise CannotTell(
                f"the address of {node.name} belongs to several machines ({names}): private addresses may exist once "
                "in each network; narrow them down by `adopt` or `adopt_tag`"
            )
        return matches[0] if matches else None

    def told(node: Node) -> Node:
        machine = find(node)
        if machine is None:
            return node
        detail = {**node.detail, "id": machine.id, "machine": machine.name}
        return replace(followed(node, machine), adopted=True, detail=detail)

    return [told(node) for node in nodes]


def host_of(node: Node) -> str:
    """Where a node is reached."""
    return str(node.ssh.get("host") or node.address)


def followed(node: Node, machine: Machine) -> Node:
    """The node at its machine's present public address, if it was reached by one that the machine has no more."""
    host = host_of(node)
    if not machine.public or host in machine.addresses or not host or machine.power is not PowerState.RUNNING:
        return node
    ssh = {**node.ssh, "host": machine.public} if node.ssh else {}
    return replace(node, address=machine.public, ssh=ssh)


def _allowed(machine: Machine, settings: CloudSettings) -> bool:
    if not fnmatchcase(machine.name, settings.adopt):
        return False
    key, equals, value = settings.adopt_tag.partition("=")
    return not key or (key in machine.tags and (not equals or machine.tags[key] == value))
