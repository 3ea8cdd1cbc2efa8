"""A service from its start to its last end: started, watched until it ends by itself, and started again."""

from __future__ import annotations

import asyncio
import time

from seatrial.engine.services import health
from seatrial.engine.services.kept import Kept
from seatrial.errors import CannotTell, SeatrialError

STEADY = 60.0
"""Seconds of health after which earlier restarts are forgotten."""

LOOK_EVERY = 0.1
"""Seconds between two looks at a service that starts."""

LONGEST_PAUSE = 10.0
"""Seconds between two restarts at most."""


async def keep_up(kept: Kept) -> None:
    """Start it, and again when it ends by itself; returns when it fails for good."""
    while True:
        began = time.monotonic()
        try:
            why = await _start_and_watch(kept)
        except (SeatrialError, OSError) as error:
            why, kept.evidence = str(error), getattr(error, "evidence", "")
            if not kept.settled.is_set():
                await kept.flush()
                kept.fail(f"the service {kept.name} did not start: {why}{kept.last_output()}")
                return
        kept.ready.clear()
        if time.monotonic() - began > STEADY:
            kept.restarts = 0
        kept.restarts += 1
        await kept.flush()
        text = f"the service {kept.name} {why}{kept.last_output()}"
        kept.note(state="restarting", why=kept.masks.hide(text))
        kept.tell("lost", why=kept.masks.hide(text))
        if kept.running is not None and not kept.running.heals:
            await kept.running.end()
        if kept.restarts > kept.service.restarts:
            kept.fail(f"{text}; it was restarted {kept.service.restarts} times in sequence")
            return
        await asyncio.sleep(min(0.2 * 2**kept.restarts, LONGEST_PAUSE))


async def _start_and_watch(kept: Kept) -> str:
    """Start it, wait until it is healthy, then until it ends by itself; returns the reason of its end."""
    running = kept.running
    assert running is not None
    if isinstance(port := kept.seen["port"], int) and not running.holds_port:
        health.refuse_taken(kept.name, port)
    await running.start()
    end = asyncio.create_task(running.ended())
    try:
        await _healthy(kept, end)
        kept.note(state="healthy", why="")
        kept.settled.set()
        kept.ready.set()
        kept.tell("back", restarts=kept.restarts)
        while not end.done():
            await asyncio.wait([end], timeout=10)
            kept.home.shorten_log()
        return end.result()
    finally:
        end.cancel()
        await asyncio.gather(end, return_exceptions=True)


async def _healthy(kept: Kept, end: asyncio.Task[str]) -> None:
    limit = kept.service.health.timeout
    until = time.monotonic() + limit
    while True:
        why = await kept.look()
        if end.done():  # seen after the look: another process may have answered it
            raise CannotTell(f"it {end.result()} before it was healthy")
        if not why:
            return
        if time.monotonic() > until:
            raise CannotTell(f"it was not healthy within {limit:g} s: {why}")
        await asyncio.wait([end], timeout=LOOK_EVERY)
