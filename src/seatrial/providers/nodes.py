"""Facts of nodes that several providers share: names, addresses, ports, the folder, and the data for cloud-init."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping

from seatrial.errors import CannotTell, UsageError

FIRST_ADDRESS = 11

FOLDER = "/var/lib/seatrial"
"""A node's folder for the system under test, writable by its user."""

OWN_FOLDER = ("sh", "-c", f'mkdir -p {FOLDER} && chown "$0" {FOLDER}')
"""A command, completed by the user's name: it makes the folder."""


def require_room(name: str, prefix: str) -> None:
    """UsageError for a node name that is too long for a host name after this prefix."""
    room = 63 - len(prefix)
    if len(name) > room:
        raise UsageError(f"the node name {name!r} is too long for a host name: {room} characters at most")


class Addresses:
    """The last byte of each node's address: a node made again under its old name gets its old one."""

    def __init__(self, last: int, what: str) -> None:
        self._last, self._what = last, what
        self._given: dict[str, int] = {}

    def of(self, name: str) -> int:
        """The byte of this node; CannotTell when the network is full."""
        byte = self._given.setdefault(name, FIRST_ADDRESS + len(self._given))
        if byte > self._last:
            raise CannotTell(f"a trial has room for {self._last - FIRST_ADDRESS + 1} {self._what} on its network")
        return byte


def routed(routes: str) -> list[ipaddress.IPv4Network]:
    """The networks in the text of /proc/net/route, without the default route."""
    networks = []
    for line in routes.splitlines()[1:]:
        words = line.split()
        target, mask = (int.from_bytes(bytes.fromhex(words[place]), "little") for place in (1, 7))
        if mask:
            networks.append(ipaddress.IPv4Network((target, mask.bit_count())))
    return networks


def numbered(ports: Mapping[str, int], first: int) -> dict[str, int]:
    """A node's ports by name; a port 0 gets a number from `first` on."""
    return {name: port or first + place for place, (name, port) in enumerate(sorted(ports.items()))}


def user_data(hostname: str, user: str, authorized: str, host_key: str, host_public: str, **more: object) -> str:
    """For cloud-init: the user with our public key, the host key, so the machine is known from the first connection
    on, and more. JSON is YAML, and needs no library."""
    root = user == "root"
    rights = {} if root else {"sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/sh", "lock_passwd": True}
    config = {
        "hostname": hostname,
        "disable_root": not root,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key, "ed25519_public": host_public},
        "users": [{"name": user, "ssh_authorized_keys": [authorized], **rights}],
        "package_update": False,
        **more,
    }
    return f"#cloud-config\n{json.dumps(config, indent=1)}\n"


def to_detail(labels: Mapping[str, str]) -> dict[str, object]:
    """The project of a resource and the time of its expiry, from its labels."""
    return {"project": labels.get("seatrial.project", ""), "expires": labels.get("seatrial.expires", "")}
