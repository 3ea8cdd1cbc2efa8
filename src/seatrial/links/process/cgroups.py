"""Control groups: a trial's programs on this host in a group of their own, where this user may make one.

A process cannot leave its cgroup by a new session, another parent or another environment, and the whole group is ended
at once: a chain of forks cannot run away from it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "seatrial-"
"""The name of each cgroup made here begins with it."""

PATIENCE = 5.0
"""Seconds for the kernel to freeze or empty a cgroup."""


def foreseen(name: str) -> str:
    """The folder that `make` tries first; empty: there is none."""
    return next((str(parent / f"{PREFIX}{name}") for parent in parents()), "")


def make(name: str) -> str:
    """Make a cgroup and return its folder; empty if this user may make none."""
    for parent in parents():
        folder = parent / f"{PREFIX}{name}"
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
            if _kills(folder):
                return str(folder)
            folder.rmdir()
    return ""


def enter(folder: str, pid: int) -> bool:
    """Put a process into a cgroup; its later children are in it as well."""
    try:
        Path(folder, "cgroup.procs").write_text(str(pid))
    except OSError:
        with suppress(OSError):
            Path(folder).rmdir()
        return False
    return True


def parents() -> list[Path]:
    """This process's own cgroup in each hierarchy with a way to end a group, version 2 first."""
    mounts: dict[str, Path] = {}
    own: list[Path] = []
    try:
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields, _, tail = line.partition(" - ")
            kind, _, options = tail.split(" ", 2)
            if kind == "cgroup2":
                mounts.setdefault("", Path(fields.split()[4]))
            elif kind == "cgroup" and "freezer" in options.split(","):
                mounts.setdefault("freezer", Path(fields.split()[4]))
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            own += [mounts[name] / path.lstrip("/") for name in names.split(",") if name in mounts]
    except (OSError, ValueError):
        return []
    return sorted(own, key=lambda folder: not (folder / "cgroup.controllers").exists())


def of_trials() -> Iterator[tuple[str, Path]]:
    """Each cgroup made here, with its name."""
    for parent in parents():
        for folder in parent.glob(f"{PREFIX}*"):
            yield folder.name.removeprefix(PREFIX), folder


def members(folder: Path) -> list[int]:
    """The processes in a cgroup and in those below it."""
    found: list[int] = []
    for inner, _, _ in os.walk(folder):
        with suppress(OSError):
            found += map(int, Path(inner, "cgroup.procs").read_text().split())
    return found


@contextmanager
def frozen(folder: str) -> Iterator[None]:
    """Hold every process of a cgroup still; nothing happens without a cgroup, or where it cannot be frozen."""
    path = Path(folder) if folder else None
    file, words = _freezer(path) if path is not None else (None, ("", ""))
    if path is None or file is None or not file.exists():
        yield
        return
    try:
        with suppress(OSError):
            file.write_text(words[0])
            _wait(lambda: _still(path, file))
        yield
    finally:
        with suppress(OSError):
            file.write_text(words[1])


def end(folder: str) -> list[int]:
    """Kill every process of a cgroup and remove it; returns the processes that did not end."""
    path = Path(folder)
    if not path.name.startswith(PREFIX):
        return []
    deadline = time.monotonic() + PATIENCE
    while left := members(path):
        try:
            (path / "cgroup.kill").write_text("1")
        except OSError:  # a kernel before 5.14, or version 1
            with frozen(folder):
                for pid in members(path):
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return left
        time.sleep(0.002)
    _wait(lambda: _removed(path))
    return []


def _removed(path: Path) -> bool:
    for inner, _, _ in os.walk(path, topdown=False):
        with suppress(OSError):
            Path(inner).rmdir()
    return not path.exists()


def _kills(folder: Path) -> bool:
    return (folder / "cgroup.kill").exists() or _freezer(folder)[0].exists()


def _freezer(folder: Path) -> tuple[Path, tuple[str, str]]:
    if (folder / "freezer.state").exists():
        return folder / "freezer.state", ("FROZEN", "THAWED")
    return folder / "cgroup.freeze", ("1", "0")


def _still(folder: Path, file: Path) -> bool:
    if file.name == "freezer.state":
        return file.read_text().strip() == "FROZEN"
    return "frozen 1" in (folder / "cgroup.events").read_text()


def _wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.001)
