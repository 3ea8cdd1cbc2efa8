"""Programs of trials on this host, found and ended by their records, their tags and their cgroups."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from seatrial.links.process import cgroups
from seatrial.links.process.spawned import OWNER, TAG, let_go
from seatrial.links.process.supervision import end_trial, kill_tree, require_ended, running
from seatrial.links.process.table import pids, process_start, variables
from seatrial.model.resource import Resource

__all__ = ["OWNER", "destroy", "end_running", "find"]


async def destroy(resource: Resource) -> None:
    """End a program, or all programs of a trial: only those started by Seatrial, never a reused pid.

    LeftBehind when one does not end.
    """
    pid, started = int(str(resource.detail["pid"])), str(resource.detail["started"])
    if resource.name == resource.trial:
        cgroup = str(resource.detail.get("cgroup") or "")
        ours = Path(cgroup).name == f"{cgroups.PREFIX}{resource.trial}"
        try:
            await asyncio.to_thread(end_trial, pid, started, cgroup if ours else "")
        finally:
            let_go(resource.trial)
        pid = 0
    await _end_tagged(resource, pid, started)


async def end_running(trial: Resource, spared: Collection[int] = ()) -> None:
    """End the programs of a dead run's trial that still run, before its deployments are removed: what they make
    afterwards would be left. Daemons, which may be the product, and the spared ones stay."""
    pid, started = int(str(trial.detail["pid"])), str(trial.detail["started"])
    for program in await asyncio.to_thread(running, pid, started):
        if program not in spared:
            require_ended(await asyncio.to_thread(kill_tree, program))


async def _end_tagged(resource: Resource, pid: int, started: str) -> None:
    if pid and process_start(pid) == started:
        require_ended(await asyncio.to_thread(kill_tree, pid))
    # Children carry the tag. It finds those that outlived the leader. Without a pid, it finds every process of the
    # trial: their tags begin with the trial's name.
    victims = _tagged(resource.name)
    members = resource.detail.get("members")
    for member, began in members if isinstance(members, list | tuple) else ():
        if member not in victims and began and process_start(member) == began:
            victims.append(member)
    while victims:
        for victim in victims:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        while any(process_start(victim) for victim in victims):
            await asyncio.sleep(0.01)
        victims = _tagged(resource.name)


def _tagged(name: str) -> list[int]:
    """The processes with this tag, or with a tag that begins with it and a dash."""
    tag = f"{TAG}={name}".encode()
    found = []
    for pid in pids():
        with suppress(OSError):
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            # Most processes have no tag: do not split theirs.
            words = environ.split(b"\0") if tag in environ and pid != os.getpid() else []
            if any(word == tag or word.startswith(tag + b"-") for word in words) and process_start(pid):
                found.append(pid)
    return found


async def find(run: str) -> list[Resource]:
    """The programs of a run (`*`: of every run) on this host, a resource for each trial: by the tags of its processes,
    and by its cgroup."""
    known: dict[str, tuple[str, dict[str, object]]] = {}
    for pid in pids():
        values = variables(pid) if pid != os.getpid() else {}
        owner, trial = values.get("SEATRIAL_RUN_ID", ""), values.get(TAG, "").partition("-")[0]
        if not trial or not owner or run not in ("*", owner):
            continue
        _, detail = known.setdefault(trial, (owner, {"pid": 0, "started": "", "cgroup": ""}))
        if values[TAG] == trial and not detail["pid"] and _is_supervisor(pid):
            detail.update(pid=pid, started=process_start(pid))
        detail["project"] = detail.get("project") or values.get("SEATRIAL_PROJECT", "")
    cgroup_of = {name: str(folder) for name, folder in cgroups.of_trials()}
    return [
        Resource(kind="process", name=trial, owner=OWNER, run=owner, trial=trial,
                 detail={**detail, "cgroup": cgroup_of.get(trial, "")})
        for trial, (owner, detail) in sorted(known.items())
    ]  # fmt: skip


def _is_supervisor(pid: int) -> bool:
    with suppress(OSError):
        return b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
