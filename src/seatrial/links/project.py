"""Where paths in a project's settings begin."""

from __future__ import annotations

from pathlib import Path

SETTINGS = "seatrial.toml"


def project_folder() -> Path:
    """The nearest folder upward with a `seatrial.toml`, else the current one: paths in settings are relative to it."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / SETTINGS).is_file()), here)
