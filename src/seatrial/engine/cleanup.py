"""The sweep removes the resources of a run: at its end, on Ctrl-C and after a crash, always by this code."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from seatrial.engine import temporary
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import Entry, Ledger
from seatrial.engine.masked_stream import masked_file
from seatrial.engine.masking import Masks
from seatrial.errors import CannotTell, ExtraMissing, LeftBehind, SeatrialError, ToolMissing
from seatrial.links.process import programs
from seatrial.model.resource import Resource
from seatrial.registry import Registry
from seatrial.spi import GivesBack, Provider
from seatrial.spi.output import cleanup_output, nowhere

PATIENCE = 60.0
"""Time limit for the removal of one resource, in seconds."""

HURRY = 10.0
"""The same limit after a second Ctrl-C."""

GROUND = ("engine:lease", "engine:path", temporary.OWNER)
"""Owners of resources under nodes and processes: addresses, ports, folders."""


def _turn(entry: Entry) -> int:
    """Nodes and deployments first, then the trial's programs on this host, which can be a deployer's product; then the
    addresses, ports and folders that all of them use."""
    return 2 if entry.resource.owner in GROUND else int(_is_whole(entry.resource))


def _is_whole(resource: Resource) -> bool:
    """Whether it is all programs of a trial on this host."""
    return resource.owner == programs.OWNER and resource.name == resource.trial


class Owners:
    """Finds the owner of each ledger entry in the registry, by its name."""

    def __init__(
        self, registry: Registry, settings: Callable[[str], Any], leases: Leases, within: Path | None = None,
        masks: Masks | None = None,
    ) -> None:  # fmt: skip
        self.registry = registry
        self._settings = settings
        self.leases = leases
        self._within = within
        """The run's folder: no path outside it is removed."""
        self.masks = masks or Masks()
        """The secrets to mask in what programs print."""
        self._providers: dict[str, Provider] = {}

    async def destroy(self, entry: Entry) -> None:
        """Have its owner remove an entry (already gone is success); loads the owner's plugin file if it has one."""
        chosen = cleanup_output.get()
        token = cleanup_output.set(partial(masked_file, masks=self.masks) if chosen is nowhere else chosen)
        try:
            await self._destroy(entry)
        finally:
            cleanup_output.reset(token)

    async def _destroy(self, entry: Entry) -> None:
        resource = entry.resource
        kind, _, name = resource.owner.partition(":")
        if entry.plugin and not self.registry.knows(kind, name):
            self.registry.load(Path(entry.plugin))
        if resource.owner == "engine:lease":
            self.leases.release(resource.kind, resource.name, resource.trial)
        elif resource.owner == "engine:path":
            _remove_path(resource, self._within)
        elif resource.owner == temporary.OWNER:
            await temporary.destroy(resource)
        elif resource.owner == "engine:process":
            await programs.destroy(resource)
        elif kind == "provider":
            await self.provider(name).destroy(resource)
        else:
            system = object.__new__(self.registry.get(kind, name))
            if not isinstance(system, GivesBack):
                raise CannotTell(f"the system {type(system).__name__} cannot remove a {resource.kind}: {resource.name}")
            await system.give_back(resource)

    def provider(self, name: str) -> Provider:
        """A provider created from the project's settings alone: one for all resources, since a session of a cloud takes
        seconds and megabytes."""
        if name not in self._providers:
            self._providers[name] = self.registry.get("provider", name)(self._settings(name))
        return self._providers[name]


