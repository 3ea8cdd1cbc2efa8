"""The server with all calls."""

from __future__ import annotations

from seatrial_stand_ins.digitalocean import droplets, others
from seatrial_stand_ins.digitalocean.cloud import ROUTES, DigitalOcean

__all__ = ["DigitalOceanServer", "droplets", "others"]


class DigitalOceanServer(DigitalOcean):
    """A DigitalOcean for tests. `machines`: its droplets; by default they are simulated."""

    routes = ROUTES
