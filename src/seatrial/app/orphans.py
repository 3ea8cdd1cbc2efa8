"""What no ledger of this project names: leases and things of runs whose ledger is gone, or that no ledger ever knew.

Their leases and nodes would be nobody's for ever: the ledgers of no project name them. What is of this project and of
no run that has its ledger here is given back. A run of another project that still has its ledger is that project's
business; one whose ledger is gone is given back when its process is dead, or the time that its labels name is over.
Things that carry no label of ours are never listed, and never touched.
"""

from __future__ import annotations

import calendar
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.app.project import Project
from seatrial.engine.cleanup import Owners, Swept, give_back_found, listed
from seatrial.engine.leases import Leases
from seatrial.errors import SeatrialError
from seatrial.links.process import process_start
from seatrial.model.resource import Resource
from seatrial.preflight.system import Pipeline
from seatrial.registry import Registry
from seatrial.spi import Provider, ProviderTraits, traits


@dataclass(slots=True)
class Cleaned:
    """What a clean-up saw and did."""

    found: list[str] = field(default_factory=list)
    """What providers listed and no ledger knew."""
    given_back: list[str] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    """What was left alone, and why."""

    def leave(self, left: Iterable[tuple[Resource, str]]) -> None:
        """Note resources that could not be given back or listed, each with its error."""
        for thing, error in left:
            self.left.append({"kind": thing.kind, "name": thing.name, "owner": thing.owner, "error": error})

    def say(self, kind: str, /, **data: object) -> None:
        """Take an event of the sweep: what it gave back is for people."""
        if kind == "resource" and data.get("op") == "given_back":
            self.given_back.append(f"{data['kind']} {data['name']} ({data['owner']})")


@dataclass(slots=True, kw_only=True)
class Orphan:
    """A run, by its leases and by what providers list of it."""

    run: str
    holder: Mapping[str, object]
    """What one of its leases says of it; empty: it holds none."""
    things: dict[str, list[Resource]] = field(default_factory=dict)
    """By the provider that listed them."""

    def _label(self, name: str) -> str:
        """What the labels say; of several the last word (an expiry is one of a trial)."""
        said = [str(one.detail.get(name) or "") for things in self.things.values() for one in things]
        return max(said, default="")

    @property
    def project(self) -> str:
        """The folder of its project; empty: nothing says so, and then it is not ours to touch."""
        return str(self.holder.get("project") or "") or self._label("project")

    @property
    def expired(self) -> bool:
        """Whether all that its labels name as its time is over."""
        said = [str(one.detail.get("expires") or "") for things in self.things.values() for one in things]
        ends = [_moment(text) for text in said if text]
        return bool(ends) and all(0 < end < time.time() for end in ends)

    def told(self) -> str:
        """What it has, for people."""
        names = [f"{one.kind} {one.name} ({name})" for name, things in self.things.items() for one in things]
        return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


async def give_back_orphans(project: Project, cleaned: Cleaned, *, only: str = "", dry_run: bool = False) -> None:
    """Give back what no ledger names; `only`: of runs that begin with this."""
    leases = Leases()
    registry = project.registry(())
    owners = Owners(registry, project.provider_settings(registry), leases)
    seen = {run: Orphan(run=run, holder=holder) for run, holder in leases.holders().items() if run.startswith(only)}
    providers = _asked(
        project, registry, owners, [one for one in seen.values() if not ledger_of(project, one)], cleaned
    )
    for name, provider in providers.items():
        told = await listed(name, provider, "*")
        cleaned.leave(told.unread)
        for thing in told.found:
            if thing.run.startswith(only):
                orphan = seen.setdefault(thing.run, Orphan(run=thing.run, holder={}))
                orphan.things.setdefault(name, []).append(thing)
    for _, orphan in sorted(seen.items()):
        # Asked only now: a run that began meanwhile wrote its ledger before it made anything.
        due, why = _judged(project, orphan)
        if why:
            cleaned.alone.append(why)
        elif due and dry_run:
            cleaned.given_back += list(_foreseen(orphan))
        elif due:
            await _give_back(providers, leases, orphan, cleaned)


def _asked(
    project: Project, registry: Registry, owners: Owners, held: list[Orphan], cleaned: Cleaned
) -> dict[str, Provider]:
    """The providers whose things stand on this host: those that this project ever used; all of them when a run of
    whatever project holds leases of this machine and has no ledger."""
    names = registry.names("provider") if held else sorted(used(project))
    made: dict[str, Provider] = {}
    for name in names:
        if not registry.knows("provider", name):
            continue
        try:
            if traits(registry.get("provider", name), ProviderTraits).on_this_host:
                made[name] = owners.provider(name)
        except (SeatrialError, ImportError) as error:
            # One whose extra is not installed has made nothing here.
            if getattr(error, "category", "unsupported") != "unsupported":
                whole = Resource(kind="list", name=name, owner=f"provider:{name}", run="*")
                cleaned.leave([(whole, f"it cannot be asked: {error}")])
    return made


