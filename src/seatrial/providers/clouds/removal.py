"""Removing machines and parts by their records alone; lists that lag, and calls whose answers were lost, included."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from seatrial.errors import CannotTell
from seatrial.model.resource import Resource
from seatrial.providers.batches import Batches
from seatrial.providers.clouds.naming import PREFIX, ids_of, of_node
from seatrial.providers.clouds.tags import TRIAL, Tagging
from seatrial.providers.clouds.vendor import Cloud, CloudRefused, Denied, NoSuchThing, Part

T = TypeVar("T")

LOOK_AGAIN, LOOK_AGAIN_AT_MOST = 0.2, 2.0
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


class Lists:
    """What there is of a trial, listed once for all removals that want to know at the same time: a list for each
    machine would use up the vendor's limit of requests."""

    def __init__(self, cloud: Cloud, tagging: Tagging) -> None:
        self.tagging = tagging
        self.machines = self._batches(cloud.machines)
        self.parts = self._batches(cloud.parts)

    def _batches(self, listed: Callable[..., Awaitable[Sequence[T]]]) -> Batches[Sequence[T]]:
        async def of(trials: Sequence[str]) -> Mapping[str, Sequence[T]]:
            tags = [self.tagging.write({TRIAL: trial}) for trial in trials]
            return dict(zip(trials, await asyncio.gather(*(listed(tags=one) for one in tags)), strict=True))

        return Batches(of, NoSuchThing, most=1)


async def machine_gone(cloud: Cloud, lists: Lists, resource: Resource, lag: float, deadline: float) -> None:
    """Destroy the machine of this record with its disks and addresses, and return once no list shows them. CannotTell
    for a name without Seatrial's prefix: a damaged record must not destroy another's machine."""
    name, node, trial = str(resource.detail["machine"]), str(resource.detail.get("node")), resource.trial
    if not name.startswith(PREFIX) or len(name) < len(PREFIX) + 10 or not trial or f"{PREFIX}{trial}-{node}" != name:
        raise CannotTell(f"{name!r} is not the name of a machine created by Seatrial: nothing is destroyed")
    hidden = may_appear(name, resource.detail, lag)
    clock, sent, seen, shown = asyncio.get_running_loop().time, dict[str, float](), set[str](), set[str]()
    end, pause = clock() + deadline, LOOK_AGAIN
    while True:
        machines = {m.id: m for m in of_node(await lists.machines.at(trial), trial, node, lists.tagging)}
        alive = {id: machine for id, machine in machines.items() if not machine.gone}
        own, shown = ASKED.get(name, ""), shown | set(machines)
        # A list that showed it before its removal, and shows it no more, has told its end; one that never did may lag.
        late = own and own not in machines and not (own in shown and own in sent) and time.time() < hidden
        ids = set(alive) | ({own} if late else set())
        seen |= ids | ({own} & set(machines))
        if not ids and (seen or time.time() >= hidden):
            break  # one record has one machine: nothing else may appear
        if clock() > end:
            words = ", ".join(f"{machine.id} ({machine.word})" for machine in alive.values()) or "its creation"
            raise CannotTell(f"the machine {name} was not gone within {deadline:g} s: the cloud still shows {words}")
        for id in ids:
            if clock() - sent.get(id, float("-inf")) > BELIEVED:  # a refusal while it is busy, or a lost call
                with suppress(NoSuchThing):
                    await _taken(cloud, id, busy=id in alive and alive[id].busy, sent=sent, now=clock())
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, LOOK_AGAIN_AT_MOST)
    for part in await lists.parts.at(trial):
        if (ids_of(part, lists.tagging) or ("", "", ""))[1:] == (trial, node):
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
