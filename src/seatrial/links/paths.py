"""Folders of the project and the user, and files that are replaced whole."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SETTINGS = "seatrial.toml"


def project_folder() -> Path:
    """The nearest folder upward with a `seatrial.toml`, else the current one: paths in settings are relative to it."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / SETTINGS).is_file()), here)


def cache_folder(name: str) -> Path:
    """`$SEATRIAL_CACHE_DIR`, else `$XDG_CACHE_HOME/seatrial`, else `~/.cache/seatrial`; a folder of this name in it."""
    given = os.environ.get("SEATRIAL_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = (Path(given) if given else Path(home) / "seatrial") / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_whole(path: Path, text: str) -> None:
    """Write a file so that readers and crashes see the old text or the new one."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.write_text(text)
    fresh.replace(path)
