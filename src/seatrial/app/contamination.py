"""After a run: what else of ours stands on this machine and is of no run that goes on. Reported, never touched."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.app.orphans import Stray, ledger_of
from seatrial.app.project import Project
from seatrial.engine.cleanup import Owners, listed
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import living
from seatrial.errors import SeatrialError
from seatrial.registry import Registry
from seatrial.spi import ProviderTraits, traits


async def strangers(project: Project, registry: Registry, run: str, used: Iterable[str]) -> list[str]:
    """What the providers that a run used list of other runs that do not go on, a line for each run; a list that cannot
    be read is told too. `used`: the names of the providers."""
    leases = Leases()
    owners = Owners(registry, project.providers, leases)
    lines: list[str] = []
    seen: dict[str, Stray] = {}
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
                stray = seen.setdefault(thing.run, Stray(run=thing.run, holder=holders.get(thing.run, {})))
                stray.things.setdefault(name, []).append(thing)
    return lines + [line for _, stray in sorted(seen.items()) if (line := _line(project, stray))]


def _line(project: Project, stray: Stray) -> str:
    if not stray.project:
        return ""  # nothing says whose it is: another user's, or one whose leases are elsewhere
    ledger = ledger_of(project, stray)
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
    return (
        f"not of this run: {stray.told()} of run {stray.run} of {stray.project}, {what}; see `seatrial clean --dry-run`"
    )
