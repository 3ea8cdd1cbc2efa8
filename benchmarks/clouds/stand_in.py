"""One cloud on loopback, until standard input ends: `python -m benchmarks.clouds.stand_in aws`.

Its machines are records: each change takes its seconds, and nothing runs. For each line of input it writes what it has.
"""

from __future__ import annotations

import asyncio
import json
import sys

from scripts.clouds import CLOUDS, machines

from seatrial_stand_ins.machines import Unreal, Wanted

MAKES, STARTS, STOPS, DESTROYS = 4.0, 2.0, 1.0, 2.0
"""Seconds of each change."""


class Records(Unreal):
    """Machines that are not there, and take as long as if they were."""

    async def make(self, wanted: Wanted) -> str:
        await asyncio.sleep(MAKES)
        self._made %= 250
        return await super().make(wanted)

    async def start(self, id: str) -> None:
        await asyncio.sleep(STARTS)
        await super().start(id)

    async def stop(self, id: str, *, forced: bool) -> None:
        await asyncio.sleep(STOPS)
        await super().stop(id, forced=forced)

    async def destroy(self, id: str) -> None:
        await asyncio.sleep(DESTROYS)
        await super().destroy(id)


def main() -> None:
    records = Records()
    with CLOUDS[sys.argv[1]].stand_in(records) as server:
        told = {"environment": server.environment, "authority": getattr(server, "authority", "")}
        print(json.dumps(told), flush=True)
        for _ in sys.stdin:
            print(json.dumps({"made": len(records.wanted), "left": machines(server)}), flush=True)
            records.wanted.clear()


if __name__ == "__main__":
    main()
