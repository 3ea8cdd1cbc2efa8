"""Removing resources of an engine, by their ledger records alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.containers import Engine, clients_gone
from seatrial.links.containers.engines import again, find
from seatrial.links.containers.resources import NODE_LINES, log_of, removed, take_away
from seatrial.model.resource import Resource
from seatrial.providers.containers.faults import ended

HIDING: dict[str, Callable[[str], str]] = {}
"""The masks of a trial's secrets, by its id. A process without the masks keeps no log."""


async def give_back(resource: Resource) -> None:
    """Take away a node with its volumes, a volume or a network, or end a fault; CannotTell says why it could not be."""
    detail = resource.detail
    if resource.kind == "fault":
        await ended(resource)
        return
    engine = again(detail) if detail.get("engine") else await find()
    if resource.kind == "network":
        await _network(engine, str(detail["network"]), resource.trial)
        HIDING.pop(resource.trial, None)
    elif resource.kind == "volume":
        await take_away(engine, "volume", str(detail["volume"]))
    else:
        await _node(engine, resource)


async def _node(engine: Engine, resource: Resource) -> None:
    container = str(resource.detail["container"])
    volumes = [str(one) for one in resource.detail.get("volumes") or ()]  # type: ignore[attr-defined]
    await clients_gone(engine, [container, *volumes])
    if resource.detail.get("logs") and (hide := HIDING.get(resource.trial)) is not None:
        await _keep_log(engine, container, Path(str(resource.detail["logs"])), hide)
    await take_away(engine, "container", container)
    for volume in volumes:
        await take_away(engine, "volume", volume)
    folder = Path(str(resource.detail.get("folder") or "/nonexistent"))
    # Only a folder of one of our nodes is removed.
    if (folder / "init").is_file():
        shutil.rmtree(folder)


async def _network(engine: Engine, name: str, trial: str) -> None:
    """Remove it; unrecorded containers of the trial are only disconnected: the provider's own list shows them."""
    try:
        await take_away(engine, "network", name)
    except CannotTell:
        wanted = ("--filter", f"network={name}", "--filter", f"label=seatrial.trial={trial}")
        what = f"listing the containers of the network {name}"
        strays = await engine.names("ps", "--all", "--quiet", *wanted, what=what) if trial else []
        if not strays:
            raise
        for one in strays:
            await removed(engine, "network", "disconnect", "--force", name, one)
        await removed(engine, "network", "rm", name)


async def _keep_log(engine: Engine, container: str, folder: Path, hide: Callable[[str], str]) -> None:
    """Into the artifacts, before it goes with its container."""
    text = await log_of(engine, container, NODE_LINES)
    with suppress(OSError):  # a full disk must not keep the container from being removed
        if text:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "console.log").write_text(hide(text), errors="backslashreplace")


def tail_of(text: str, most: int) -> str:
    """The last lines, of this many characters at most: half a secret would not be known as one."""
    return text if len(text) <= most else text[-most:].partition("\n")[2] or f"(one line of {len(text)} characters)"
