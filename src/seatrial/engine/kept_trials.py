"""What another process needs to run steps on a kept cluster: saved beside the nodes, and taken up again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from seatrial.engine.trial import Trial
from seatrial.errors import NotSupported
from seatrial.links.paths import write_whole
from seatrial.model.frozen import frozen
from seatrial.model.scenario import Outputs
from seatrial.model.values import json_safe
from seatrial.spi import Context, Resumes

FILE = "kept.json"
"""In the private folder of the trial."""


@frozen(kw_only=False)
class ResumeStep:
    """Take up a kept cluster."""

    decides: ClassVar[bool] = False
    memory: Mapping[str, Any]

    async def run(self, ctx: Context) -> Outputs:
        """CannotTell when the system cannot continue with it. Outputs: `nodes`."""
        if not isinstance(ctx.system, Resumes):
            raise NotSupported(f"the system {ctx.suite.system.kind!r} cannot continue with a kept cluster")
        await ctx.system.resume(ctx, self.memory)
        return {"nodes": [node.name for node in await ctx.nodes()]}


def save(trial: Trial, ctx: Context) -> None:
    """Write what the trial knows; nothing for a system that cannot continue."""
    if not isinstance(trial.system, Resumes):
        return
    known = {
        "parameters": trial.suite.parameters,
        "outputs": trial.outputs,
        "variables": trial.variables,
        "node_names": trial.node_names,
        "was_up": trial.was_up,
        "memory": trial.system.remember(),
    }
    file = ctx.state / FILE
    write_whole(file, json.dumps(json_safe(known)))
    file.chmod(0o600)


def load(state: Path) -> dict[str, Any] | None:
    """What `save` wrote in this folder; None if there is nothing."""
    try:
        known: dict[str, Any] = json.loads((state / FILE).read_text())
    except FileNotFoundError:
        return None
    return known


def take_up(trial: Trial, known: Mapping[str, Any]) -> None:
    """Give a new trial of the cluster what the last one knew; its system gets its memory by `ResumeStep`."""
    trial.outputs.update(known["outputs"])
    trial.variables.update(known["variables"])
    trial.node_names.update(known["node_names"])
    trial.was_up, trial.made_something = bool(known["was_up"]), True
