"""Names and addresses of nodes on a trial's own network."""

from __future__ import annotations

import re
from collections.abc import Mapping

from seatrial.errors import CannotTell, UsageError

FIRST_ADDRESS = 11


def require_host_name(name: str, prefix: str = "") -> None:
    """UsageError for a node name that cannot be a host name, after this prefix."""
    room = 63 - len(prefix)
    if len(name) > room or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*", name):
        raise UsageError(f"the node name {name!r} is not a host name: letters, digits, dashes, {room} at most")


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


def to_detail(labels: Mapping[str, str]) -> dict[str, object]:
    """The project of a resource and the time of its expiry, from its labels."""
    return {"project": labels.get("seatrial.project", ""), "expires": labels.get("seatrial.expires", "")}
