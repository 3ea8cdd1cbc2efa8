"""Finding the file behind `script:`: beside the document, then in `custom_commands/` upward to the project's folder."""

from __future__ import annotations

import os
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.paths import project_of

FOLDER = "custom_commands"


def find(name: str, document_folder: Path) -> Path:
    """The script's path; CannotTell if it is missing, not executable, or outside the project."""
    here = _plain(document_folder)
    root = project_of(here)
    looked = []
    for folder in [here, *(up / FOLDER for up in (here, *here.parents) if up.is_relative_to(root))]:
        path = _plain(folder / name)
        if not path.is_relative_to(root):
            raise CannotTell(f"the script {name!r} is outside the project {root}: keep it beside the document, "
                             f"or in a folder {FOLDER}/ of the project")  # fmt: skip
        if path.is_file():
            if not os.access(path, os.X_OK):
                raise CannotTell(f"the script {path} is not executable: run chmod +x on it")
            return path
        looked.append(str(path))
    raise CannotTell(f"script {name!r} does not exist; looked for: {', '.join(looked)}")


def inside(name: str, folder: Path) -> Path:
    """A path relative to a folder, or absolute in it; CannotTell if it leads out of it."""
    path = _plain(folder / name)
    if not path.is_relative_to(_plain(folder)):
        raise CannotTell(f"{name!r} leads out of {folder}")
    return path


def _plain(path: Path) -> Path:
    """Absolute and without `..`; links are kept, because a project may link to its own files."""
    return Path(os.path.normpath(path.absolute()))
