"""Seatrial's side: `python -m benchmarks.clouds.by_seatrial FOLDER COUNT CLOUD …`; its last line is JSON.

The providers are the real ones, with the engine's ledger and its sweep. Their guests are not: a machine that is a
record has no SSH server, so each login and command is answered at once.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.clouds.by_hand import load
from scripts.clouds import CLOUDS

from seatrial.errors import LinkDown
from seatrial.loading.provider_settings import settings_from
from seatrial.model.resource import Node, NodeSpec
from seatrial.registry import Registry
from seatrial.spi import Finished
from seatrial.testing import context, flow


class Guest:
    """The link of a machine whose power was cut, and came back with its disk."""

    async def run(self, command: Sequence[str], **_: object) -> Finished:
        if list(command) == ["true"]:
            raise LinkDown("asked only of machines without power")
        return Finished(exit_code=0, stdout="cut\n", stderr="")

    sudo = run

    def abort(self) -> None:
        pass


class WithoutGuests(Registry):
    """The providers, each with these guests."""

    @functools.cache  # noqa: B019  one for the whole process
    def get(self, kind: str, name: str) -> type[Any]:
        known = super().get(kind, name)
        return type(known.__name__, (known,), {"link": lambda self, node: Guest()}) if kind == "provider" else known


async def _awaited(act: Callable[[Any], Awaitable[Any]], thing: Any) -> Any:
    return await act(thing)


async def together(act: Callable[[Any], Awaitable[Any]], things: Sequence[Any]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[Any]] = [group.create_task(_awaited(act, thing)) for thing in things]
    return [task.result() for task in tasks]


async def drive(name: str, folder: Path, count: int) -> dict[str, float]:
    """Plan, create, crash, start and give back, each for all machines at once; the seconds of each."""
    own, registry, seconds = CLOUDS[name].settings, WithoutGuests(), dict[str, float]()
    table: dict[str, Any] = {**own, "max_machines": count, "max_cost_per_hour": count, "prices": {own["size"]: 0.01}}
    suite, since = flow(provider=name, nodes=count), time.perf_counter()

    def measured(what: str) -> None:
        nonlocal since
        seconds[what], since = time.perf_counter() - since, time.perf_counter()

    (folder / name).mkdir()
    async with context(folder / name, suite, providers={name: table}, registry=registry) as ctx:
        provider: Any = ctx.provider
        refused = list(provider.over_limits([suite], 1, settings_from(type(provider), table)))
        assert refused == [], refused
        await provider.prepare(ctx)
        measured("plan")
        specs = [NodeSpec(name=f"n{number}") for number in range(count)]
        nodes: list[Node] = await together(ctx.create_node, specs)
        measured("create")
        await together(provider.crash, nodes)
        measured("power off")
        await together(provider.start, nodes)
        measured("power on")
    measured("give back")
    return seconds


async def main(folder: Path, count: int, names: Sequence[str]) -> None:
    load()
    told = await together(lambda name: drive(name, folder, count), names)
    print(json.dumps(dict(zip(names, told, strict=True))))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
