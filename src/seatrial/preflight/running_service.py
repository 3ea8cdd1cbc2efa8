"""A running service: its addresses, its health command and its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.spi import Finished

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The address of a service, from one point of view."""

    name: str
    address: str
    ports: Mapping[str, int] = field(default_factory=dict)
    folder: str = ""

    def names(self) -> dict[str, object]:
        """The value of `service` in an expression."""
        return {"name": self.name, "address": self.address, "ports": dict(self.ports), "folder": self.folder}


class RunningService(ABC):
    """A started service."""

    outside: View
    """The address for this host."""
    inside: View | None
    """The address for containers on the trial's network; None: the service runs on this host."""

    async def unhealthy(self, argv: Sequence[str], timeout: float) -> str:
        """The reason why its health command fails; empty: it passes."""
        try:
            done = await self.run(argv, timeout)
        except TimeoutError:
            return f"{argv[0]} did not end within {timeout:g} s"
        said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        return "" if done.ok else f"{argv[0]} {done.ended}" + (f": {said[-300:]}" if said else "")

    @abstractmethod
    async def run(self, argv: Sequence[str], timeout: float) -> Finished:
        """Run one of its programs beside it."""

    @abstractmethod
    async def ended(self) -> str:
        """The exit status in words; empty: it still runs."""

    @abstractmethod
    async def end(self) -> str:
        """End and remove it; returns its output, with secrets unmasked."""
