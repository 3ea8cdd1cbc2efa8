"""What a dead keeper left: found by the record of its service, and removed by the first who looks."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from seatrial import expressions
from seatrial.engine.leases import Leases
from seatrial.engine.services import door
from seatrial.engine.services.home import Home, homes
from seatrial.engine.services.running import VARIABLE, environment, run_stop, tagged
from seatrial.errors import LeftBehind, SeatrialError
from seatrial.links.containers import engines
from seatrial.links.containers.resources import take_away
from seatrial.links.process import cgroups
from seatrial.links.process.supervision import end_trial
from seatrial.links.process.table import process_start


async def end_remains(home: Home, known: Mapping[str, str] | None = None) -> bool:
    """End everything that the record of a dead keeper names; the caller holds the keeper's lock. Returns whether there
    was any. LeftBehind when something remains: then the record stays. `known`: variables besides the environment."""
    record = home.read()
    if not record:
        return False
    for _, remove in _parts(home, record, known or {}):
        await remove()
    drop(home, record)
    return True


async def forget(home: Home) -> list[str]:
    """Remove what can be removed, and then the record; the caller holds the keeper's lock. Returns what remains, each
    with the reason: nobody looks after it any more."""
    record = home.read()
    left: list[str] = []
    away = ""
    for name, remove in _parts(home, record, {}):
        in_cluster = name.startswith(CLUSTER)
        why = away if in_cluster else ""  # a cluster that is gone is asked once
        if not why:
            try:
                await remove()
                continue
            except (SeatrialError, OSError) as error:
                why = str(error)
                away = why if in_cluster else away
        left.append(f"{name}: {why}")
    drop(home, record)
    return left


CLUSTER = "in the cluster: "


def _parts(
    home: Home, record: Mapping[str, Any], known: Mapping[str, str]
) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """What the record names, and how it is removed."""
    tag = str(record.get("tag", ""))
    supervisor: Mapping[str, Any] = record.get("supervisor") or {}
    if supervisor:
        cgroup = str(supervisor.get("cgroup") or "")
        own = cgroup if Path(cgroup).name == f"{cgroups.PREFIX}{tag}" else ""
        ends = partial(asyncio.to_thread, end_trial, int(supervisor["pid"]), str(supervisor["started"]), own)
        yield "its programs", ends
    if entries := record.get("cluster"):
        from seatrial.engine.services.cluster_owner import removals  # its client is an extra

        for name, remove in removals(entries, tag):
            yield f"{CLUSTER}{name}", remove
    if container := record.get("container"):
        name = str(container["name"])
        yield f"container {name}", partial(take_away, engines.again(container), "container", name)
    if stop := record.get("stop"):
        yield f"what `{' '.join(stop['argv'])}` removes", partial(_run_stop, stop, tag, known, home)
    yield "its processes", partial(_end_tagged, home.name, tag)


async def _run_stop(stop: Mapping[str, Any], tag: str, known: Mapping[str, str], home: Home) -> None:
    own = expressions.late.fill(stop.get("env") or {}, {**os.environ, **known})
    await run_stop(tuple(stop["argv"]), Path(stop["folder"]), {**environment(), **own, VARIABLE: tag}, home)


async def _end_tagged(name: str, tag: str) -> None:
    """Kill the processes with the tag: a killed supervisor has let them go."""
    alive: list[int] = []
    for _ in range(100):
        alive = [pid for pid in tagged(tag) if process_start(pid)] if tag else []
        if not alive:
            return
        for pid in alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)
    raise LeftBehind(f"the service {name}: processes {alive} did not end after SIGKILL")


def drop(home: Home, record: Mapping[str, Any]) -> None:
    """Remove the rest of a service that has ended: its socket, its port's lease, its data and its record."""
    door.close(home.folder)
    if port := record.get("port"):
        Leases().release("port", f"127.0.0.1:{port}", str(record.get("tag", "")))
    data = Path(str(record.get("data") or home.folder / "data"))
    if not record.get("keep_data") and data.is_dir() and not data.is_symlink():
        shutil.rmtree(data, ignore_errors=True)
    home.forget()


async def clean_dead(*, dry_run: bool = False) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """The services whose keeper is dead and whose remains were removed, the living ones in words, and those left behind
    with the reason."""
    removed: list[str] = []
    living: list[str] = []
    left: list[tuple[str, str]] = []
    # A service that another one needs is removed after it: it may be the cluster in which that one is.
    for home in _users_first(homes()):
        record = home.read()
        held = -1 if home.kept else home.lock("keeper")
        if held < 0:
            living.append(f"service {home.name}: running, its keeper is process {record.get('keeper', '?')}")
            continue
        try:
            if dry_run or await end_remains(home):
                removed.append(f"service {home.name} (its keeper was killed)")
        except (SeatrialError, OSError) as error:
            left.append((home.name, str(error)))
        finally:
            os.close(held)
    return removed, living, left


def _users_first(found: Sequence[Home]) -> list[Home]:
    needs = {home.name: set(map(str, home.read().get("needs") or ())) for home in found}
    ordered: list[Home] = []
    while len(ordered) < len(found):
        rest = [home for home in found if home not in ordered]
        free = [home for home in rest if not any(home.name in needs[other.name] for other in rest if other != home)]
        ordered += free or rest[:1]
    return ordered
