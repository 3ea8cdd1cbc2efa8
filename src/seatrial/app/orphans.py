"""Orphans: leases and resources without a ledger, or with a lost one.

Orphans of this project are removed. A run of another project is left to that project while its ledger exists. Without a
ledger, its resources are removed once its process is dead or the expiry in their labels is over. Resources without
labels of Seatrial are never listed and never touched. After a run, orphans are only reported.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import cast

from seatrial.app.project import Project
from seatrial.engine import temporary
from seatrial.engine.cleanup import Owners, Sweep, listed
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import living
from seatrial.engine.masking import Masks
from seatrial.errors import SeatrialError, UsageError
from seatrial.links.process import process_start, programs
from seatrial.model.record import record
from seatrial.model.resource import Resource
from seatrial.registry import Registry
from seatrial.spi import Provider, ProviderTraits, SystemTraits, traits


@record
class Cleaned:
    """The result of a cleanup."""

    found: list[str] = field(default_factory=list)
    """Resources listed by providers but missing from every ledger."""
    given_back: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Ledgers that cannot be read or were not written by this user, each with the reason."""
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


@record(kw_only=True)
class Orphan:
    """A run known by its leases and by the lists of providers."""

    run: str
    holder: Mapping[str, object]
    """The holder recorded in one of its leases; empty: it has no lease."""
    things: dict[str, list[Resource]] = field(default_factory=dict)
    """Resources by provider."""

    def labels(self, name: str) -> list[str]:
        """The values of a label; resources can differ (each trial has its own expiry)."""
        values = (resource.detail.get(name) for things in self.things.values() for resource in things)
        return [str(value) for value in values if value]

    @property
    def project(self) -> str:
        """The folder of its project; empty: unknown, so its resources must not be touched."""
        return str(self.holder.get("project") or "") or max(self.labels("project"), default="")

    @property
    def expired(self) -> bool:
        """Whether every expiry in its labels is over."""
        ends = [_moment(text) for text in self.labels("expires")]
        return bool(ends) and all(0 < end < time.time() for end in ends)

    def summary(self) -> str:
        """Its resources, for people."""
        names = [f"{item.kind} {item.name} ({name})" for name, things in self.things.items() for item in things]
        return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def owners_of(
    project: Project, registry: Registry | None = None, within: Path | None = None, masks: Masks | None = None
) -> Owners:
    """The owners of a project's resources; a plugin loaded for a ledger stays in their own registry. `within`: the
    folder of the run; `masks`: its secrets."""
    registry = registry or project.registry(())
    return Owners(registry, project.provider_settings(registry), Leases(), within, masks)


async def give_back_orphans(project: Project, cleaned: Cleaned, *, only: str = "", dry_run: bool = False) -> None:
    """Remove orphans; `only`: a prefix of run ids."""
    owners = owners_of(project)
    holders = {run: holder for run, holder in owners.leases.holders().items() if run.startswith(only)}
    held = {run: Orphan(run=run, holder=holder) for run, holder in holders.items()}
    # A run without a ledger can have used any provider.
    lost = not all(ledger_of(project, orphan) for orphan in held.values())
    names = owners.registry.names("provider") if lost else sorted(_used(project, owners.registry))
    providers, failed = started(owners, names, on_this_host=True)
    for name, error in failed.items():
        # A provider without its extra has created nothing here.
        if getattr(error, "category", "unsupported") != "unsupported":
            listing = Resource(kind="list", name=name, owner=f"provider:{name}", run="*")
            cleaned.leave([(listing, f"could not list resources: {error}")])
    providers[programs.OWNER] = cast("Provider", programs)  # a module with the two functions needed here
    seen, unread = await _listed_runs(providers, holders)
    cleaned.leave(unread)
    for run, orphan in sorted({**held, **seen}.items()):
        if not run.startswith(only):
            continue
        # Decide only now: a run started in the meantime has already written its ledger.
        due, why = _judged(project, orphan)
        if why:
            cleaned.alone.append(why)
        elif due and dry_run:
            cleaned.given_back += list(_foreseen(orphan))
        elif due:
            await _give_back(providers, owners.leases, orphan, cleaned)


async def end_tagged(project: Project, run: str, cleaned: Cleaned, *, dry_run: bool = False) -> None:
    """End the programs of a dead run of this project whose ledger cannot be read: their tags name both. Its folders for
    temporary files go after them."""
    tagged = [one for one in await programs.find(run) if one.detail.get("project") == str(project.folder)]
    folders = await temporary.find(run, project.folder)
    if dry_run:
        cleaned.given_back += [f"{one}, in no readable ledger" for one in (*tagged, *folders)]
        return
    sweep = Sweep(cleaned.say)
    await sweep.remove_listed(cast("Provider", programs), tagged)
    await sweep.remove_listed(cast("Provider", temporary), folders)
    cleaned.found += [f"{one} of run {run}, in no readable ledger" for one in sweep.found]
    cleaned.leave(sweep.left)


async def foreign_resources(project: Project, registry: Registry, run: str, used: Iterable[str]) -> list[str]:
    """After a run: one line for each other, inactive run with resources at the providers in `used`, and one for each
    unreadable list. Nothing is touched."""
    owners = owners_of(project, registry)
    providers, failed = started(owners, sorted(set(used)), on_this_host=True)
    orphans, unread = await _listed_runs(providers, owners.leases.holders())
    errors = [*failed.items(), *((listing.name, error) for listing, error in unread)]
    others = (_foreign(project, orphan) for name, orphan in sorted(orphans.items()) if name != run)
    return [*(f"could not list other resources on {name}: {error}" for name, error in errors), *filter(None, others)]


