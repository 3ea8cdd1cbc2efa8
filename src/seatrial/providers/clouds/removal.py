"""Removing machines and parts by their records alone; lists that lag, and calls whose answers were lost, included."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from seatrial.errors import CannotTell
from seatrial.model.resource import Resource
from seatrial.providers.clouds.naming import PREFIX, of_node
from seatrial.providers.clouds.tags import NODE, TRIAL, Tagging
from seatrial.providers.clouds.vendor import Cloud, CloudRefused, Denied, NoSuchThing, Part

LOOK_AGAIN = 0.2
BELIEVED = 30.0
"""Seconds after which a machine that stays as it is, though the cloud took its removal, is left behind."""

UNSENT = 900.0
"""Seconds from the record of a machine until its creation was sent or given up."""

ASKED: dict[str, str] = {}
"""Name of each machine that this process wanted, to its identifier; empty: its creation was never sent or answered. It
has an identifier before any list shows it, and another instance of the provider may have to remove it."""
SENT: set[str] = set()
"""Names of machines and parts whose creation this process has sent."""


def may_appear(name: str, detail: object, lag: float) -> float:
    """The time (as `time.time`) until which a list may lack it. Its request may have left only now, whatever the age of
    its record."""
    if name in ASKED and name not in SENT:
        return 0.0
    begun, now = detail.get("begun") if isinstance(detail, dict) else None, time.time()
    return now + lag if isinstance(begun, int | float) and now < begun + UNSENT + lag else 0.0


async def machine_gone(cloud: Cloud, tagging: Tagging, resource: Resource, lag: float, deadline: float) -> None:
    """Destroy the machine of this record with its disks and addresses, and return once no list shows them. CannotTell
    for a name without Seatrial's prefix: a damaged record must not destroy another's machine."""
    name, node, trial = str(resource.detail["machine"]), str(resource.detail.get("node")), resource.trial
    if not name.startswith(PREFIX) or len(name) < len(PREFIX) + 10 or not trial or f"{PREFIX}{trial}-{node}" != name:
        raise CannotTell(f"{name!r} is not the name of a machine created by Seatrial: nothing is destroyed")
    tags, hidden = tagging.write({TRIAL: trial, NODE: node}), may_appear(name, resource.detail, lag)
    clock, sent, seen = asyncio.get_running_loop().time, dict[str, float](), set[str]()
    end = clock() + deadline
    while True:
        machines = {m.id: m for m in of_node(await cloud.machines(tags=tags), trial, node, tagging)}
        alive = {id: machine for id, machine in machines.items() if not machine.gone}
        own = ASKED.get(name, "")
        ids = set(alive) | ({own} if own and own not in machines and time.time() < hidden else set())
        seen |= ids | ({own} & set(machines))
        if not ids and (seen or time.time() >= hidden):
            break  # one record has one machine: nothing else may appear
        if clock() > end:
            shown = ", ".join(f"{machine.id} ({machine.word})" for machine in alive.values()) or "its creation"
            raise CannotTell(f"the machine {name} was not gone within {deadline:g} s: the cloud still shows {shown}")
        for id in ids:
            if clock() - sent.get(id, float("-inf")) > BELIEVED:  # a refusal while it is busy, or a lost call
                with suppress(NoSuchThing):
                    await _taken(cloud, id, busy=id in alive and alive[id].busy, sent=sent, now=clock())
        await asyncio.sleep(LOOK_AGAIN)
    for part in await cloud.parts(tags=tags):
        await part_gone(cloud, part, end - clock())
    ASKED.pop(name, None)
    SENT.discard(name)


async def _taken(cloud: Cloud, id: str, *, busy: bool, sent: dict[str, float], now: float) -> None:
    try:
        await cloud.destroy(id)
        sent[id] = now
    except (NoSuchThing, Denied):
        raise
    except CloudRefused:
        if not busy:
            raise


async def part_gone(cloud: Cloud, part: Part, deadline: float) -> None:
    """Remove a part once nothing uses it any more; CannotTell with the cloud's last words after the deadline."""
    if not part.name.startswith(PREFIX) and not part.tags:
        raise CannotTell(f"{part.name!r} is not the name of a {part.kind} created by Seatrial: nothing is removed")
    clock = asyncio.get_running_loop().time
    end, pause = clock() + max(deadline, 1.0), LOOK_AGAIN
    while True:
        try:
            return await cloud.remove_part(part)
        except (NoSuchThing, Denied) as error:
            if isinstance(error, Denied):
                raise
            return None
        except CloudRefused:
            if clock() + pause > end:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 3.0)
