"""`clean`: removes resources of dead runs, with the same sweep as at the end of a run."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seatrial.app.orphans import (
    Cleaned,
    end_tagged,
    give_back_orphans,
    listed_by,
    owners_of,
    planned,
    release_leases,
    started,
)
from seatrial.app.project import Project, find
from seatrial.engine.cleanup import Owners, Sweep, listed
from seatrial.engine.journal import Journal, read
from seatrial.engine.ledger import Entry, LaterVersion, Ledger, living
from seatrial.engine.masked_files import protect
from seatrial.engine.masking import Masks
from seatrial.errors import LeftBehind, UsageError
from seatrial.model.fold import Fold
from seatrial.model.resource import Resource
from seatrial.reports.json import write_all
from seatrial.spi import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanOptions:
    """The options of a cleanup."""

    run: str = ""
    """Only this run or this trial (an id or a unique prefix)."""
    forget: str = ""
    """Remove nothing, and drop the ledger of this run: a person has looked for its resources."""
    all: bool = False
    """Also remove kept resources before their time is over."""
    provider: str = ""
    """Only what this provider lists by its tags, without any ledger."""
    tagged: str = ""
    """With `provider`: only this run (its whole id)."""
    expired: bool = False
    """Only resources whose tags say that their time is over, without any ledger."""
    dry_run: bool = False
    format: str = "plain"
    project: Path | None = None


def main(options: CleanOptions) -> int:
    """Clean up and print the result; 0 if nothing is left behind."""
    if options.forget:
        return forget(options)
    cleaned = asyncio.run(clean(options))
    if options.format == "json":
        result = {"found": cleaned.found, "given_back": cleaned.given_back, "left": cleaned.left}
        print(json.dumps({**result, "left_alone": cleaned.alone}, indent=2))
        return 4 if cleaned.left else 0
    verb = "would remove" if options.dry_run else "removed"
    left = [f"{row['kind']} {row['name']} ({row['owner']}): {row['error']}" for row in cleaned.left]
    parts = {"found": cleaned.found, verb: cleaned.given_back, "skipped:": cleaned.alone, "LEFT BEHIND:": left}
    for heading, lines in parts.items():
        for line in lines:
            print(heading, line)
    if not cleaned.given_back and not cleaned.left:
        print("nothing to clean up")
    return 4 if cleaned.left else 0


def forget(options: CleanOptions) -> int:
    """Drop the ledger of one dead run without removing anything; it stays beside the reports of the run, if any."""
    project = find(options.project)
    files = sorted(project.ledger_folder.glob(f"{options.forget}*.jsonl"))
    if len(files) != 1:
        known = ", ".join(file.stem for file in sorted(project.ledger_folder.glob("*.jsonl"))) or "none"
        raise UsageError(
            f"no single run {options.forget!r} has a ledger in {project.folder}; runs with a ledger: {known}"
        )
    (file,) = files
    if living(file):
        raise UsageError(f"run {file.stem} is still active: its ledger is in use")
    folder = project.folder_of(file.stem)
    shutil.move(file, folder / "ledger.jsonl") if folder else file.unlink()
    print(f"forgot run {file.stem}: Seatrial no longer looks for its resources")
    return 0


async def clean(options: CleanOptions) -> Cleaned:
    """Remove the resources of dead runs, from their ledgers and the lists of providers."""
    project = find(options.project)
    if options.provider or options.expired or options.tagged:
        return await _by_tags(project, options)
    cleaned = Cleaned()
    run, trial = project.trial(options.run)
    if trial:
        file = project.ledger_folder / f"{run}.jsonl"
        if file.exists():
            await _guarded(project, file, options, cleaned, trial)
        return cleaned
    if options.run and not any(project.ledger_folder.glob(f"{options.run}*.jsonl")):
        project.run_folder(options.run)  # a known run has no open ledger: nothing to do; an unknown one is an error
    for file in sorted(project.ledger_folder.glob("*.jsonl")):
        if options.run and not file.stem.startswith(options.run):
            continue
        await _guarded(project, file, options, cleaned)
    await give_back_orphans(project, cleaned, only=options.run, dry_run=options.dry_run)
    if not options.run:
        await _clean_services(cleaned, dry_run=options.dry_run)
    return cleaned


async def _by_tags(project: Project, options: CleanOptions) -> Cleaned:
    from seatrial.app.clean_by_tags import clean_by_tags

    run = options.tagged or options.run
    if bool(run) == options.expired:
        raise UsageError("name either a run (--run RUN) or --expired: tags alone do not tell whether a run is active")
    if run and not options.provider:
        raise UsageError(f"name the provider that has resources of run {run}: --provider NAME")
    return await clean_by_tags(project, options.provider, run, expired=options.expired, dry_run=options.dry_run)


async def _guarded(project: Project, file: Path, options: CleanOptions, cleaned: Cleaned, trial: str = "") -> None:
    """Clean one run, or one trial of it. A problem with it must not stop the cleanup of the others."""
    try:
        await _clean_run(project, file, options, cleaned, trial)
    except Exception as error:  # noqa: BLE001
        ledger = Resource(kind="ledger", name=file.stem, owner="engine:ledger", run=file.stem)
        why = str(error) if isinstance(error, LeftBehind) else f"{type(error).__name__}: {error}"
        cleaned.leave([(ledger, why)])
        cleaned.refused += [why] if isinstance(error, LeftBehind) else []
        if isinstance(error, LeftBehind) and not isinstance(error, LaterVersion) and not trial:
            await end_tagged(project, file.stem, cleaned, dry_run=options.dry_run)


async def _clean_services(cleaned: Cleaned, *, dry_run: bool) -> None:
    """Remove what dead keepers of shared services left; living services are left alone."""
    from seatrial.engine.services.remains import clean_dead

    removed, living, left = await clean_dead(dry_run=dry_run)
    cleaned.given_back += removed
    cleaned.alone += living
    cleaned.leave((Resource(kind="service", name=name, owner="engine:service", run=""), why) for name, why in left)


async def _clean_run(project: Project, file: Path, options: CleanOptions, cleaned: Cleaned, trial: str) -> None:
    run = file.stem
    try:
        if (user := _other_user(file)) is not None:
            cleaned.alone.append(
                f"run {run}: belongs to the user {user}, who removes its resources with `seatrial clean`"
            )
            return
        if living(file):
            raise BlockingIOError
        if not file.exists():
            return  # another cleanup was faster
        ledger = Ledger.open(project.ledger_folder, run)
    except BlockingIOError:
        cleaned.alone.append(f"run {run}: still active")
        return
    entries = [entry for entry in ledger.out() if trial in ("", entry.resource.trial)]
    kept = [entry for entry in entries if entry.op == "kept" and entry.until > time.time() and not options.all]
    for entry in kept:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.until))
        cleaned.alone.append(
            f"{entry.resource}: kept until {when}{entry.resource.cost}; use `seatrial clean --all` to remove it now"
        )
    try:
        await (_foresee if options.dry_run else _give_back)(project, ledger, entries, kept, cleaned, trial)
    finally:
        ledger.close()


def _other_user(file: Path) -> str | None:
    """The owner of a ledger, if it is not you."""
    try:
        owner = file.stat().st_uid
    except FileNotFoundError:
        return None
    if owner == os.geteuid():
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return str(owner)


async def _foresee(
    project: Project, ledger: Ledger, entries: list[Entry], kept: list[Entry], cleaned: Cleaned, trial: str
) -> None:
    """Record the resources in the ledger, and those listed only by providers, as removable."""
    due = [entry.resource for entry in entries if entry not in kept]
    cleaned.given_back += (f"{resource}{resource.cost}" for resource in due)
    named = {(resource.owner, resource.kind, resource.name) for resource in due}
    spared = {entry.resource.trial for entry in kept}
    for name, provider in _providers(project, ledger.run, owners_of(project), entries).items():
        resources, unread = await listed(name, provider, ledger.run)
        for resource in resources:
            if trial and resource.trial != trial:
                continue
            if (resource.owner, resource.kind, resource.name) not in named and resource.trial not in spared:
                cleaned.found.append(f"{resource} of run {ledger.run}, missing from its ledger")
                cleaned.given_back.append(f"{resource}")
        cleaned.leave(unread)


async def _give_back(
    project: Project, ledger: Ledger, entries: list[Entry], kept: list[Entry], cleaned: Cleaned, trial: str
) -> None:
    folder = project.folder_of(ledger.run)
    masks = Masks()
    for name in ledger.secrets:
        masks.add(os.environ.get(name, ""))
    owners = owners_of(project, within=folder, masks=masks)
    say, close = _recorder(folder, ledger.run, cleaned, masks)
    sweep = Sweep(say)
    due = [entry for entry in entries if entry not in kept]
    await sweep.end_running(due)
    await sweep.remove_entries(ledger, due, owners)
    # A kept trial keeps all its resources, even those missing from the ledger.
    spared = {entry.resource.trial for entry in kept} | ({""} if trial else set())
    trials = [trial] if trial else []
    await sweep.remove_found(ledger.run, trials, _providers(project, ledger.run, owners, entries), spared=spared)
    cleaned.found += [f"{resource} of run {ledger.run}, missing from its ledger" for resource in sweep.found]
    if not kept and not sweep.left and not (trial and ledger.out()):
        release_leases(owners.leases, ledger.run, say)
    hint = f"; when you have looked yourself: `seatrial clean --forget {ledger.run}`"
    cleaned.leave((resource, masks.hide(error) + hint) for resource, error in sweep.left)
    if folder and not ledger.out():
        protect(folder, masks)
    close(sweep)
    ledger.close(folder / "ledger.jsonl" if folder else None)


def _providers(project: Project, run: str, owners: Owners, entries: list[Entry]) -> dict[str, Provider]:
    """The providers of a run, from its ledger and its plan, without those that fail to start: the sweep of the ledger
    reports their errors."""
    names = planned(project.runs / run / "events.jsonl", owners.registry)
    for kind, _, name in {entry.resource.owner.partition(":") for entry in entries}:
        names |= {name} if kind == "provider" else listed_by(owners.registry, name) if kind == "system" else set()
    return started(owners, sorted(names))[0]


def _recorder(
    folder: Path | None, run: str, cleaned: Cleaned, masks: Masks
) -> tuple[Callable[..., None], Callable[[Sweep], None]]:
    """Record the cleanup in `cleaned` and in the journal of the dead run, and finish this journal."""
    journal: Journal | None = None
    fold = Fold()
    unfinished = False
    if folder is not None and (folder / "events.jsonl").is_file():
        for event in read(folder / "events.jsonl"):
            fold.on(event)
        unfinished = not fold.run["finished"]
        _end_last_line(folder / "events.jsonl")
        journal = Journal(folder / "events.jsonl", run, [fold], masks)

    def say(kind: str, /, **data: object) -> None:
        cleaned.say(kind, **data)
        if journal is not None:
            journal.emit(kind, "", data)

    def close(sweep: Sweep) -> None:
        if journal is None or folder is None:
            return
        journal.emit("cleanup_finished", "", sweep.event())
        if unfinished:
            # A killed run did not finish, so it is not a pass, whatever its suites reported.
            verdict, code = fold.closing(trouble=True)
            data: dict[str, object] = {"verdict": verdict, "exit_code": code, "interrupted": "SIGKILL"}
            duration = max(0.0, fold.at - float(fold.run["started_at"]))
            journal.emit("run_finished", "", {**data, "duration": round(duration, 6), "left": len(sweep.left)})
        write_all(folder, fold)
        journal.close()

    return say, close


def _end_last_line(file: Path) -> None:
    """Finish a line cut by a crash, so that the next event starts on a new line."""
    with file.open("rb+") as journal:
        size = journal.seek(0, 2)
        journal.seek(max(size - 1, 0))
        if journal.read(1) not in (b"", b"\n"):
            journal.write(b"\n")
