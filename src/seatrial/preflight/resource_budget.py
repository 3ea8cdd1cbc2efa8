"""A budget for parallel programs: their number, CPUs and memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

Share = tuple[float, float]
"""CPUs and GB of memory."""

ROUNDING = 1e-9


class ResourceBudget:
    """Free resources; None: no limit. First come, first served, but a smaller request may pass a waiting larger one:
    every program ends, so each gets its turn."""

    def __init__(self, parallel: int, cpus: float | None = None, memory_gb: float | None = None) -> None:
        self._parallel = max(1, parallel)
        self._limits: Share = (inf if cpus is None else cpus, inf if memory_gb is None else memory_gb)
        self._held: list[Share] = []
        self._waiting: list[tuple[Share, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def take(self, cpus: float = 1.0, memory_gb: float = 0.0) -> AsyncIterator[None]:
        """Wait for free resources, and hold them; a request above the limit gets all of it."""
        # A request above the limit would wait forever.
        share = min(cpus, self._limits[0]), min(memory_gb, self._limits[1])
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((share, turn))
        self._admit()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._held.remove(share)
            else:
                self._waiting.remove((share, turn))
            self._admit()

    def _admit(self) -> None:
        """Wake all waiting requests that fit now."""
        for share, turn in list(self._waiting):
            if len(self._held) >= self._parallel:
                return
            if self._fits(share):
                self._waiting.remove((share, turn))
                self._held.append(share)
                turn.set_result(None)

    def _fits(self, share: Share) -> bool:
        held = [sum(one[at] for one in self._held) for at in (0, 1)]
        return all(share[at] + held[at] <= self._limits[at] + ROUNDING for at in (0, 1))
