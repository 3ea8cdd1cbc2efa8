"""A service while it runs: where it is for its users, and how it is asked and ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from seatrial.spi import Context

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where a service is for somebody."""

    address: str
    ports: Mapping[str, int] = field(default_factory=dict)
    folder: str = ""

    def names(self, name: str) -> dict[str, object]:
        """What `service` is in an expression."""
        return {"name": name, "address": self.address, "ports": dict(self.ports), "folder": self.folder}


class RunningService(Protocol):
    """A service that was started."""

    @property
    def outside(self) -> View:
        """For this host."""

    @property
    def inside(self) -> View | None:
        """For containers on the trial's network; None: it is on this host."""

    async def command(self, argv: tuple[str, ...], timeout: float) -> str:
        """Run a health command; why it says no, or nothing."""

    async def ended(self) -> str:
        """How it ended; empty: it still runs."""

    async def end(self) -> str:
        """End it, and give all of it back; what it wrote, secrets in it."""


def log_file(ctx: Context, name: str) -> Path:
    """A file for what a service writes, in the folder for secrets: they are hidden when it is kept."""
    return ctx.state / f"service-{name}.raw"
