"""After a run: report resources of other, inactive runs on this machine, without touching them."""

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
    """One line for each inactive run with resources at the providers in `used`, and one for each unreadable list."""
    leases = Leases()
    owners = Owners(registry, project.provider_settings(registry), leases)
    lines: list[str] = []
    seen: dict[str, Orphan] = {}
    holders = leases.holders()
    for name in sorted(set(used)):
        try:
            if not traits(registry.get("provider", name), ProviderTraits).on_this_host:
                continue
            resources, unread = await listed(name, owners.provider(name), "*")
        except (SeatrialError, ImportError) as error:
            lines.append(f"could not list other resources on {name}: {error}")
            continue
        lines += [f"could not list other resources on {name}: {error}" for _, error in unread]
        for resource in resources:
            if resource.run != run:
                orphan = seen.setdefault(resource.run, Orphan(run=resource.run, holder=holders.get(resource.run, {})))
                orphan.things.setdefault(name, []).append(resource)
    return lines + [line for _, orphan in sorted(seen.items()) if (line := _line(project, orphan))]


def _line(project: Project, orphan: Orphan) -> str:
    if not orphan.project:
        return ""  # the owner is unknown: another user, or leases on another machine
    ledger = ledger_of(project, orphan)
    if ledger is None:
        what = "in no ledger"
    elif ledger.is_relative_to(project.ledger_folder):
        return ""  # active or kept on purpose, as this project knows
    else:
        try:
            if living(ledger):
                return ""
        except OSError:  # it has just ended, or belongs to another user
            return ""
        what = "kept or left behind by a finished run"
    whose = f"run {orphan.run} of {orphan.project}"
    return f"not from this run: {orphan.summary()} of {whose}, {what}; see `seatrial clean --dry-run`"
