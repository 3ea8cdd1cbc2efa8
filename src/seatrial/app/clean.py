"""`clean`: gives back what dead runs left, by the same sweep that ends a living one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seatrial.app.orphans import Cleaned, give_back_orphans
from seatrial.app.project import Project, find
from seatrial.app.report import write_results
from seatrial.engine.cleanup import Owners, Swept, listed, sweep, sweep_found
from seatrial.engine.journal import Journal, read
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import Entry, Ledger, living
from seatrial.engine.trial_runner import cleanup_event
from seatrial.errors import SeatrialError
from seatrial.model.fold import Fold
from seatrial.registry import Registry
from seatrial.spi import Provider, SystemTraits, traits


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanOptions:
    """What a caller may ask of a clean-up."""

    run: str = ""
    """Only this run (an id or a unique prefix)."""
    all: bool = False
    """Kept things too, before their time is up."""
    dry_run: bool = False
    format: str = "plain"
    project: Path | None = None


def main(options: CleanOptions) -> int:
    """Clean up and say what was seen; 0 when nothing remains that should not."""
    cleaned = asyncio.run(clean(options))
    if options.format == "json":
        told = {"found": cleaned.found, "given_back": cleaned.given_back, "left": cleaned.left}
        print(json.dumps({**told, "left_alone": cleaned.alone}, indent=2))
        return 4 if cleaned.left else 0
    for line in cleaned.found:
        print(f"found {line}")
    verb = "would give back" if options.dry_run else "gave back"
    for line in cleaned.given_back:
        print(f"{verb} {line}")
    for line in cleaned.alone:
        print(f"left alone: {line}")
    for one in cleaned.left:
        print(f"STILL THERE: {one['kind']} {one['name']} ({one['owner']}): {one['error']}")
    if not cleaned.given_back and not cleaned.left:
        print("nothing to give back")
    return 4 if cleaned.left else 0


async def clean(options: CleanOptions) -> Cleaned:
    """Give back what the ledgers of dead runs and the providers' own lists show."""
    project = find(options.project)
    cleaned = Cleaned()
    if options.run and not any(project.ledger_folder.glob(f"{options.run}*.jsonl")):
        project.run_folder(options.run)  # a run that is known has nothing out; for any other this says what there is
    for file in sorted(project.ledger_folder.glob("*.jsonl")):
        if options.run and not file.stem.startswith(options.run):
            continue
        try:
            await _clean_run(project, file, options, cleaned)
        except Exception as error:  # noqa: BLE001  what is wrong with one run must not keep the others standing
            told = f"it cannot be cleaned up: {type(error).__name__}: {error}"
            cleaned.left.append({"kind": "ledger", "name": file.stem, "owner": "engine:ledger", "error": told})
    await give_back_orphans(project, cleaned, only=options.run, dry_run=options.dry_run)
    return cleaned


async def _clean_run(project: Project, file: Path, options: CleanOptions, cleaned: Cleaned) -> None:
    run = file.stem
    try:
        if living(file):
            raise BlockingIOError
        ledger = Ledger.open(project.ledger_folder, run)
    except BlockingIOError:
        cleaned.alone.append(f"run {run}: it is still going on")
        return
    except FileNotFoundError:
        return  # another clean-up was faster
    due, kept = _due(ledger.out(), options)
    for entry in kept:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.until))
        cleaned.alone.append(f"{entry.resource}: kept until {when}; `seatrial clean --all` gives it back now")
    if options.dry_run:
        try:
            await _foresee(project, run, due, kept, cleaned)
        finally:
            ledger.close()
        return
    if ledger.unreadable:
        cleaned.alone.append(
            f"run {run}: {ledger.unreadable} lines of its ledger cannot be read; what they named and the providers' "
            f"own lists do not show is not known to us ({file})"
        )
    try:
        await _give_back(project, ledger, due, kept, cleaned)
    finally:
        ledger.close()


def _due(entries: list[Entry], options: CleanOptions) -> tuple[list[Entry], list[Entry]]:
    kept = [entry for entry in entries if entry.op == "kept" and entry.until > time.time() and not options.all]
    return [entry for entry in entries if entry not in kept], kept


