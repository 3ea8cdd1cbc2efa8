"""After a run: what else of ours stands on this machine and is of no run that goes on. Reported, never touched."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.app.orphans import Orphan, ledger_of
from seatrial.app.project import Project
from seatrial.engine.cleanup import Owners, listed
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import living
from seatrial.errors import SeatrialError
from seatrial.registry import Registry
from seatrial.spi import ProviderTraits, traits


async def foreign_resources(project: Project, registry: Registry, run: str, used: Iterable[str]) -> list[str]:
    """What the providers that a run used list of other runs that do not go on, a line for each run; a list that cannot
    be read is told too. `used`: the names of the providers."""
    leases = Leases()
    owners = Owners(registry, project.provider_settings(registry), leases)
    lines: list[str] = []
    seen: dict[str, Orphan] = {}
    holders = leases.holders()
    for name in sorted(set(used)):
        try:
            if not traits(registry.get("provider", name), ProviderTraits).on_this_host:
                continue
            told = await listed(name, owners.provider(name), "*")
        except (SeatrialError, ImportError) as error:
            lines.append(f"what else stands on {name} is not known: {error}")
            continue
        lines += [f"what else stands on {name} is not known: {error}" for _, error in told.unread]
        for thing in told.found:
            if thing.run != run:
                orphan = seen.setdefault(thing.run, Orphan(run=thing.run, holder=holders.get(thing.run, {})))
                orphan.things.setdefault(name, []).append(thing)
    return lines + [line for _, orphan in sorted(seen.items()) if (line := _line(project, orphan))]


def _line(project: Project, orphan: Orphan) -> str:
    if not orphan.project:
        return ""  # nothing says whose it is: another user's, or one whose leases are elsewhere
    ledger = ledger_of(project, orphan)
    if ledger is None:
        what = "which no ledger names"
    elif ledger.is_relative_to(project.ledger_folder):
        return ""  # it goes on, or keeps it on purpose: this project knows
    else:
        try:
            if living(ledger):
                return ""
        except OSError:  # it ended just now, or is another user's
            return ""
        what = "kept or left by a run that is over"
    whose = f"run {orphan.run} of {orphan.project}"
    return f"not of this run: {orphan.told()} of {whose}, {what}; see `seatrial clean --dry-run`"