def _remove_path(resource: Resource, within: Path | None) -> None:
    path = Path(str(resource.detail["path"]))
    if not os.path.lexists(path):
        return
    if within is None or within.resolve() not in path.resolve().parents:
        raise LeftBehind(f"{path} is not inside the run's folder {within}: not removed")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Sweep:
    """A sweep and its result so far. Its events go to `say`; once `hurry` is true, its time limits are shorter."""

    def __init__(self, say: Callable[..., None], hurry: Callable[[], bool] = lambda: False) -> None:
        self._say = say
        self._hurry = hurry
        self.given_back = 0
        self.found: list[Resource] = []
        """Resources found by the providers but missing from the ledger."""
        self.left: list[tuple[Resource, str]] = []
        """Resources left behind, with the reason."""

    async def remove_entries(self, ledger: Ledger, entries: Iterable[Entry], owners: Owners) -> None:
        """Remove entries, the newest first; entries of one owner and kind at the same time, unless their detail says
        `alone`."""
        newest_first = list(entries)[::-1]
        newest_first.sort(key=_turn)
        for _, group in groupby(newest_first, key=_together):
            alike = [entry for entry in group if not self._stands_on(entry.resource)]
            await asyncio.gather(
                *(self._remove(entry.resource, partial(owners.destroy, entry), ledger) for entry in alike)
            )

    async def end_running(self, entries: Sequence[Entry]) -> None:
        """End the programs of a dead run that go on without it. Those with an entry of their own have their own way to
        end, and a failure is found when the trial's programs are removed."""
        known = {int(str(entry.resource.detail["pid"])) for entry in entries if "pid" in entry.resource.detail}
        for resource in (entry.resource for entry in entries if _is_whole(entry.resource)):
            with suppress(LeftBehind):
                await programs.end_running(resource, known)

    def _stands_on(self, ground: Resource) -> bool:
        """Whether a remaining resource may use this address, port or folder: then it stays in the ledger."""
        return ground.owner in GROUND and any(
            left.owner not in GROUND and (left.trial in ("", ground.trial)) for left, _ in self.left
        )

    async def remove_found(
        self, run: str, trials: Sequence[str], providers: Mapping[str, Provider], *, spared: Collection[str] = ()
    ) -> None:
        """Remove resources of these trials (none: of all but the spared ones) found by the providers and missing from
        the ledger."""

        async def remove(name: str, provider: Provider) -> None:
            resources, unread = await listed(name, provider, run, self._hurry)
            self.left += unread
            ours = [resource for resource in resources if not (resource.trial and trials) or resource.trial in trials]
            await self.remove_listed(provider, [resource for resource in ours if resource.trial not in spared])

        await asyncio.gather(*(remove(name, provider) for name, provider in providers.items()))

    async def remove_listed(self, provider: Provider, resources: Sequence[Resource]) -> None:
        """Remove a provider's findings: kind after kind in the order of the list, all of one kind at the same time."""
        for kind in dict.fromkeys(resource.kind for resource in resources):
            alike = [resource for resource in resources if resource.kind == kind]
            for resource in alike:
                text = f"found {kind} {resource.name} of this run, missing from the ledger"
                self._say("log", level="warning", text=text)
            self.found += alike
            await asyncio.gather(*(self._remove(resource, partial(provider.destroy, resource)) for resource in alike))

    async def _remove(
        self, resource: Resource, destroy: Callable[[], Awaitable[None]], ledger: Ledger | None = None
    ) -> None:
        # A deployer's destroy may take longer than the end of a process: the entry's owner set the limit.
        patience = max(PATIENCE, float(str(resource.detail.get("timeout", 0))))
        error = await _tried(destroy, patience, self._hurry)
        what = {"kind": resource.kind, "name": resource.name, "owner": resource.owner}
        if error:
            error += resource.cost
            self.left.append((resource, error))
            self._say("resource", op="left", **what, error=error)
            return
        self.given_back += 1
        try:
            if ledger is not None:
                ledger.given_back(resource)
        except OSError as problem:
            # It is removed, but the record could not be written. The next sweep finds it absent.
            self._say("log", level="error", text=f"the ledger cannot be written: {problem.strerror}")
        self._say("resource", op="given_back", **what)

    def interrupt(self, error: Exception, seconds: float, remaining: Iterable[Resource]) -> None:
        """Its time is up, or it raised: all remaining resources are left behind."""
        why = f"the sweep did not end within {seconds:g} s" if isinstance(error, TimeoutError) else f"{error!r}"
        self.left = [(resource, why) for resource in remaining]

    def event(self, duration: float = 0.0) -> dict[str, object]:
        """Its result as data of `cleanup_finished`."""
        left = [{"kind": r.kind, "name": r.name, "owner": r.owner, "error": error} for r, error in self.left]
        found = [str(resource) for resource in self.found]
        return {"given_back": self.given_back, "found": found, "kept": [], "left": left, "duration": round(duration, 6)}


def _together(entry: Entry) -> tuple[str, str, str]:
    """Entries removed at the same time have the same key."""
    resource = entry.resource
    return resource.owner, resource.kind, resource.name if resource.detail.get("alone") else ""


async def listed(
    name: str, provider: Provider, run: str, hurry: Callable[[], bool] = lambda: False
) -> tuple[list[Resource], list[tuple[Resource, str]]]:
    """A run's resources found by a provider (`*`: those of every run of Seatrial), in order of removal; and a failed
    search itself, with the reason. A provider that is not installed finds none: the ledger's own sweep reports its
    entries as left behind, with the reason."""
    found: list[Resource] = []

    async def look() -> None:
        with suppress(ToolMissing, ExtraMissing):
            found.extend(await provider.find(run))

    error = await _tried(look, PATIENCE, hurry)
    search = Resource(kind="list", name=name, owner=f"provider:{name}", run=run)
    return found, [(search, f"the search failed: {error}")] if error else []


async def _tried(work: Callable[[], Awaitable[object]], patience: float, hurry: Callable[[], bool]) -> str:
    """Remove it within a limit, a shorter one in a hurry; returns the reason of a failure, else an empty text."""
    clock = asyncio.get_running_loop().time
    start = clock()
    limit = asyncio.timeout(HURRY if hurry() else patience)
    try:
        async with limit:
            with hurrying(limit, hurry):
                await work()
    except TimeoutError as problem:
        return f"was not removed within {clock() - start:.0f} s" if limit.expired() else f"TimeoutError: {problem}"
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return "it was cancelled by something inside it"
    except BaseException as problem:  # one failure, even a plugin's sys.exit, must not stop the others
        return f"{type(problem).__name__}: {problem}" if not isinstance(problem, SeatrialError) else str(problem)
    return ""


@asynccontextmanager
async def within(seconds: float, refuse: Callable[[str], object], late: str = "") -> AsyncIterator[None]:
    """Give `refuse` the reason of any exception of a plugin, and of a timeout; a cancellation goes on."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except asyncio.CancelledError:
        raise
    except TimeoutError:
        refuse(late or f"timed out after {seconds:g} s")
    except BaseException as error:
        refuse(str(error) if isinstance(error, CannotTell) else f"{type(error).__name__}: {error}")


@contextmanager
def hurrying(limit: asyncio.Timeout, hurry: Callable[[], bool], seconds: float = HURRY) -> Iterator[None]:
    """Shorten a limit to this many seconds if a second Ctrl-C comes during a wait."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not hurry():
            timers[0] = loop.call_later(0.2, look)
        elif not limit.expired():
            limit.reschedule(min(limit.when() or 0.0, loop.time() + seconds))

    timers = [loop.call_later(0.2, look)]
    try:
        yield
    finally:
        timers[0].cancel()
