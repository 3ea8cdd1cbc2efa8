"""Folders of the project and the user, and atomic replacement of files."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

SETTINGS = "seatrial.toml"


def project_of(folder: Path, here: Path | None = None) -> Path:
    """The project of a folder: the nearest folder upward with a `seatrial.toml`; without one, the working directory
    (or `here`) if it is above; else the root of the git repository; else the folder itself."""
    upward, here = (folder, *folder.parents), here or Path.cwd()
    with_settings = next((up for up in upward if (up / SETTINGS).is_file()), None)
    if with_settings or here in upward:
        return with_settings or here
    return next((up for up in upward if (up / ".git").exists()), folder)


def project_folder() -> Path:
    """The project of the working directory: paths in settings are relative to it."""
    return project_of(Path.cwd())


def shown(path: Path) -> str:
    """A path for people: relative to the working directory if it is inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def cache_folder(name: str) -> Path:
    """`$SEATRIAL_CACHE_DIR`, else `$XDG_CACHE_HOME/seatrial`, else `~/.cache/seatrial`; a folder of this name in it."""
    given = os.environ.get("SEATRIAL_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = (Path(given) if given else Path(home) / "seatrial") / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def state_folder() -> Path:
    """`$XDG_STATE_HOME/seatrial`, else `~/.local/state/seatrial`."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(home) / "seatrial"


def write_whole(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Write a file atomically: old or new content survives a crash; a failure leaves no temporary file."""
    fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def write_once(path: Path, content: bytes, aside: Path) -> bytes:
    """Write a file unless it exists, and return its content: the first of several processes wins. `content` has the
    fixed length of the file; `aside` is a new temporary file beside it or below."""
    while True:
        with suppress(FileNotFoundError):
            held = path.read_bytes()
            if len(held) == len(content):
                return held
            path.unlink()  # a power cut came before its content
        try:
            aside.write_bytes(content)
            with suppress(FileExistsError, FileNotFoundError):  # another process was first, or cleaned up
                os.link(aside, path)
        finally:
            aside.unlink(missing_ok=True)
