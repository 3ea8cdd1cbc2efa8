"""Finding, freezing and ending a whole node from outside, by nothing more than its folder or its tag."""

import json
import os
import select
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

Process = tuple[int, int]
"""A process id and its start time in clock ticks since boot; the pair is unique within one boot."""


Stat = tuple[str, int, int]
"""The condition letter, the parent and the start time of a process."""


class Tagged(NamedTuple):
    """A process with its node and run in its environment."""

    pid: int
    start: int
    node: str
    """`<trial>/<node>`."""
    run: str
    folder: str
    """The node's folder; empty when the process was given another environment."""


TRY = "readiness"
"""Prefix of a probe's tag, followed by its process, the start of this process, and a random part."""

_GONE_WITHIN = 5.0


def started(pid: int) -> int | None:
    """The start time of a process (field 22 of its stat), None when it is gone or a zombie."""
    found = _stat(pid)
    return None if found is None or found[0] in "ZX" else found[2]


def alive(pid: int, starttime: int) -> bool:
    """Whether exactly this process still runs."""
    return started(pid) == starttime


def is_tried(tag: str) -> bool:
    """Whether a tag belongs to a probe with an active process: its node is not an orphan, though no ledger names it."""
    first, _, rest = tag.partition("-")
    pid, _, began = rest.partition("-")
    return first == TRY and pid.isdigit() and str(started(int(pid))) == began.partition("-")[0]


def host_boot() -> str:
    """An id unique to each boot of this host."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def read_state(folder: Path) -> dict[str, Any]:
    """FOLDER/state.json, empty when the machine has not written one."""
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        return {}
    return state


def box(state: Mapping[str, Any]) -> Process | None:
    """The living box of a state."""
    pid, start = state.get("machine_pid"), state.get("machine_start")
    if not isinstance(pid, int) or not isinstance(start, int) or state.get("host_boot_id") != host_boot():
        return None
    return (pid, start) if alive(pid, start) else None


def find_tagged(run: str = "*") -> list[Tagged]:
    """Every process whose environment names a node of this run; `*`: of any run."""
    found = []
    for pid in _pids():
        env = _environ(pid)
        if env is None or b"SEATRIAL_NODE=" not in env:
            continue
        values = dict(item.partition("=")[::2] for item in os.fsdecode(env).split("\0"))
        node, start = values.get("SEATRIAL_NODE"), started(pid)
        its_run = values.get("SEATRIAL_RUN_ID", "")
        if node and start is not None and run in ("*", its_run):
            found.append(Tagged(pid, start, node, its_run, values.get("SEATRIAL_NODE_FOLDER", "")))
    return found


def members(state: Mapping[str, Any], tag: str = "") -> set[Process]:
    """Every active process of a node: box, guest, descendants, cgroup, and those with its tag."""
    processes = _processes()
    roots = set(_cgroup_pids(state))
    if tag:
        entry = f"SEATRIAL_NODE={tag}".encode()
        roots |= {pid for pid in processes if entry in (_environ(pid) or b"").split(b"\0")}
    if (holder := box(state)) is not None:
        roots.add(holder[0])
    return _living(processes, roots, _self_and_ancestors())


def kill_tree(state: Mapping[str, Any], tag: str) -> None:
    """End a whole node with SIGKILL, at once; done already is fine. TimeoutError when a process does not end."""
    deadline = time.monotonic() + _GONE_WITHIN
    while True:
        stopped = _freeze(state, tag)
        if not stopped:
            break
        for process in stopped:
            send(process, signal.SIGKILL)
        left = _wait_gone(stopped, deadline)
        if left:
            raise TimeoutError(f"processes {sorted(pid for pid, _ in left)} did not end after SIGKILL")
    remove_cgroup(state)


def kill_orphans(state: Mapping[str, Any]) -> None:
    """From the box: end every other process of its node; its own children are left to be waited for."""
    while processes := members(state) | _descendants(os.getpid()):
        for process in processes:
            send(process, signal.SIGSTOP)
        for process in processes | _descendants(os.getpid()):
            send(process, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def pause(state: Mapping[str, Any], tag: str) -> None:
    """Freeze every process of a node, and return when each stands still. TimeoutError when one does not."""
    stopped = _freeze(state, tag)
    deadline = time.monotonic() + _GONE_WITHIN
    while moving := [pid for pid, start in stopped if alive(pid, start) and not _stands_still(pid)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {sorted(moving)} did not stand still after SIGSTOP")
        time.sleep(0.001)  # it stops when it is next scheduled, and nobody is notified


def resume(state: Mapping[str, Any], tag: str) -> None:
    """Let every process of a node go on."""
    for process in members(state, tag):
        send(process, signal.SIGCONT)


def paused(state: Mapping[str, Any]) -> bool:
    """Whether the node's box is frozen."""
    holder = box(state)
    return holder is not None and _stands_still(holder[0])


