"""The compose files in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from seatrial.spi import Recognised

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""Names of a compose file where the settings name none, the preferred first."""


def recognised(files: Sequence[str], way: str) -> Recognised | None:
    """The files of a folder that compose itself takes; None: there are none."""
    if not files:
        return None
    paths = [f"{way}/{name}" for name in files]
    lines = [
        f"files: {json.dumps(paths)}",
        "# health: {SERVICE: {tcp: 5432}} # how a service without a healthcheck is asked: `http`, `tcp` or `command`",
    ]
    return Recognised(files=tuple(files), settings="\n".join(lines) + "\n", suite="provider: containers\n")


def standard(folder: Path) -> list[str]:
    """The compose file of a folder with the file that compose itself lays over it; empty: there is none."""
    name = next((name for name in FILES if (folder / name).is_file()), "")
    stem, _, ending = name.rpartition(".")
    return [one for one in (name, f"{stem}.override.{ending}") if name and (folder / one).is_file()]


def elsewhere(folder: Path) -> str:
    """Compose files one folder further down or up, as a hint; empty: there are none."""
    places = [folder, folder.parent, *sorted(path for path in folder.iterdir() if path.is_dir())]
    found = [os.path.relpath(place / name, folder) for place in places for name in standard(place)[:1]]
    return f"there is {', '.join(found)}: write `files: [{found[0]}]`" if found else ""
