"""Orphans: leases and resources without a ledger, or with a lost one.

Orphans of this project are removed. A run of another project is left to that project while its ledger exists. Without a
ledger, its resources are removed once its process is dead or the expiry in their labels is over. Resources without
labels of Seatrial are never listed and never touched.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from seatrial.app.project import Project
from seatrial.engine.cleanup import Owners, Sweep, listed
from seatrial.engine.leases import Leases
from seatrial.errors import SeatrialError
from seatrial.links.process import process_start
from seatrial.model.resource import Resource
from seatrial.registry import Registry
from seatrial.spi import Provider, ProviderTraits, traits


@dataclass(slots=True)
class Cleaned:
    """The result of a cleanup."""

    found: list[str] = field(default_factory=list)
    """Resources listed by providers but missing from every ledger."""
    given_back: list[str] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    """Skipped resources, with reasons."""

    def leave(self, left: Iterable[tuple[Resource, str]]) -> None:
        """Record resources that could not be removed or listed, each with its error."""
        for resource, error in left:
            row = {"kind": resource.kind, "name": resource.name, "owner": resource.owner, "error": error}
            self.left.append(row)

    def say(self, kind: str, /, **data: object) -> None:
        """Record removed resources from the events of a sweep."""
        if kind == "resource" and data.get("op") == "given_back":
            self.given_back.append(f"{data['kind']} {data['name']} ({data['owner']})")


@dataclass(slots=True, kw_only=True)
class Orphan:
    """A run known by its leases and by the lists of providers."""

    run: str
    holder: Mapping[str, object]
    """The holder recorded in one of its leases; empty: it has no lease."""
    things: dict[str, list[Resource]] = field(default_factory=dict)
    """Resources by provider."""

    def _label(self, name: str) -> str:
        """The value of a label; the greatest one if resources differ (each trial has its own expiry)."""
        values = [str(resource.detail.get(name) or "") for things in self.things.values() for resource in things]
        return max(values, default="")

    @property
    def project(self) -> str:
        """The folder of its project; empty: unknown, so its resources must not be touched."""
        return str(self.holder.get("project") or "") or self._label("project")

    @property
    def expired(self) -> bool:
        """Whether every expiry in its labels is over."""
        texts = [str(resource.detail.get("expires") or "") for things in self.things.values() for resource in things]
        ends = [_moment(text) for text in texts if text]
        return bool(ends) and all(0 < end < time.time() for end in ends)

    def summary(self) -> str:
        """Its resources, for people."""
        names = [f"{item.kind} {item.name} ({name})" for name, things in self.things.items() for item in things]
        return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


async def give_back_orphans(project: Project, cleaned: Cleaned, *, only: str = "", dry_run: bool = False) -> None:
    """Remove orphans; `only`: a prefix of run ids."""
    leases = Leases()
    registry = project.registry(())
    owners = Owners(registry, project.provider_settings(registry), leases)
    seen = {run: Orphan(run=run, holder=holder) for run, holder in leases.holders().items() if run.startswith(only)}
    providers = _providers(
        project, registry, owners, [orphan for orphan in seen.values() if not ledger_of(project, orphan)], cleaned
    )
    for name, provider in providers.items():
        resources, unread = await listed(name, provider, "*")
        cleaned.leave(unread)
        for resource in resources:
            if resource.run.startswith(only):
                orphan = seen.setdefault(resource.run, Orphan(run=resource.run, holder={}))
                orphan.things.setdefault(name, []).append(resource)
    for _, orphan in sorted(seen.items()):
        # Decide only now: a run started in the meantime has already written its ledger.
        due, why = _judged(project, orphan)
        if why:
            cleaned.alone.append(why)
        elif due and dry_run:
            cleaned.given_back += list(_foreseen(orphan))
        elif due:
            await _give_back(providers, leases, orphan, cleaned)


def _providers(
    project: Project, registry: Registry, owners: Owners, held: list[Orphan], cleaned: Cleaned
) -> dict[str, Provider]:
    """The providers with resources on this host: those this project has used, or all of them if a run without a ledger
    holds leases on this machine."""
    names = registry.names("provider") if held else sorted(used(project))
    providers: dict[str, Provider] = {}
    for name in names:
        if not registry.knows("provider", name):
            continue
        try:
            if traits(registry.get("provider", name), ProviderTraits).on_this_host:
                providers[name] = owners.provider(name)
        except (SeatrialError, ImportError) as error:
            # A provider without its extra has created nothing here.
            if getattr(error, "category", "unsupported") != "unsupported":
                listing = Resource(kind="list", name=name, owner=f"provider:{name}", run="*")
                cleaned.leave([(listing, f"could not list resources: {error}")])
    return providers


def used(project: Project) -> set[str]:
    """The providers in the settings of this project and in the plans of its runs."""
    names = set(project.providers)
    for journal in project.runs.glob("r*/events.jsonl"):
        names |= _planned(journal)
    return names


def _planned(journal: Path) -> set[str]:
    """The providers of a run's planned suites; they precede the first started suite in the journal."""
    names = set()
    try:
        with journal.open("rb") as lines:
            for line in lines:
                kind = line[:40]
                if b'"suite_planned"' in kind:
                    found = re.search(rb'"provider":"([^"\\]+)"', line)
                    names |= {found[1].decode(errors="replace")} if found else set()
                    if b'"pipeline_check"' in line:  # its checks create resources without their provider
                        from seatrial.preflight.system import Pipeline

                        names |= set(Pipeline.listed_by)
                elif b'"suite_started"' in kind or b'"suite_finished"' in kind:
                    break
    except OSError:
        pass  # an unreadable journal adds nothing; settings and leases may
    return names


