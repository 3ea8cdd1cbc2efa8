"""States of containers: simultaneous questions share one call of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from seatrial.links.containers import Engine, NoSuchThing
from seatrial.providers.batches import Batches

FORM = "{{.Name}}|{{.State.Status}}|{{.State.StartedAt}}|{{.State.ExitCode}}|{{.State.OOMKilled}}"

MOST = 16
"""Most calls of one engine at the same time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One container, as its engine says it."""

    status: str
    boot: str
    """When its init was started."""
    code: str
    """The exit code of the last init."""
    out_of_memory: bool


class Looks:
    """Inspects containers; an answer always comes from a call begun after the question."""

    def __init__(self) -> None:
        self._batches: dict[str, Batches[Seen]] = {}

    async def at(self, engine: Engine, container: str) -> Seen:
        """One container now; NoSuchThing, CannotTell."""
        key = repr(engine)
        if key not in self._batches:
            self._batches[key] = Batches(partial(_inspected, engine), NoSuchThing, most=MOST)
        return await self._batches[key].at(container)


async def _inspected(engine: Engine, containers: Sequence[str]) -> Mapping[str, Seen]:
    what = f"looking at {', '.join(containers)}"
    lines = (await engine.call("container", "inspect", "--format", FORM, *containers, what=what)).splitlines()
    seen = {}
    for line in lines:
        name, status, boot, code, out_of_memory = line.strip().split("|")
        seen[name.removeprefix("/")] = Seen(status, boot, code, out_of_memory == "true")
    return seen
