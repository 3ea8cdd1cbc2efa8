"""The server with all calls."""

from __future__ import annotations

from seatrial_stand_ins.hetzner import others, servers
from seatrial_stand_ins.hetzner.cloud import ROUTES, Hetzner

__all__ = ["HetznerServer", "others", "servers"]


class HetznerServer(Hetzner):
    """A Hetzner Cloud for tests. `machines`: its servers; by default they are simulated."""

    routes = ROUTES