def used(project: Project) -> set[str]:
    """The providers that this project's settings name, or that its runs planned for."""
    names = set(project.providers)
    for journal in project.runs.glob("r*/events.jsonl"):
        names |= _planned(journal)
    return names


def _planned(journal: Path) -> set[str]:
    """The providers of the suites that a run planned: told before its first suite begins."""
    names = set()
    try:
        with journal.open("rb") as lines:
            for line in lines:
                kind = line[:40]
                if b'"suite_planned"' in kind:
                    found = re.search(rb'"provider":"([^"\\]+)"', line)
                    names |= {found[1].decode(errors="replace")} if found else set()
                    if b'"pipeline_check"' in line:  # these make things in a provider's place without it
                        names |= set(Pipeline.listed_by)
                elif b'"suite_started"' in kind or b'"suite_finished"' in kind:
                    break
    except OSError:
        pass  # a run that cannot be read tells nothing: the settings and the leases may
    return names


def _judged(project: Project, orphan: Orphan) -> tuple[bool, str]:
    """Whether it is to be given back; when it is left alone, why, unless there is nothing to say of it."""
    if not orphan.run:
        return True, ""  # a node of a killed try of this machine: nothing else that is listed is of no run
    own = project.folder_of(orphan.run) is not None
    if not orphan.project and not own:
        return False, ""  # nothing says whose it is
    own = own or _same(Path(orphan.project), project.folder)
    if ledger := ledger_of(project, orphan):
        if own or ledger.is_relative_to(project.ledger_folder) or not orphan.things:
            return False, ""  # its own ledger speaks for it
        return False, (
            f"{orphan.told()} of run {orphan.run}: its ledger is in the project {orphan.project}, "
            "and `seatrial clean` there gives back what is due"
        )
    gone = f"its ledger is gone from {orphan.project or project.folder}"
    doubt = _may_live(orphan.holder) if orphan.holder else ""
    if orphan.expired or (orphan.holder and not doubt) or (own and not doubt):
        return True, ""
    if doubt:
        return False, f"run {orphan.run}: {gone}, but {doubt}"
    ends = orphan._label("expires") or "a time that it does not name"
    return False, f"{orphan.told()} of run {orphan.run}: {gone}, and nobody can say whether it goes on; due at {ends}"


def ledger_of(project: Project, orphan: Orphan) -> Path | None:
    """Its ledger, where its project or this one still has it."""
    folders = [project.ledger_folder, *([Path(orphan.project) / ".seatrial" / "ledger"] if orphan.project else [])]
    return next((file for folder in folders if _there(file := folder / f"{orphan.run}.jsonl")), None)


def _there(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError:
        return True  # another user's project, as far as we can see: it is for that user to say that it is gone


def _same(one: Path, other: Path) -> bool:
    return one == other or one.resolve() == other.resolve()


def _may_live(holder: Mapping[str, object]) -> str:
    """Why the run may be going on all the same; empty when it cannot be."""
    host, here = holder.get("host"), os.uname().nodename
    if host != here:
        return f"it ran on {host or 'a machine that it does not name'}, and this is {here}"
    pid = int(str(holder.get("pid") or 0))
    return f"there is a process {pid}, as it had" if pid and process_start(pid) else ""


def _foreseen(orphan: Orphan) -> Iterator[str]:
    for things in orphan.things.values():
        yield from (f"{thing}, which no ledger names" for thing in things)
    if orphan.holder:
        yield f"run {orphan.run} of {orphan.project}, whose ledger is gone"


async def _give_back(providers: Mapping[str, Provider], leases: Leases, orphan: Orphan, cleaned: Cleaned) -> None:
    swept = Swept()
    for name, things in orphan.things.items():
        await give_back_found(providers[name], things, swept, say=cleaned.say)
    whose = f"of run {orphan.run}{f' of {orphan.project}' if orphan.project else ''}, which no ledger names"
    if not orphan.run:
        whose = "of a try of this machine that was killed"
    cleaned.found += [f"{resource} {whose}" for resource in swept.found]
    cleaned.leave(swept.left)
    if swept.left:
        return  # they may still use what the leases name
    for kind, name, trial in leases.of_run(orphan.run):
        leases.release(kind, name, trial)
        cleaned.say("resource", op="given_back", kind=kind, name=name, owner="engine:lease")


def _moment(text: str) -> float:
    """Seconds since 1970 of `2026-01-02T03:04:05Z`; 0 when it is none."""
    try:
        return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:
        return 0.0
