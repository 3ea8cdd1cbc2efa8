"""A trial's own folder for temporary files, with its own settings of Git: nothing there meets another trial."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from seatrial.errors import CannotTell, LeftBehind
from seatrial.model.resource import Resource

OWNER = "engine:temporary"
SETTINGS = "gitconfig"


def folder_of(trial: str) -> Path:
    """Not in the run's folder: sockets need short paths, and a run's files are kept and uploaded."""
    return Path(tempfile.gettempdir()) / f"{trial}-tmp"


def variables(folder: Path) -> dict[str, str]:
    """For the environment of the trial's commands."""
    return {"TMPDIR": str(folder), "GIT_CONFIG_GLOBAL": str(folder / SETTINGS)}


def require_absent(folder: Path) -> None:
    """CannotTell when something has its place: it would be removed at the end."""
    if os.path.lexists(folder):
        raise CannotTell(f"{folder} is in the place of the trial's folder for temporary files: remove it")


def make(folder: Path, environment: Mapping[str, str], *, run: str = "", project: Path | None = None) -> None:
    """The folder and the settings, which include the user's. CannotTell when it cannot be made."""
    try:
        folder.mkdir(mode=0o700)
        lines = [_mark(run, project)]
        lines += [f"[include]\n\tpath = {_quoted(file)}\n" for file in _users(environment) if os.access(file, os.R_OK)]
        (folder / SETTINGS).write_text("".join(lines))
        if not os.geteuid():
            # A deployer of root may go on as another user: as in /tmp, each can write there, and list nothing.
            folder.chmod(0o1733)
            (folder / SETTINGS).chmod(0o644)
    except OSError as error:
        raise CannotTell(
            f"the trial's folder for temporary files cannot be made: {folder}: {error.strerror}\n"
            "    choose another place with TMPDIR"
        ) from error


def _mark(run: str, project: object) -> str:
    """The first line of the settings: whose folder it is, for a cleanup without a ledger."""
    return f"# {json.dumps({'run': run, 'project': str(project)})}\n"


async def find(run: str, project: Path) -> list[Resource]:
    """The folders that this run of a project made."""
    found = []
    for file in Path(tempfile.gettempdir()).glob(f"t*-tmp/{SETTINGS}"):
        with suppress(OSError, UnicodeDecodeError):
            if file.stat().st_uid == os.geteuid() and file.read_text().startswith(_mark(run, project)):
                found.append(_resource(file.parent, run))
    return found


def _resource(folder: Path, run: str) -> Resource:
    trial, detail = folder.name.removesuffix("-tmp"), {"path": str(folder)}
    return Resource(kind="folder", name=folder.name, owner=OWNER, run=run, trial=trial, detail=detail)


def _users(environment: Mapping[str, str]) -> Iterator[Path]:
    """The files of the user's own settings, in the order in which Git reads them."""
    if "GIT_CONFIG_GLOBAL" in environment:
        yield Path(environment["GIT_CONFIG_GLOBAL"])
        return
    folder = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or '/nonexistent'}/.config"
    yield Path(folder) / "git/config"
    if environment.get("HOME"):
        yield Path(environment["HOME"]) / ".gitconfig"


def _quoted(file: Path) -> str:
    text = str(file.absolute()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


async def destroy(resource: Resource) -> None:
    """Remove a trial's folder, as `remove` does."""
    await asyncio.to_thread(remove, resource)


def remove(resource: Resource) -> None:
    """Remove a trial's folder; LeftBehind for any other."""
    folder = Path(str(resource.detail["path"]))
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    if folder.name != f"{resource.trial}-tmp" or not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise LeftBehind(f"{folder} is not the folder that this trial made: not removed")
    shutil.rmtree(folder)