async def _foresee(project: Project, run: str, due: list[Entry], kept: list[Entry], cleaned: Cleaned) -> None:
    """Say what would be given back: what the ledger names, and what providers list besides."""
    cleaned.given_back += [f"{entry.resource}" for entry in due]
    registry = project.registry(())
    owners = Owners(registry, project.provider_settings(registry), Leases())
    named = {(entry.resource.owner, entry.resource.kind, entry.resource.name) for entry in due}
    spared = {entry.resource.trial for entry in kept}
    for name, provider in _providers(registry, owners, [*due, *kept], project.folder_of(run)).items():
        told = await listed(name, provider, run)
        for one in told.found:
            if (one.owner, one.kind, one.name) not in named and one.trial not in spared:
                cleaned.found.append(f"{one} of run {run}, which its ledger does not know")
                cleaned.given_back.append(f"{one}")
        cleaned.leave(told.unread)


async def _give_back(project: Project, ledger: Ledger, due: list[Entry], kept: list[Entry], cleaned: Cleaned) -> None:
    folder = project.folder_of(ledger.run)
    registry = project.registry(())
    leases = Leases()
    owners = Owners(registry, project.provider_settings(registry), leases)
    say, close = _speaker(folder, ledger.run, cleaned)
    swept = await sweep(ledger, due, owners, say=say)
    # What is kept stays with all that belongs to it, whether the ledger names it or not.
    spared = {entry.resource.trial for entry in kept}
    providers = _providers(registry, owners, [*due, *kept], folder)
    swept.add(await sweep_found(ledger.run, [], providers, say=say, spared=spared))
    cleaned.found += [f"{resource} of run {ledger.run}, which its ledger did not know" for resource in swept.found]
    if not kept:
        for kind, name, trial in leases.of_run(ledger.run):
            leases.release(kind, name, trial)
            say("resource", op="given_back", kind=kind, name=name, owner="engine:lease")
    cleaned.leave(swept.left)
    close(swept)
    ledger.close(folder / "ledger.jsonl" if folder else None)


def _providers(registry: Registry, owners: Owners, out: list[Entry], folder: Path | None) -> dict[str, Provider]:
    """The providers that a run used, by its ledger and by what its journal says was planned, as far as they can be
    made: of one that cannot, the ledger's own sweep says why it gives nothing back."""
    owned = {(kind, name) for entry in out for kind, _, name in [entry.resource.owner.partition(":")]}
    names = {name for kind, name in owned if kind == "provider"}
    for kind, name in owned:
        if kind == "system" and registry.knows(kind, name):
            names |= set(traits(registry.get(kind, name), SystemTraits).listed_by)
    if folder is not None and (folder / "events.jsonl").is_file():
        planned = (event for event in read(folder / "events.jsonl") if event.kind == "suite_planned")
        names |= {str(event.data.get("provider")) for event in planned}
    made: dict[str, Provider] = {}
    for name in sorted(names):
        if registry.knows("provider", name):
            with suppress(SeatrialError, ImportError):
                made[name] = owners.provider(name)
    return made


def _speaker(folder: Path | None, run: str, cleaned: Cleaned) -> tuple[Callable[..., None], Callable[[Swept], None]]:
    """Where a clean-up says what it does: for people, and in the dead run's own journal, which it brings to its end."""
    journal: Journal | None = None
    fold = Fold()
    unfinished = False
    if folder is not None and (folder / "events.jsonl").is_file():
        events = read(folder / "events.jsonl")
        for event in events:
            fold.on(event)
        unfinished = not any(event.kind == "run_finished" for event in events)
        _end_last_line(folder / "events.jsonl")
        journal = Journal(folder / "events.jsonl", run, [fold])

    def say(kind: str, /, **data: object) -> None:
        cleaned.say(kind, **data)
        if journal is not None:
            journal.emit(kind, "", data)

    def close(swept: Swept) -> None:
        if journal is None or folder is None:
            return
        journal.emit("cleanup_finished", "", {**cleanup_event(swept), "duration": 0.0})
        if unfinished:
            # Whatever its suites had said: a run that was killed did not come to its end, and that is no pass.
            verdict, code = fold.closing(trouble=True)
            data: dict[str, object] = {"verdict": verdict, "exit_code": code, "interrupted": "SIGKILL"}
            duration = max(0.0, fold.at - float(fold.run["started_at"]))
            journal.emit("run_finished", "", {**data, "duration": round(duration, 6), "left": len(swept.left)})
        write_results(folder, fold)
        journal.close()

    return say, close


def _end_last_line(file: Path) -> None:
    """End a line that a crash cut, so that the next event stands alone."""
    with file.open("rb+") as journal:
        size = journal.seek(0, 2)
        journal.seek(max(size - 1, 0))
        if journal.read(1) not in (b"", b"\n"):
            journal.write(b"\n")
