"""Checks of your own: a decorated dataclass with `observe`, or a plain function that returns True or False."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import seatrial
from seatrial.links.http import request
from seatrial.model.result import Observation, failed, passed
from seatrial.spi import Context


@seatrial.check("note_count")
@dataclass(frozen=True, kw_only=True)
class NoteCount:
    """Every node has this number of notes. A silent node raises: unknown, not failed."""

    count: int

    async def observe(self, ctx: Context) -> Observation:
        """One look at all nodes; `validate` does the retries."""
        seen: dict[str, int] = {}
        for node in await ctx.nodes():
            answer = await request("GET", f"http://{node.address}:{node.ports['client']}/records")
            seen[node.name] = sum(1 for key in answer.json() if key.startswith("note-"))
        judge = passed if set(seen.values()) == {self.count} else failed
        return judge(seen, self.count)


@seatrial.check("deploy_dir_is_clean", description="The deployer left no lock file", allow_failure=True)
def deploy_dir_is_clean(context: Any) -> bool:
    """A plain function, as teams have them: True is passed, False failed, an exception unknown."""
    return not (Path(context["deploy_dir"]) / ".lock").exists()