def send(process: Process, number: int) -> bool:
    """Signal exactly this process, never another with its number; False if it is gone."""
    pid, start = process
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    except OSError:  # a kernel without pidfd: the smallest window possible
        if not alive(pid, start):
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return True
    try:
        if not alive(pid, start):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _stands_still(pid: int) -> bool:
    stat = _stat(pid)
    return stat is None or stat[0] == "T"


def _freeze(state: Mapping[str, Any], tag: str) -> set[Process]:
    """Stop processes until no running one is found: a stopped process starts no children."""
    stopped: set[Process] = set()
    while fresh := members(state, tag) - stopped:
        for process in fresh:
            send(process, signal.SIGSTOP)
        stopped |= fresh
    return stopped


def _wait_gone(processes: set[Process], deadline: float) -> set[Process]:
    """Wait for these to end; those still running at the deadline (time.monotonic)."""
    left = {process for process in processes if alive(*process)}
    while left and (room := deadline - time.monotonic()) > 0:
        pid, start = next(iter(left))
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            time.sleep(0.002)  # gone, or a kernel without pidfd: there is nothing to be woken by
        else:
            poller = select.poll()
            poller.register(handle, select.POLLIN)
            if alive(pid, start):
                poller.poll(room * 1000)
            os.close(handle)
        left = {process for process in left if alive(*process)}
    return left


def _processes() -> dict[int, Stat]:
    stats = ((pid, _stat(pid)) for pid in _pids())
    return {pid: stat for pid, stat in stats if stat is not None}


def _living(processes: Mapping[int, Stat], roots: set[int], without: set[int]) -> set[Process]:
    """The living of these processes and all their descendants, without some and what descends from these alone."""
    children: dict[int, list[int]] = {}
    for pid, (_, parent, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    queue = list(roots)
    while queue:
        pid = queue.pop()
        if pid not in found and pid not in without:
            found.add(pid)
            queue += children.get(pid, [])
    return {(pid, processes[pid][2]) for pid in found if pid in processes and processes[pid][0] not in "ZX"}


def _descendants(root: int) -> set[Process]:
    return {process for process in _living(_processes(), {root}, set()) if process[0] != root}


def remove_cgroup(state: Mapping[str, Any]) -> None:
    """Take the node's cgroup away, once nothing is in it."""
    folder = _cgroup(state)
    if folder is None:
        return
    deadline = time.monotonic() + _GONE_WITHIN
    while folder.exists():
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # the kernel takes a moment to notice the end of the last process
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _cgroup_pids(state: Mapping[str, Any]) -> list[int]:
    folder = _cgroup(state)
    if folder is None:
        return []
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _cgroup(state: Mapping[str, Any]) -> Path | None:
    name = (state.get("confinement") or {}).get("cgroup", "")
    # Only a folder that a node made for itself may be emptied or removed.
    return Path(name) if name and Path(name).name.startswith("seatrial-") else None


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> Stat | None:
    """The state of a process, None when it is gone."""
    # Plain calls: the end of a large cluster reads tens of thousands of these files.
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):  # the second, when it ends while the path is looked up
        return None
    try:
        content = os.read(file, 4096)
    except ProcessLookupError:
        return None
    finally:
        os.close(file)
    fields = content.rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[1]), int(fields[19])


def _environ(pid: int) -> bytes | None:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone, or another user's
        return None


def _self_and_ancestors() -> set[int]:
    found: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        stat = _stat(pid)
        pid = stat[1] if stat else 0
    return found
