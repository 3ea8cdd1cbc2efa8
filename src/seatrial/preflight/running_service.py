"""A running service: its addresses, its health command and its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from seatrial.spi import Context

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The address of a service, from one point of view."""

    address: str
    ports: Mapping[str, int] = field(default_factory=dict)
    folder: str = ""

    def names(self, name: str) -> dict[str, object]:
        """The value of `service` in an expression."""
        return {"name": name, "address": self.address, "ports": dict(self.ports), "folder": self.folder}


class RunningService(Protocol):
    """A started service."""

    @property
    def outside(self) -> View:
        """The address for this host."""

    @property
    def inside(self) -> View | None:
        """The address for containers on the trial's network; None: the service runs on this host."""

    async def command(self, argv: tuple[str, ...], timeout: float) -> str:
        """Run a health command; returns the reason for a failure, or an empty text."""

    async def ended(self) -> str:
        """The exit status in words; empty: it still runs."""

    async def end(self) -> str:
        """End and remove it; returns its output, with secrets unmasked."""


def log_file(ctx: Context, name: str) -> Path:
    """A file for the output of a service, in the folder for secrets: they are masked in the kept copy."""
    return ctx.state / f"service-{name}.raw"
