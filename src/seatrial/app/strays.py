"""Runs that hold leases and have no ledger any more, since their project or its state folder was deleted.

Their leases and nodes would be nobody's for ever: the ledgers of no project name them. A run of another project that
still has its ledger is that project's business, and one whose process may live is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.app.project import Project
from seatrial.engine.cleanup import Owners, sweep_found
from seatrial.engine.leases import Leases
from seatrial.links.procfs import process_start


@dataclass(slots=True)
class Strays:
    """What was seen of them and done."""

    given_back: list[str] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)


async def give_back_strays(project: Project, *, only: str = "", dry_run: bool = False) -> Strays:
    """Give back the leases and nodes of runs whose ledger is gone; `only`: of runs that begin with this."""
    strays = Strays()
    leases = Leases()
    for run, holder in sorted(leases.holders().items()):
        if not run.startswith(only) or _has_ledger(run, holder):
            continue
        doubt = _may_live(holder)
        if doubt:
            strays.alone.append(f"run {run}: its ledger is gone from {holder.get('project')}, but {doubt}")
        elif dry_run:
            strays.given_back.append(f"run {run} of {holder.get('project')}, whose ledger is gone")
        else:
            await _give_back(project, leases, run, strays)
    return strays


def _has_ledger(run: str, holder: Mapping[str, object]) -> bool:
    return (Path(str(holder.get("project", ""))) / ".seatrial" / "ledger" / f"{run}.jsonl").exists()


def _may_live(holder: Mapping[str, object]) -> str:
    """Why the run may be going on all the same; empty when it cannot be."""
    host, here = holder.get("host"), os.uname().nodename
    if host != here:
        return f"it ran on {host or 'a machine that it does not name'}, and this is {here}"
    pid = int(str(holder.get("pid") or 0))
    return f"there is a process {pid}, as it had" if pid and process_start(pid) else ""


async def _give_back(project: Project, leases: Leases, run: str, strays: Strays) -> None:
    def say(kind: str, /, **data: object) -> None:
        if kind == "resource" and data.get("op") == "given_back":
            strays.given_back.append(f"{data['kind']} {data['name']} ({data['owner']})")

    registry = project.registry(())
    owners = Owners(registry, project.providers, leases)
    # Of all providers only nodes of this host stand on leases of this host.
    known = {name: registry.get("provider", name) for name in registry.names("provider")}
    here = [name for name, provider in known.items() if getattr(provider, "on_this_host", False)]
    swept = await sweep_found(run, [], {name: owners.provider(name) for name in here}, say=say)
    strays.left += [
        {"kind": resource.kind, "name": resource.name, "owner": resource.owner, "error": error}
        for resource, error in swept.left
    ]
    if swept.left:
        return  # they may still use what the leases name
    for kind, name, trial in leases.of_run(run):
        leases.release(kind, name, trial)
        say("resource", op="given_back", kind=kind, name=name, owner="engine:lease")
