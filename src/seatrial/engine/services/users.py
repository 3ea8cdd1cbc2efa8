"""The users of a service: the keeper answers at its door, and grants leases."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from seatrial.engine.services import door
from seatrial.engine.services.kept import Kept, User
from seatrial.engine.services.life import LOOK_EVERY
from seatrial.errors import LeaseTaken

PATIENCE = 5.0
"""Seconds for a running service to answer a new user."""


class Desk:
    """Answers at the door of a service."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            if door.is_ours(writer.get_extra_info("socket")):
                await self._answer(reader, writer, json.loads(await reader.readline() or b"{}"))
        except (OSError, ValueError):
            pass  # it is gone
        finally:
            writer.close()

    async def close(self) -> None:
        """Wait a little for the last answers."""
        if self._serving:
            await asyncio.wait(self._serving, timeout=2)

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Mapping[str, Any]
    ) -> None:
        kept, user = self._kept, User(writer, asked.get("holder") or {})
        match asked.get("ask"):
            case "status":
                await kept.flush()
                users = [{**one.holder, "since": one.since} for one in kept.users]
                user.send("status", **kept.record, users=users, held=kept.held, restarts=kept.restarts)
            case "look":
                user.send("look", why=kept.masks.hide(await kept.doubt()))
            case "log":
                await kept.flush()
                lines = kept.home.last_lines(int(asked["lines"]))
                user.send("log", lines=kept.masks.hide("\n".join(lines)).split("\n") if lines else [])
            case "stop":
                await self._stop(user, force=bool(asked.get("force")))
                return
            case "lease":
                await self._lease(reader, user, asked)
                return
        await writer.drain()

    async def _stop(self, user: User, *, force: bool) -> None:
        kept = self._kept
        if kept.users and not force:
            names = ", ".join(sorted(one.name for one in kept.users))
            user.send("refused", why=f"the service {kept.name} is in use by {names}")
            return
        kept.tell("lost", why=f"the service {kept.name} was stopped by a person")
        user.send("stopping")
        kept.ending = True
        self._serving.clear()
        kept.stopping.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()  # the connection ends with this process: the other side sees the end

    async def _lease(self, reader: asyncio.StreamReader, user: User, asked: Mapping[str, Any]) -> None:
        kept = self._kept
        if kept.ending:
            user.send("replaced")
            return
        if asked.get("digest", kept.record["digest"]) != kept.record["digest"]:
            if kept.users or kept.held:
                names = ", ".join(sorted(one.name for one in kept.users)) or "a person, until `seatrial services stop`"
                user.send(
                    "refused",
                    why=f"a service {kept.name} with another definition, from {kept.record['project']}, is in use by "
                    f"{names}: give one of them another name, or wait",
                )
                return
            user.send("replaced")
            kept.ending = True
            kept.stopping.set()
            return
        kept.users.add(user)
        kept.asked.set()
        kept.changed.set()
        try:
            if why := await self._not_for():
                user.send("refused", why=kept.masks.hide(why), evidence=kept.evidence)
                return
            if asked.get("hold"):
                kept.held = True
            user.send("ready", service=kept.seen, restarts=kept.restarts, keeper=os.getpid())
            await reader.read()
        finally:
            kept.users.discard(user)
            kept.changed.set()

    async def _not_for(self) -> str:
        """Why a new user cannot have it: it did not start, or does not answer now."""
        kept = self._kept
        await kept.settled.wait()
        if kept.failure:
            return kept.failure
        try:
            async with asyncio.timeout(kept.service.health.timeout):
                await kept.ready.wait()
        except TimeoutError:
            return f"the service {kept.name} is not healthy: {kept.record.get('why')}"
        until = time.monotonic() + PATIENCE
        while kept.ready.is_set():
            try:
                why = await kept.look()
            except LeaseTaken as error:
                return str(error)
            if not why:
                return ""
            if time.monotonic() > until:
                return f"the service {kept.name} runs, but is not healthy: {why}"
            await asyncio.sleep(LOOK_EVERY)
        return f"the service {kept.name} is not healthy: {kept.record.get('why')}"
