"""States of containers: simultaneous questions share one call of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from seatrial.links.containers import Engine, NoSuchThing

FORM = "{{.Name}}|{{.State.Status}}|{{.State.StartedAt}}|{{.State.ExitCode}}|{{.State.OOMKilled}}"

Asked = dict[str, asyncio.Future["Seen"]]


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
        self._asked: dict[str, Asked] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def at(self, engine: Engine, container: str) -> Seen:
        """One container now; NoSuchThing, CannotTell."""
        loop, key = asyncio.get_running_loop(), repr(engine)
        if key not in self._asked:
            self._asked[key] = {}
            call = loop.create_task(self._ask(engine, key))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        answer = self._asked[key].setdefault(container, loop.create_future())
        return await asyncio.shield(answer)

    async def _ask(self, engine: Engine, key: str) -> None:
        await asyncio.sleep(0)  # all who ask in this turn of the loop are in time
        await _answer(engine, self._asked.pop(key))


async def _answer(engine: Engine, asked: Asked) -> None:
    try:
        seen = await _inspected(engine, *asked)
        for name, future in asked.items():
            if not future.done():
                future.set_result(seen[name])
    except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
        if isinstance(error, NoSuchThing) and len(asked) > 1:  # a missing one must not hide the others
            await asyncio.gather(*(_answer(engine, {name: future}) for name, future in asked.items()))
            return
        for future in asked.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # it is seen, also when nobody waits any more


async def _inspected(engine: Engine, *containers: str) -> Mapping[str, Seen]:
    what = f"looking at {', '.join(containers)}"
    said = await engine.call("container", "inspect", "--format", FORM, *containers, what=what)
    found = {}
    for line in said.splitlines():
        name, status, boot, code, out_of_memory = line.strip().split("|")
        found[name.removeprefix("/")] = Seen(status, boot, code, out_of_memory == "true")
    return found
