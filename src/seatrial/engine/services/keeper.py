"""The keeper of one service: starts it, watches it, grants leases, and stops it when nobody has used it for a while.

It runs as `python -m seatrial.engine.services.keeper NAME`, with the service's order as JSON on its standard input:
secrets are neither in its arguments nor in a file. It ends with its service.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.engine.leases import Leases
from seatrial.engine.masked_files import mask_file
from seatrial.engine.services import door
from seatrial.engine.services.client import hold
from seatrial.engine.services.definition import LOOPBACK, filled, late
from seatrial.engine.services.forward import Forward
from seatrial.engine.services.home import Home, home_of
from seatrial.engine.services.kept import Kept
from seatrial.engine.services.life import keep_up
from seatrial.engine.services.remains import drop, end_remains
from seatrial.engine.services.running import BroughtUp, Container, Program, Running, environment
from seatrial.engine.services.users import PATIENCE, Desk
from seatrial.errors import CannotTell, SeatrialError
from seatrial.model.service import IN_CLUSTER


class Keeper:
    """The life of one service, from its start to its end."""

    def __init__(self, home: Home, order: Mapping[str, Any]) -> None:
        self.kept = Kept(home, order)
        self._leases = Leases()

    async def live(self) -> None:
        """From its start to its end."""
        kept, desk = self.kept, Desk(self.kept)
        with door.listen(kept.home.folder) as listening:
            server = await asyncio.start_unix_server(desk.serve, sock=listening)
            needs: list[socket.socket] = []
            try:
                needs = await self._begin()
                await self._until_the_end()
                if kept.failure:  # who started it has not asked yet, if it failed at once
                    with suppress(TimeoutError):
                        async with asyncio.timeout(PATIENCE):
                            await kept.asked.wait()
            finally:
                kept.ending = True
                door.close(kept.home.folder)
                server.close()
            left = await self._end()
            for user in kept.users:
                user.dismiss(kept.failure or left or f"the service {kept.name} was stopped", kept.evidence)
            await desk.close()
            for need in needs:
                need.close()

    async def _begin(self) -> list[socket.socket]:
        """Remove what a dead keeper left, and get ready for the start."""
        kept = self.kept
        try:
            await end_remains(kept.home, {**kept.order["env"], **kept.order["secrets"]})
            kept.home.log.unlink(missing_ok=True)
            self._prepare()
            # An endpoint has no folder, and no keeper that could end it.
            kept_ones = [name for name, seen in kept.order["needs"].items() if seen["folder"]]
            return [await hold(name, by=kept.name) for name in kept_ones]
        except (SeatrialError, OSError) as error:
            kept.fail(f"the service {kept.name} did not start: {error}")
            return []

    async def _until_the_end(self) -> None:
        kept = self.kept
        if kept.failure:
            return
        life = [asyncio.create_task(one) for one in (keep_up(kept), self._idle(), kept.stopping.wait())]
        try:
            done, _ = await asyncio.wait(life, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in life:
                task.cancel()
            await asyncio.gather(*life, return_exceptions=True)
        for task in done:
            if error := task.exception():
                kept.fail(f"the keeper of the service {kept.name} broke: {type(error).__name__}: {error}")

    def _prepare(self) -> None:
        """Choose its port and folder, write the record, fill in its definition."""
        kept = self.kept
        data, definition = kept.home.folder / "data", kept.order["definition"]
        if definition["user"] and not os.geteuid():  # other users cannot enter the state folder of root
            data = Path(tempfile.gettempdir()) / f"seatrial-{kept.tag}"
            if definition["keep_data"]:
                raise CannotTell("as root, a service with a `user` has no folder to keep: remove `keep_data` or `user`")
        port = self._port(definition)
        kept.note(data=str(data), keep_data=definition["keep_data"], port=port, since=time.time())
        if not definition["keep_data"]:
            shutil.rmtree(data, ignore_errors=True)
        if port:
            holder = {"service": kept.name, "trial": kept.tag, "pid": os.getpid()}
            self._leases.take("port", f"{LOOPBACK}:{port}", holder)
        kept.service, kept.seen = filled(kept.order, port=port, folder=str(data), tag=kept.tag)
        kept.note(url=kept.masks.hide(str(kept.seen["url"])), kind=kept.service.kind)
        kept.running = self._running(data, port)

    def _running(self, data: Path, port: int | None) -> Running:
        kept, folder = self.kept, Path(self.kept.order["folder"])
        common = (kept.home, kept.service, data, kept.tag, port, kept.note)
        match kept.service.kind:
            case "image":
                return Container(*common)
            case "start":
                late_env = late(kept.order["definition"]["env"], kept.order, kept.seen)
                return BroughtUp(*common, folder=folder, late_env=late_env)
            case "forward":
                return Forward(*common, folder=folder)
            case "kubernetes":
                from seatrial.engine.services.in_cluster import InCluster  # its client is an extra

                return InCluster(*common, folder=folder, namespace=str(kept.seen["namespace"]))
            case _:
                return Program(*common, folder=folder)

    def _port(self, definition: Mapping[str, Any]) -> int | None:
        port = definition["port"]
        in_cluster = any(definition[key] for key in IN_CLUSTER) and not definition["forward"]
        portless = definition["start"] or in_cluster or (definition["image"] and not definition["container_port"])
        if port is None and portless:
            return None
        return int(port) if port else self._leases.pick_port(LOOPBACK, random.Random())

    async def _idle(self) -> None:
        """Until nobody has used it for a while."""
        kept = self.kept
        await kept.settled.wait()
        while True:
            kept.changed.clear()
            limit = None if kept.users or kept.held else kept.service.idle
            try:
                async with asyncio.timeout(limit):
                    await kept.changed.wait()
            except TimeoutError:
                kept.ending = True
                return

    async def _end(self) -> str:
        """End the service; returns what is left behind, in words."""
        kept = self.kept
        running, ours = kept.running, "since" in kept.record  # without it the record is still that of a dead keeper
        if running is not None:
            kept.note(state="stopping", ends_by=time.time() + running.patience)
        await kept.flush()
        try:
            if running is not None:
                await running.end()
        except (SeatrialError, OSError) as error:
            kept.note(state="left behind", why=kept.masks.hide(str(error)))
            return str(error)
        finally:
            if kept.home.log.is_file():  # whoever reads it later does not know the secrets
                mask_file(kept.home.log, kept.masks)
        if ours:
            drop(kept.home, kept.record)
        return ""


async def keep(name: str, order: Mapping[str, Any]) -> None:
    """Keep a service from its start to its end."""
    home = home_of(name)
    home.make()
    lock = await asyncio.to_thread(home.lock, "keeper", wait=True)
    try:
        keeper = Keeper(home, order)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, keeper.kept.stopping.set)
        await keeper.live()
    finally:
        os.close(lock)


def main() -> None:
    """Read the order, let go of the caller, keep the service."""
    order = json.loads(sys.stdin.buffer.read())
    os.chdir("/")
    for name in set(os.environ) - set(environment()):
        del os.environ[name]
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(keep(sys.argv[1], order))


if __name__ == "__main__":
    main()
