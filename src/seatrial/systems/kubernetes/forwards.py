"""Ports of this machine that lead into the trial's pods, from its deployment until its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from seatrial.errors import CannotTell, SeatrialError
from seatrial.links.kubernetes import Cluster
from seatrial.links.kubernetes.forwarding import Forward, Target, target
from seatrial.spi import Context
from seatrial.systems.kubernetes.settings import PodForward
from seatrial.systems.settings import fill

ADDRESS = "127.0.0.1"


class Forwards:
    """The port-forwards of one trial."""

    def __init__(self) -> None:
        self._ports: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def outputs(self) -> Mapping[str, Any]:
        """`address`, `port` and `url` of each, by its name."""
        return {
            name: {"address": ADDRESS, "port": port, "url": f"http://{ADDRESS}:{port}"}
            for name, port in self._ports.items()
        }

    async def open(self, ctx: Context, cluster: Cluster, namespace: str, wanted: Mapping[str, PodForward]) -> None:
        """Listen on a port for each; its pods may come later. A second deployment keeps the ports of the first one."""
        if self._tasks or not wanted:
            return
        await ctx.keep(("forwards", id(self)), self._self)  # for the end of the trial
        for name, forward in wanted.items():
            if name not in self._ports:
                self._ports[name] = await ctx.lease_port(ADDRESS)
            listens = asyncio.Event()
            log = partial(_log, ctx, name)
            where = fill(ctx, forward.namespace, {}) or namespace
            carrier = Forward(
                cluster, _target(fill(ctx, forward.to, {})), fill(ctx, forward.port, {}), namespace=where,
                say=log, tell=lambda state, listens=listens: listens.set(),  # type: ignore[misc]
            )  # fmt: skip
            task = asyncio.create_task(_carry(carrier, self._ports[name], log))
            self._tasks.append(task)
            waits = asyncio.create_task(listens.wait())
            await asyncio.wait([task, waits], return_when=asyncio.FIRST_COMPLETED)
            waits.cancel()
            if task.done():
                task.result()

    async def _self(self) -> Forwards:
        return self

    async def close(self) -> None:
        """Stop to listen, and end what is open."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _target(text: str) -> Target:
    try:
        return target(text)
    except ValueError as error:
        raise CannotTell(f"`forwards`: {error}") from None


async def _carry(carrier: Forward, port: int, log: Any) -> None:
    try:
        await carrier.serve(ADDRESS, port)
    except SeatrialError as error:
        log(f"it has ended: {error}", "warning")
        raise


def _log(ctx: Context, name: str, text: str, level: str = "info") -> None:
    ctx.log(f"forward {name}: {text}", level)
