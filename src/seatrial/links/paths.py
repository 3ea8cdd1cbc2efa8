"""Folders of the project and the user, and atomic replacement of files."""

from __future__ import annotations

import getpass
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from seatrial.errors import CannotTell

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


def place_of_setting(project: Path, table: str, key: str) -> str:
    """Where a project's settings have a key of a table, for a message: `seatrial.toml:7`; the file alone without it."""
    file, inside = project / SETTINGS, False
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("["):
            inside = line.strip().startswith(f"[{table}]")
        elif inside and line.partition("=")[0].strip() == key:
            return f"{shown(file)}:{number}"
    return shown(file)


def shown(path: Path) -> str:
    """A path for people: relative to the working directory if it is inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def cache_folder(name: str) -> Path:
    """`$SEATRIAL_CACHE_DIR`, else `$XDG_CACHE_HOME/seatrial`, else `~/.cache/seatrial`; a folder of this name in it."""
    given = os.environ.get("SEATRIAL_CACHE_DIR")
    top = Path(os.environ.get("XDG_CACHE_HOME") or _below_home(".cache")) / "seatrial"
    folder = (Path(given) if given else top) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def state_folder() -> Path:
    """`$XDG_STATE_HOME/seatrial`, else `~/.local/state/seatrial`."""
    return Path(os.environ.get("XDG_STATE_HOME") or _below_home(".local/state")) / "seatrial"


def home() -> Path:
    """The user's home; for a user without one, as in some containers, a private folder of this user."""
    found = Path(os.path.expanduser("~"))
    return found if found.is_absolute() else _private()


def name_user() -> None:
    """Give a user without a name or a home both, in the environment of this process: asyncssh asks for them, and the
    environment of a run is taken before."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = "seatrial"
    os.environ.setdefault("HOME", str(home()))


def _below_home(name: str) -> Path:
    """A folder in the home, or in the private folder where the home cannot be written to."""
    top = home()
    nearest = next(one for one in (top / name / "seatrial", top / name, *(top / name).parents) if one.exists())
    return (top if os.access(nearest, os.W_OK) else _private()) / name


def _private() -> Path:
    """A folder for this user alone among the temporary ones; CannotTell when it is somebody else's."""
    folder = Path(tempfile.gettempdir()) / f"seatrial-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o077:
        why = f"this user has no home, and {folder} is not a private folder of this user"
        raise CannotTell(f"{why}: set HOME or XDG_STATE_HOME to a folder that you can write to")
    return folder


def write_whole(path: Path, content: str | bytes, mode: int = 0o666, *, sync: bool = False) -> None:
    """Write a file atomically: old or new content survives a crash; a failure leaves no temporary file. `sync`: the new
    one survives a power loss after the return."""
    fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        fresh.replace(path)
        if sync:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
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
