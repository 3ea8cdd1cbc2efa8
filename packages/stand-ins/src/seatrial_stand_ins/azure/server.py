"""The server with all calls."""

from __future__ import annotations

from seatrial_stand_ins.azure import machines, others
from seatrial_stand_ins.azure.cloud import ROUTES, Azure

__all__ = ["AzureServer", "machines", "others"]


class AzureServer(Azure):
    """An Azure for tests. `machines`: its virtual machines; by default they are simulated."""

    routes = ROUTES
