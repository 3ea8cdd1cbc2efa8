"""Removes everything a server created: at its own end, or by the next server if it was killed."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path

from seatrial.links.containers import Engine, NoSuchThing
from seatrial_stand_ins.machines.podman import loops

PREFIX = "seatrial-machines-"
LABEL = "seatrial.machines"
"""Label of containers and networks with the folder of their server."""

LOCK = "lock"
"""Lock file in this folder: held for the server's lifetime, even if it is killed."""


async def sweep(engine: Engine, home: Path) -> None:
    """Remove the leftovers of dead servers, known by their labels and folders."""
    folders = {Path(folder) for kind in ("container", "network") for _, folder in await _listed(engine, kind)}
    folders |= set(home.glob(f"{PREFIX}*"))
    for folder in sorted(folders):
        if not _lives(folder):
            await remove(engine, folder)


async def remove(engine: Engine, folder: Path) -> None:
    """Remove everything of the server with this folder, the folder last."""
    for kind in ("container", "network"):
        for name, owner in await _listed(engine, kind):
            if owner == str(folder):
                words = (
                    ("rm", "--force", "--time", "0", "--volumes") if kind == "container" else ("network", "rm", "-f")
                )
                try:
                    await engine.call(*words, name, what=f"removing {name}")
                except NoSuchThing:
                    continue
    for device in await loops.below(folder) if folder.is_dir() else ():
        await loops.detach(device)
    shutil.rmtree(folder, ignore_errors=True)


def _lives(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


async def _listed(engine: Engine, kind: str) -> list[tuple[str, str]]:
    """Name and folder of every container, or network, of a server."""
    words = ("ps", "--all") if kind == "container" else ("network", "ls")
    text = await engine.call(*words, "--filter", f"label={LABEL}", "--format", "json", what=f"the list of {kind}s")
    found = []
    for entry in json.loads(text or "[]") or []:
        names, labels = entry.get("Names") or entry.get("name"), entry.get("Labels") or entry.get("labels") or {}
        found.append((names[0] if isinstance(names, list) else str(names), str(labels.get(LABEL, ""))))
    return found
