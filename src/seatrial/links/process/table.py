"""The process table of this host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def process_start(pid: int, *, zombie: bool = False) -> str:
    """The start time of a process, in ticks since boot, to detect a reused pid. Empty when the process does not exist,
    or is a zombie (unless `zombie`: it has ended but was not reaped)."""
    fields = _stat(pid)
    return "" if not fields or (fields[0] in "ZX" and not zombie) else fields[19]


def members(group: int) -> list[tuple[int, str]]:
    """The active processes of a group, each with its start time."""
    try:
        os.killpg(group, 0)  # far cheaper than the look at all processes
    except ProcessLookupError:
        return []
    except PermissionError:  # it lives, and belongs to another user
        pass
    active = []
    for pid in pids():
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == group and (began := process_start(pid)):
                active.append((pid, began))
    return active


def children(parent: int) -> list[int]:
    """The living children of a process."""
    return [pid for pid in pids() if (stat := _stat(pid)) and stat[0] not in "ZX" and int(stat[1]) == parent]


def descendants(root: int) -> Iterator[int]:
    """The living descendants of a process."""
    parents: dict[int, list[int]] = {}
    for pid in pids():
        if (stat := _stat(pid)) and stat[0] not in "ZX":
            parents.setdefault(int(stat[1]), []).append(pid)
    queue = [root]
    while queue:
        children = parents.get(queue.pop(), [])
        yield from children
        queue += children


def variables(pid: int) -> dict[str, str]:
    """The environment given to a process at its start; empty when it is gone, or another user's."""
    try:
        environ = os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes())
    except OSError:
        return {}
    return dict(item.partition("=")[::2] for item in environ.split("\0"))


def command_lines() -> Iterator[tuple[int, list[bytes]]]:
    """Every process with its arguments as the kernel has them, which end with an empty one."""
    for pid in pids():
        with suppress(OSError):  # it ended meanwhile
            yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def program_name(pid: int) -> str:
    """The kernel's short name of a program, such as `redis-server`; `ended` for one that is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    return "ended"


def pids() -> list[int]:
    """Every process."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
