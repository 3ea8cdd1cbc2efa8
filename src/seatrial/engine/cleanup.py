"""The sweep removes the resources of a run: at its end, on Ctrl-C and after a crash, always by this code."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from seatrial.engine.leases import Leases
from seatrial.engine.ledger import Entry, Ledger
from seatrial.errors import CannotTell, ExtraMissing, LeftBehind, SeatrialError, ToolMissing
from seatrial.links.process import process_start
from seatrial.model.frozen import frozen
from seatrial.model.resource import Resource
from seatrial.registry import Registry
from seatrial.spi import GivesBack, Provider

PATIENCE = 60.0
"""Time limit for the removal of one resource, in seconds."""

HURRY = 10.0
"""The same limit after a second Ctrl-C."""

GROUND = ("engine:lease", "engine:path")
"""Owners of resources under nodes and processes: addresses, ports, folders."""


class Owner(Protocol):
    """Removes a resource by its record."""

    async def destroy(self, resource: Resource) -> None:
        """Remove it; an absent resource is a success."""


@dataclass(slots=True)
class Swept:
    """The result of a sweep."""

    given_back: int = 0
    found: list[Resource] = field(default_factory=list)
    """Resources found by the providers but missing from the ledger."""
    left: list[tuple[Resource, str]] = field(default_factory=list)
    """Resources left behind, with the reason."""

    def add(self, other: Swept) -> None:
        """Add the result of another sweep."""
        self.given_back += other.given_back
        self.found += other.found
        self.left += other.left


@frozen
class Listed:
    """Resources found by a provider."""

    found: Sequence[Resource]
    """In order of removal."""
    unread: Sequence[tuple[Resource, str]]
    """The failed search itself, with the reason."""


class Owners:
    """Finds the owner of each ledger entry in the registry, by its name."""

    def __init__(self, registry: Registry, settings: Callable[[str], Any], leases: Leases) -> None:
        self._registry = registry
        self._settings = settings
        self._leases = leases

    def of(self, entry: Entry) -> Owner:
        """The owner of an entry; loads its plugin file if it came from one."""
        kind, _, name = entry.resource.owner.partition(":")
        if kind == "engine":
            ours: dict[str, Owner] = {"lease": _Leased(self._leases), "path": _Path(), "process": _Process()}
            return ours[name]
        if entry.plugin and not self._registry.knows(kind, name):
            self._registry.load(Path(entry.plugin))
        if kind == "provider":
            return self.provider(name)
        return _SystemOwner(self._registry.get(kind, name))

    def provider(self, name: str) -> Provider:
        """A provider created from the project's settings alone."""
        made: Provider = self._registry.get("provider", name)(self._settings(name))
        return made


class _Leased:
    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    async def destroy(self, resource: Resource) -> None:
        self._leases.release(resource.kind, resource.name, resource.trial)


class _Path:
    async def destroy(self, resource: Resource) -> None:
        path, within = Path(str(resource.detail["path"])), Path(str(resource.detail["within"]))
        if not path.resolve().is_relative_to(within.resolve()) or path.resolve() == within.resolve():
            raise LeftBehind(f"{path} is not inside {within}: not removed")
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class _Process:
    """A process group on this host and its remaining processes: only those started by Seatrial, never a reused pid."""

    async def destroy(self, resource: Resource) -> None:
        pid, started = int(str(resource.detail["pid"])), str(resource.detail["started"])
        tag = f"SEATRIAL_STEP_TAG={resource.name}".encode()
        # Children carry the tag. It finds those that outlived the leader or left its group. Without a pid, it finds
        # every process of the trial: their tags begin with the trial's name.
        victims = [pid] if pid and process_start(pid) == started else _tagged(tag)
        for member, began in resource.detail.get("members") or ():  # type: ignore[attr-defined]
            if member not in victims and began and process_start(member) == began:
                victims.append(member)
        while victims:
            for victim in victims:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    if victim == pid:
                        os.killpg(victim, signal.SIGKILL)
            while any(_running(victim) for victim in victims):
                await asyncio.sleep(0.01)
            victims = _tagged(tag)


def _running(pid: int) -> bool:
    return process_start(pid) != ""


