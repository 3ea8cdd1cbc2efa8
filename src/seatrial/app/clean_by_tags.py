"""`clean --provider NAME` and `clean --expired`: resources known by their tags alone, also on another machine."""

from __future__ import annotations

from collections.abc import Collection

from seatrial.app.orphans import Cleaned, Orphan, owners_of, started
from seatrial.app.project import Project
from seatrial.engine.cleanup import Sweep
from seatrial.engine.ledger import living
from seatrial.errors import CannotTell, UsageError
from seatrial.model.resource import Resource
from seatrial.registry import Registry
from seatrial.spi import ProviderTraits, traits


async def clean_by_tags(project: Project, provider: str, run: str, *, expired: bool, dry_run: bool) -> Cleaned:
    """Remove what the provider (empty: each of the settings whose nodes outlive this machine) lists of this run, or of
    every expired run. Runs that are active on this machine are skipped."""
    owners = owners_of(project)
    if provider and not owners.registry.knows("provider", provider):
        owners.registry.get("provider", provider)  # an unknown one is an error with the known names
    names = [provider] if provider else _outliving(owners.registry, project.providers)
    if not names:
        raise UsageError("no provider is named: use --provider NAME, or a table [providers.NAME] in seatrial.toml")
    providers, failed = started(owners, names)
    for error in failed.values():
        raise error
    cleaned, sweep = Cleaned(), Sweep(lambda kind, /, **data: cleaned.say(kind, **data))
    for name, source in providers.items():
        try:
            resources = await source.find(run or "*")
        except CannotTell as error:
            search = Resource(kind="list", name=name, owner=f"provider:{name}", run=run)
            cleaned.leave([(search, f"the search failed: {error}")])
            continue
        runs: dict[str, Orphan] = {}
        for resource in resources:
            orphan = runs.setdefault(resource.run, Orphan(run=resource.run, holder={}))
            orphan.things.setdefault(name, []).append(resource)
        for id, orphan in sorted(runs.items()):
            if why := _spared(project, orphan, expired=expired):
                cleaned.alone.append(why)
                continue
            things = orphan.things[name]
            cleaned.found += [f"{resource} of run {id}" for resource in things]
            if dry_run:
                cleaned.given_back += map(str, things)
            else:
                await sweep.remove_listed(source, things)
    cleaned.leave(sweep.left)
    return cleaned


def _outliving(registry: Registry, names: Collection[str]) -> list[str]:
    return [name for name in sorted(names) if traits(registry.get("provider", name), ProviderTraits).outlives_host]


def _spared(project: Project, orphan: Orphan, *, expired: bool) -> str:
    ledger = project.ledger_folder / f"{orphan.run}.jsonl"
    if ledger.exists() and living(ledger):
        return f"run {orphan.run}: still active"
    if expired and not orphan.expired:
        end = max(orphan.labels("expires"), default="an unknown time")
        return f"{orphan.summary()} of run {orphan.run}: expires at {end}"
    return ""