def _foreign(project: Project, orphan: Orphan) -> str:
    """The line about an inactive run; empty if there is nothing to report."""
    if not orphan.project:
        return ""  # the owner is unknown: another user, or leases on another machine
    ledger = ledger_of(project, orphan)
    if ledger is None:
        what = "in no ledger"
    elif ledger.is_relative_to(project.ledger_folder):
        return ""  # active or kept on purpose, as this project knows
    else:
        if _is_active(ledger) or not _exists(ledger):  # it has just ended
            return ""
        what = "kept or left behind by a finished run"
    whose = f"run {orphan.run} of {orphan.project}"
    return f"not from this run: {orphan.summary()} of {whose}, {what}; see `seatrial clean --dry-run`"


def started(
    owners: Owners, names: Iterable[str], *, on_this_host: bool = False
) -> tuple[dict[str, Provider], dict[str, Exception]]:
    """The known ones among these providers, and those that failed to start, each with its error; `on_this_host`: only
    providers whose resources are on this host."""
    providers: dict[str, Provider] = {}
    failed: dict[str, Exception] = {}
    for name in names:
        try:
            if owners.registry.knows("provider", name) and (
                not on_this_host or traits(owners.registry.get("provider", name), ProviderTraits).on_this_host
            ):
                providers[name] = owners.provider(name)
        except (SeatrialError, ImportError) as error:
            failed[name] = error
    return providers, failed


async def _listed_runs(
    providers: Mapping[str, Provider], holders: Mapping[str, Mapping[str, object]]
) -> tuple[dict[str, Orphan], list[tuple[Resource, str]]]:
    """Every run with resources at these providers, and the unreadable lists, each with its error."""
    orphans: dict[str, Orphan] = {}
    unread: list[tuple[Resource, str]] = []
    for name, provider in providers.items():
        resources, errors = await listed(name, provider, "*")
        unread += errors
        for resource in resources:
            orphan = orphans.setdefault(resource.run, Orphan(run=resource.run, holder=holders.get(resource.run, {})))
            orphan.things.setdefault(name, []).append(resource)
    return orphans, unread


def _used(project: Project, registry: Registry) -> set[str]:
    """The providers in the settings of this project and in the plans of its runs."""
    journals = project.runs.glob("r*/events.jsonl")
    return set(project.providers).union(*(planned(journal, registry) for journal in journals))


def planned(journal: Path, registry: Registry) -> set[str]:
    """The providers of a run's planned suites; they precede the first started suite in the journal."""
    names: set[str] = set()
    try:
        with journal.open("rb") as lines:
            for line in lines:
                kind = line[:40]
                if b'"suite_planned"' in kind:
                    found = re.search(rb'"provider":"([^"\\]+)"', line)
                    names |= {found[1].decode(errors="replace")} if found else set()
                    if b'"pipeline_check"' in line:  # its checks create resources without their provider
                        names |= listed_by(registry, "pipeline")
                elif b'"suite_started"' in kind or b'"suite_finished"' in kind:
                    break
    except OSError:
        pass  # an unreadable journal adds nothing; settings and leases may
    return names


def listed_by(registry: Registry, system: str) -> set[str]:
    """The providers with lists of a system's own resources; none if the system is unknown."""
    try:
        return set(traits(registry.get("system", system), SystemTraits).listed_by)
    except UsageError:
        return set()


def _judged(project: Project, orphan: Orphan) -> tuple[bool, str]:
    """Whether to remove its resources; if not, the reason, or an empty text when there is nothing to report."""
    if not orphan.run:
        return True, ""  # a node of a killed `seatrial doctor`: the only resource without a run
    own = project.folder_of(orphan.run) is not None
    if not orphan.project and not own:
        return False, ""  # unknown owner
    own = own or Path(orphan.project).resolve() == project.folder.resolve()
    if ledger := ledger_of(project, orphan):
        if own or ledger.is_relative_to(project.ledger_folder) or not orphan.things:
            return False, ""  # its own ledger decides
        whose = f"{orphan.summary()} of run {orphan.run}"
        if _is_active(ledger):
            return False, f"{whose}: this run of the project {orphan.project} is still active"
        return False, f"{whose}: its ledger is in the project {orphan.project}; run `seatrial clean` there"
    gone = f"its ledger is missing from {orphan.project or project.folder}"
    doubt = _may_live(orphan.holder) if orphan.holder else ""
    if orphan.expired or (orphan.holder and not doubt) or (own and not doubt):
        return True, ""
    if doubt:
        return False, f"run {orphan.run}: {gone}, but {doubt}"
    end = max(orphan.labels("expires"), default="an unknown time")
    return False, f"{orphan.summary()} of run {orphan.run}: {gone}, so the run may still be active; it expires at {end}"


def ledger_of(project: Project, orphan: Orphan) -> Path | None:
    """Its ledger in its project or in this one, if it still exists."""
    folders = [project.ledger_folder, *([Path(orphan.project) / ".seatrial" / "ledger"] if orphan.project else [])]
    return next((file for folder in folders if _exists(file := folder / f"{orphan.run}.jsonl")), None)


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError:
        return True  # probably another user's project; only that user can tell that the ledger is gone


def _is_active(ledger: Path) -> bool:
    try:
        return living(ledger)
    except OSError:
        return True  # another user's: only that user can tell that the run has ended


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
    if not sweep.left:  # otherwise they may still use the leases
        release_leases(leases, orphan.run, cleaned.say)


def release_leases(leases: Leases, run: str, say: Callable[..., None]) -> None:
    """Release all leases of a run, with an event for each."""
    for kind, name, trial in leases.of_run(run):
        leases.release(kind, name, trial)
        say("resource", op="given_back", kind=kind, name=name, owner="engine:lease")


def _moment(text: str) -> float:
    """Seconds since 1970 of `2026-01-02T03:04:05Z`; 0 for any other text."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return 0.0
