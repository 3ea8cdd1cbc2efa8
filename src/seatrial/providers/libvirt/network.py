"""The network of a trial: this host at its first address, fixed addresses for nodes, name resolution between them.

Every function here blocks and gets a connection.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from seatrial.errors import LeaseTaken
from seatrial.links.libvirt import Ignoring, library
from seatrial.providers.libvirt import xml

ROUTES = Path("/proc/net/route")
QUICK = 50
"""Milliseconds between the kernel's questions for a hardware address; its default second would hide a node already up.
"""


def taken(connection: Any, routes: Path = ROUTES) -> list[tuple[int, int]]:
    """First and last address of every route of this host, and of every network of libvirt."""
    found = []
    for line in routes.read_text().splitlines()[1:] if routes.exists() else ():
        words = line.split()
        start, mask = (int.from_bytes(bytes.fromhex(words[place]), "little") for place in (1, 7))
        if mask:  # the default route is everywhere
            found.append((start, start | (~mask & 0xFFFFFFFF)))
    for network in connection.listAllNetworks():
        with contextlib.suppress(library().libvirtError):  # it went while we looked
            found += [_range(one) for one in ElementTree.fromstring(network.XMLDesc(0)).iterfind("ip") if _is_v4(one)]
    return found


def _is_v4(ip: ElementTree.Element) -> bool:
    return ip.get("family", "ipv4") == "ipv4" and bool(ip.get("address"))


def _range(ip: ElementTree.Element) -> tuple[int, int]:
    mask = ip.get("netmask") or ip.get("prefix") or "32"
    whole = ipaddress.IPv4Network(f"{ip.get('address')}/{mask}", strict=False)
    return int(whole.network_address), int(whole.broadcast_address)


def create(connection: Any, name: str, bridge: str, subnet: str, labels: Mapping[str, str], *, nat: bool) -> None:
    """Start a network that ends with the daemon or the host; LeaseTaken if its addresses are in use."""
    lib = library()
    try:
        connection.networkCreateXML(xml.network(name, bridge, subnet, labels, nat=nat))
    except lib.libvirtError as error:
        if "in use" in str(error) or "already exists" in str(error):
            raise LeaseTaken(f"the network {subnet} on {bridge} cannot be made: {error}") from error
        raise
    with contextlib.suppress(OSError):  # needs root; without it a node is noticed a little later
        Path(f"/proc/sys/net/ipv4/neigh/{bridge}/retrans_time_ms").write_text(str(QUICK))


def introduce(connection: Any, name: str, host: str, mac: str, address: str) -> None:
    """Have the network give this machine its address, and resolve its name."""
    network = connection.networkLookupByName(name)
    _update(network, "ADD_LAST", "IP_DHCP_HOST", xml.dhcp_host(mac, host, address))
    _update(network, "ADD_LAST", "DNS_HOST", xml.dns_host(host, address))


def forget(connection: Any, name: str, host: str, mac: str) -> None:
    """The opposite; an unknown or missing network is success."""
    with Ignoring("NO_NETWORK", "OPERATION_INVALID"):
        network = connection.networkLookupByName(name)
        known = ElementTree.fromstring(network.XMLDesc(0))
        for entry in known.iterfind("ip/dhcp/host"):
            if entry.get("mac") == mac:
                _update(network, "DELETE", "IP_DHCP_HOST", xml.text_of(entry))
        for entry in known.iterfind("dns/host"):
            if entry.findtext("hostname") == host:
                _update(network, "DELETE", "DNS_HOST", xml.text_of(entry))


def _update(network: Any, command: str, section: str, text: str) -> None:
    lib = library()
    how = getattr(lib, f"VIR_NETWORK_UPDATE_COMMAND_{command}")
    where = getattr(lib, f"VIR_NETWORK_SECTION_{section}")
    network.update(how, where, -1, text, lib.VIR_NETWORK_UPDATE_AFFECT_LIVE)


def destroy(connection: Any, name: str) -> None:
    """Stop it, and undefine it should it be defined; already gone is success."""
    for action in ("destroy", "undefine"):
        with Ignoring("NO_NETWORK", "OPERATION_INVALID"):
            network = connection.networkLookupByName(name)
            if action == "undefine" or network.isActive():
                getattr(network, action)()