def _judged(project: Project, orphan: Orphan) -> tuple[bool, str]:
    """Whether to remove its resources; if not, the reason, or an empty text when there is nothing to report."""
    if not orphan.run:
        return True, ""  # a node of a killed `seatrial doctor`: the only resource without a run
    own = project.folder_of(orphan.run) is not None
    if not orphan.project and not own:
        return False, ""  # unknown owner
    own = own or _same(Path(orphan.project), project.folder)
    if ledger := ledger_of(project, orphan):
        if own or ledger.is_relative_to(project.ledger_folder) or not orphan.things:
            return False, ""  # its own ledger decides
        return False, (
            f"{orphan.summary()} of run {orphan.run}: its ledger is in the project {orphan.project}; "
            "run `seatrial clean` there"
        )
    gone = f"its ledger is missing from {orphan.project or project.folder}"
    doubt = _may_live(orphan.holder) if orphan.holder else ""
    if orphan.expired or (orphan.holder and not doubt) or (own and not doubt):
        return True, ""
    if doubt:
        return False, f"run {orphan.run}: {gone}, but {doubt}"
    ends = orphan._label("expires") or "an unknown time"
    return (
        False,
        f"{orphan.summary()} of run {orphan.run}: {gone}, so the run may still be active; it expires at {ends}",
    )


def ledger_of(project: Project, orphan: Orphan) -> Path | None:
    """Its ledger in its project or in this one, if it still exists."""
    folders = [project.ledger_folder, *([Path(orphan.project) / ".seatrial" / "ledger"] if orphan.project else [])]
    return next((file for folder in folders if _exists(file := folder / f"{orphan.run}.jsonl")), None)


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError:
        return True  # probably another user's project; only that user can tell that the ledger is gone


def _same(one: Path, other: Path) -> bool:
    return one == other or one.resolve() == other.resolve()


def _may_live(holder: Mapping[str, object]) -> str:
    """Why the run may still be active; empty if it cannot be."""
    host, here = holder.get("host"), os.uname().nodename
    if host != here:
        return f"it ran on {host or 'an unknown machine'}, and this machine is {here}"
    pid = int(str(holder.get("pid") or 0))
    return f"a process with its id {pid} is running" if pid and process_start(pid) else ""


def _foreseen(orphan: Orphan) -> Iterator[str]:
    for things in orphan.things.values():
        yield from (f"{resource}, in no ledger" for resource in things)
    if orphan.holder:
        yield f"run {orphan.run} of {orphan.project}, without a ledger"


async def _give_back(providers: Mapping[str, Provider], leases: Leases, orphan: Orphan, cleaned: Cleaned) -> None:
    sweep = Sweep(cleaned.say)
    for name, things in orphan.things.items():
        await sweep.remove_listed(providers[name], things)
    whose = f"of run {orphan.run}{f' of {orphan.project}' if orphan.project else ''}, in no ledger"
    if not orphan.run:
        whose = "of a killed `seatrial doctor`"
    cleaned.found += [f"{resource} {whose}" for resource in sweep.found]
    cleaned.leave(sweep.left)
    if sweep.left:
        return  # they may still use the leases
    for kind, name, trial in leases.of_run(orphan.run):
        leases.release(kind, name, trial)
        cleaned.say("resource", op="given_back", kind=kind, name=name, owner="engine:lease")


def _moment(text: str) -> float:
    """Seconds since 1970 of `2026-01-02T03:04:05Z`; 0 for any other text."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return 0.0
