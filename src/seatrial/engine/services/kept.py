"""What a keeper knows of its service: the definition, the record, the users, and whether it is healthy now."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.engine.masking import Masks
from seatrial.engine.services import health
from seatrial.engine.services.definition import Seen
from seatrial.engine.services.home import Home
from seatrial.engine.services.running import Running
from seatrial.errors import LeaseTaken, SeatrialError
from seatrial.links.output import beginning
from seatrial.model.service import Service

LINES = 20
"""Lines of a service's log in an error."""


class User:
    """A connection of a run or a command."""

    def __init__(self, writer: asyncio.StreamWriter, holder: Mapping[str, object]) -> None:
        self._writer, self.holder = writer, holder
        self.since = time.time()

    def send(self, event: str, **data: object) -> None:
        """Tell it; a user that is gone hears nothing."""
        with suppress(OSError, RuntimeError):
            self._writer.write(json.dumps({"event": event, **data}).encode() + b"\n")

    def dismiss(self, why: str, evidence: str) -> None:
        """The service has ended."""
        self.send("refused", why=why, evidence=evidence)
        self._writer.close()

    @property
    def name(self) -> str:
        """For people."""
        what = f"run {self.holder['run']}" if self.holder.get("run") else f"service {self.holder.get('service', '?')}"
        return f"{what} (process {self.holder.get('pid', '?')})"


class Kept:
    """One service and its users."""

    service: Service
    seen: Seen

    def __init__(self, home: Home, order: Mapping[str, Any]) -> None:
        self.home, self.order = home, order
        self.users: set[User] = set()
        self.held = False
        """A person started it: it is not stopped for being idle."""
        self.changed, self.stopping = asyncio.Event(), asyncio.Event()
        self.ready, self.settled = asyncio.Event(), asyncio.Event()
        """Whether it is healthy now; whether its first start has ended, well or not."""
        self.asked = asyncio.Event()
        """Whether anybody has asked for it."""
        self.failure = ""
        self.evidence = ""
        self.restarts = 0
        self.masks = Masks()
        for secret in order["secrets"].values():
            self.masks.add(secret)
        self.tag = f"service-{home.name}-{os.urandom(4).hex()}"
        self.record: dict[str, object] = {
            "name": home.name, "tag": self.tag, "state": "starting", "keeper": os.getpid(), "digest": order["digest"],
            "project": order["folder"], "needs": list(order["needs"]), "secrets": list(order["secrets"]),
        }  # fmt: skip
        self.running: Running | None = None
        self.ending = False
        """No new user gets it any more."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.home.name

    def note(self, *, sync: bool = False, **more: object) -> None:
        """Add to its record. `sync`: what it names survives a power loss of this machine, and so does the record."""
        self.record |= more
        self.home.write(self.record, sync=sync)

    def tell(self, event: str, **data: object) -> None:
        """Tell every user."""
        for user in self.users:
            user.send(event, **data)

    def fail(self, why: str) -> None:
        """It cannot go on."""
        self.failure, self.evidence = self.masks.hide(why), self.masks.hide(self.evidence)
        self.settled.set()

    async def look(self) -> str:
        """Why it is not healthy now; empty: it is. LeaseTaken when another program answers in its place."""
        running = self.running
        assert running is not None
        if why := await running.unhealthy():
            return why
        cwd = running.data if running.data.is_dir() else None
        return await health.unhealthy(
            self.service.health, self.seen, foreign=running.foreign, env=running.env, cwd=cwd,
            folder=Path(self.order["folder"]),
        )  # fmt: skip

    async def doubt(self) -> str:
        """The same, in words, at any time of its life."""
        if not self.ready.is_set():
            return str(self.record.get("why") or self.failure or "it has not started yet")
        try:
            return await self.look()
        except LeaseTaken as error:
            return str(error)

    async def flush(self) -> None:
        """Bring its log up to date."""
        with suppress(SeatrialError):
            if self.running is not None:
                await self.running.flush()

    def last_output(self) -> str:
        """The end of its output for an error; the evidence has more of it."""
        lines = self.home.last_lines(LINES)
        self.evidence = "\n".join(lines) or self.evidence
        return f"; its last output: {beginning(lines[-1].strip(), 300)}" if lines else "; it printed nothing"
