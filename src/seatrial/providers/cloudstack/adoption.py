"""A deployer's machines recognised as virtual machines of the account, by their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.cloudstack import tags_of
from seatrial.model.resource import Node
from seatrial.providers.cloudstack.naming import GONE
from seatrial.providers.cloudstack.settings import CloudStackSettings


def recognised(
    nodes: Sequence[Node], machines: Sequence[Mapping[str, Any]], settings: CloudStackSettings
) -> list[Node]:
    """The nodes in their order, machines of the account with their identifiers; CannotTell if an address belongs to
    several."""
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
