"""All that a plugin needs beyond the model and the errors: what it is given, and what it has to offer.

How the parts meet. A *provider* makes nodes and has powers over them. A *system* is one instance per trial: it asks
for nodes by `ctx.create_node`, installs its services on them, measures them. A *step* drives provider and system
through its `Context`; a *check* observes them. Everything that is made is made through `ctx.make`, which writes the
intent first, so that it is given back whatever happens.
"""

from __future__ import annotations

from seatrial.spi.context import Context
from seatrial.spi.link import Breakable, Finished, Link
from seatrial.spi.powers import Powers
from seatrial.spi.provider import (
    Adopts,
    Console,
    Enterable,
    Fails,
    Guest,
    Owner,
    Pause,
    Power,
    Provider,
    Readiness,
    Reasons,
    Remembers,
    Services,
    Shared,
    Snapshots,
    power_reading,
)
from seatrial.spi.reporter import Reporter
from seatrial.spi.system import HandsOver, RecordsReport, System

__all__ = [
    "Adopts",
    "Breakable",
    "Console",
    "Context",
    "Enterable",
    "Fails",
    "Finished",
    "Guest",
    "HandsOver",
    "Link",
    "Owner",
    "Pause",
    "Power",
    "Powers",
    "Provider",
    "Readiness",
    "Reasons",
    "RecordsReport",
    "Remembers",
    "Reporter",
    "Services",
    "Shared",
    "Snapshots",
    "System",
    "power_reading",
]
