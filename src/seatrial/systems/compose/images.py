"""Images that a service needs and the engine does not have: the cause, where the tool's last words only follow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.containers import Engine, NoSuchImage, pulling
from seatrial.links.output import beginning
from seatrial.spi import Context
from seatrial.spi.concurrency import map_concurrently
from seatrial.systems.compose.model import Composition, Service
from seatrial.systems.compose.tools import Tool

Place = Callable[[str, str], str]
"""Finds a key of a service in the files."""

LOOK = 2.0
"""Seconds between two looks for images that the tool fetches."""


async def fetched_by(
    up: Callable[[], Awaitable[None]], ctx: Context, tool: Tool, composition: Composition, place: Place
) -> None:
    """Have the tool create all. A deadline that passes before every image is in the store says nothing about the
    product: `ctx.seen` has the missing image then."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await up()
        finally:
            ended.set()

    async def watch() -> None:
        told = False
        while not ended.is_set() and (without := await _without(tool.engine, composition)):
            service, told = without[0], True
            where = f"{place(service.name, 'image')}: the service {service.name}"
            ctx.seen(f"{where}: {pulling.awaited(tool.engine, service.image)}", measured=False)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await ended.wait()
        if told:
            ctx.seen("every image is in the store", measured=True)

    await map_concurrently(lambda act: act(), (work, watch))


async def missing(
    tool: Tool, composition: Composition, place: Place, error: CannotTell | StepFailed
) -> NoSuchImage | None:
    """The error that names the first service without an image, after the tool ended with this error; None: no image
    is missing, or the engine does not say. `place` finds a key of a service in the files."""
    engine = tool.engine
    if not (without := await _without(engine, composition)):
        return None
    service = without[0]
    reason = beginning(pulling.reason_in(error.evidence) or str(error), 500)
    text = (
        f"{place(service.name, 'image')}: the service {service.name} needs the image {service.image}, "
        f"which is not in {engine.name}'s store, and `{tool.name} up` did not get it: {reason}; "
        f"{pulling.remedy(engine, service.image, reason)}"
    )
    if others := list(dict.fromkeys(one.image for one in without if one.image != service.image)):
        text += f"; also missing: {', '.join(others)}"
    return NoSuchImage(text, evidence=error.evidence)


async def _without(engine: Engine, composition: Composition) -> list[Service]:
    """The services whose image is not in the store; none where the engine does not say."""
    try:
        return [service for service in composition.services.values() if await _is_missing(engine, service)]
    except CannotTell:
        return []


async def _is_missing(engine: Engine, service: Service) -> bool:
    if not service.image or service.built:
        return False
    try:
        await engine.call("image", "inspect", "--format", "{{.Id}}", service.image, what=f"the image {service.image}")
    except NoSuchImage:
        return True
    return False