def _tagged(tag: bytes) -> list[int]:
    """The processes with this tag, or with a tag that begins with it and a dash."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                # Most processes have no tag: skip them early.
                environ = Path(f"/proc/{entry}/environ").read_bytes()
                if tag not in environ:
                    continue
                ours = any(one == tag or one.startswith(tag + b"-") for one in environ.split(b"\0"))
                if ours and _running(int(entry)):
                    found.append(int(entry))
            except OSError:
                continue
    return found


class _SystemOwner:
    def __init__(self, system: type[Any]) -> None:
        self._system = system

    async def destroy(self, resource: Resource) -> None:
        system = object.__new__(self._system)
        if not isinstance(system, GivesBack):
            raise CannotTell(f"the system {self._system.__name__} cannot remove a {resource.kind}: {resource.name}")
        await system.give_back(resource)


async def sweep(
    ledger: Ledger,
    entries: Iterable[Entry],
    owners: Owners,
    *,
    say: Callable[..., None],
    hurry: Callable[[], bool] = lambda: False,
) -> Swept:
    """Remove entries, the newest first; entries of one owner and kind at the same time."""
    swept = Swept()
    # The newest first; addresses, ports and folders after the nodes and processes that use them.
    newest_first = list(entries)[::-1]
    newest_first.sort(key=lambda entry: entry.resource.owner in GROUND)
    for _, alike in groupby(newest_first, key=lambda entry: (entry.resource.owner, entry.resource.kind)):
        results = await asyncio.gather(*(_give_back(ledger, entry, owners, say, hurry) for entry in alike))
        for entry, error in results:
            if error:
                swept.left.append((entry.resource, error))
            else:
                swept.given_back += 1
    return swept


@contextmanager
def hurrying(limit: asyncio.Timeout, hurry: Callable[[], bool], seconds: float = HURRY) -> Iterator[None]:
    """Shorten a limit to this many seconds if a second Ctrl-C comes during a wait."""
    loop = asyncio.get_running_loop()

    timers: list[asyncio.TimerHandle] = []

    def look() -> None:
        if not hurry():
            timers[:] = [loop.call_later(0.2, look)]
        elif not limit.expired():
            limit.reschedule(min(limit.when() or 0.0, loop.time() + seconds))

    timers.append(loop.call_later(0.2, look))
    try:
        yield
    finally:
        timers[0].cancel()


async def _give_back(
    ledger: Ledger, entry: Entry, owners: Owners, say: Callable[..., None], hurry: Callable[[], bool]
) -> tuple[Entry, str]:
    resource = entry.resource
    # A deployer's destroy may take longer than the end of a process: the entry's owner set the limit.
    patience = max(PATIENCE, float(str(resource.detail.get("timeout", 0))))

    async def destroy() -> None:
        await owners.of(entry).destroy(resource)

    error = await _tried(destroy, patience, hurry)
    if not error:
        try:
            ledger.given_back(resource)
        except OSError as problem:
            # It is removed, but the record could not be written. The next sweep finds it absent.
            say("log", level="error", text=f"the ledger cannot be written: {problem.strerror}")
    _say_end(say, resource, error)
    return entry, error


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


def _say_end(say: Callable[..., None], resource: Resource, error: str) -> None:
    what = {"kind": resource.kind, "name": resource.name, "owner": resource.owner}
    say("resource", op="left" if error else "given_back", **what, **({"error": error} if error else {}))


async def listed(name: str, provider: Provider, run: str, hurry: Callable[[], bool] = lambda: False) -> Listed:
    """A run's resources found by a provider (`*`: those of every run of Seatrial). A provider that is not installed
    finds none: the ledger's own sweep reports its entries as left behind, with the reason."""
    found: list[Resource] = []

    async def look() -> None:
        with suppress(ToolMissing, ExtraMissing):
            found.extend(await provider.find(run))

    error = await _tried(look, PATIENCE, hurry)
    unread = Resource(kind="list", name=name, owner=f"provider:{name}", run=run)
    return Listed(found=found, unread=[(unread, f"the search failed: {error}")] if error else [])


async def sweep_found(
    run: str,
    trials: Sequence[str],
    providers: Mapping[str, Provider],
    *,
    say: Callable[..., None],
    hurry: Callable[[], bool] = lambda: False,
    spared: Collection[str] = (),
) -> Swept:
    """Remove resources of these trials (none: of all but the spared ones) found by the providers and missing from the
    ledger."""
    swept = Swept()

    async def of(name: str, provider: Provider) -> None:
        told = await listed(name, provider, run, hurry)
        swept.left += told.unread
        found = [one for one in told.found if not one.trial or not trials or one.trial in trials]
        await give_back_found(provider, [one for one in found if one.trial not in spared], swept, say=say, hurry=hurry)

    await asyncio.gather(*(of(name, provider) for name, provider in providers.items()))
    return swept


async def give_back_found(
    provider: Provider,
    found: Sequence[Resource],
    swept: Swept,
    *,
    say: Callable[..., None],
    hurry: Callable[[], bool] = lambda: False,
) -> None:
    """Remove a provider's findings: kind after kind in the order of the list, all of one kind at the same time."""

    async def one(resource: Resource) -> None:
        error = await _tried(lambda: provider.destroy(resource), PATIENCE, hurry)
        _say_end(say, resource, error)
        if error:
            swept.left.append((resource, error))
        else:
            swept.given_back += 1

    for kind in dict.fromkeys(resource.kind for resource in found):
        alike = [resource for resource in found if resource.kind == kind]
        for resource in alike:
            text = f"found {resource.kind} {resource.name} of this run, missing from the ledger"
            say("log", level="warning", text=text)
            swept.found.append(resource)
        await asyncio.gather(*(one(resource) for resource in alike))
