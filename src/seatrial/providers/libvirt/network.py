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
from seatrial.providers.nodes import routed

ROUTES = Path("/proc/net/route")
QUICK = 50
"""Milliseconds between the kernel's questions for a hardware address; its second would hide a node already up."""


def taken(connection: Any) -> list[ipaddress.IPv4Network]:
    """Every route of this host but the default one, and every network of libvirt."""
    networks = routed(ROUTES.read_text()) if ROUTES.exists() else []
    for network in connection.listAllNetworks():
        with contextlib.suppress(library().libvirtError):  # it went while we looked
            for ip in ElementTree.fromstring(network.XMLDesc(0)).iterfind("ip"):
                if ip.get("family", "ipv4") == "ipv4" and ip.get("address"):
                    whole = f"{ip.get('address')}/{ip.get('netmask') or ip.get('prefix') or 32}"
                    networks.append(ipaddress.IPv4Network(whole, strict=False))
    return networks


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
