"""The end of a deployment from its record in the ledger alone: its `destroy`, and whether anybody still reports it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import Overrun, SeatrialError, StepFailed
from seatrial.expressions import late
from seatrial.links.output import end
from seatrial.links.paths import shown
from seatrial.links.process.spawned import supervising
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Resource
from seatrial.spi.output import Output, cleanup_output
from seatrial.systems.command import health_parsing, status_parsing, verbs
from seatrial.systems.command.settings import HealthSettings, StatusSettings


async def remove(resource: Resource) -> None:
    """Run the deployment's `destroy`; StepFailed when it fails, or when the deployer's `status` or `health` reports the
    deployment afterwards."""
    detail: Mapping[str, Any] = resource.detail
    with cleanup_output.get()(Path(detail["log"])) as output:
        async with supervising(resource.trial) as supervisor:
            said = await verbs.run(_recorded("destroy", detail), supervisor, output)
        if still := await _still_there(detail.get("confirm") or {}, resource.trial, output):
            text = f"destroy ended with exit code {said.exit_code}, but {still} (output: {shown(output.file)})"
            raise StepFailed(text, evidence=end(said.stdout, 500))


def _recorded(verb: str, detail: Mapping[str, Any]) -> verbs.Call:
    """A call from its record in the ledger, with this environment's secrets."""
    environment = dict(os.environ)
    return verbs.Call(
        verb=verb,
        argv=tuple(late.fill(detail["argv"], environment)),
        cwd=detail["cwd"],
        env={**environment, **late.fill(detail["env"], environment)},
        timeout=float(detail["timeout"]),
        accept=tuple(detail["accept"]),
        grace=float(detail.get("grace", 10.0)),  # older ledgers have none
    )


async def _still_there(confirm: Mapping[str, Any], trial: str, output: Output) -> str:
    """Why a deployment may still exist after its `destroy`; empty: nobody reports one."""
    told: dict[str, status_parsing.Answer] = {}
    for verb, call in (confirm.get("calls") or {}).items():
        try:
            async with supervising(trial) as supervisor:
                said = await verbs.run(_recorded(verb, call), supervisor, output)
            told[verb] = status_parsing.document(verb, said)
        except (Overrun, verbs.Killed) as error:
            return f"whether it is gone is not known: {error}"
        except (SeatrialError, OSError):
            continue  # nobody is left to answer
    where = StatusSettings(**{"state": confirm.get("state", ""), **confirm.get("status_json", {})})
    status, words = told.get("status", {}), confirm.get("states", {})
    state = status_parsing.state_of(status, where, absent="") or ""
    if (word := status_parsing.word(state, words)) not in status_parsing.GONE:
        return f"its status says {word}"
    for node, power in status_parsing.powers(status_parsing.nodes_of(status, where), where, words).items():
        if power.value is PowerState.RUNNING:
            return f"its status says that {node} is running"
    health, where_health = told.get("health", {}), HealthSettings(**confirm.get("health_json", {}))
    for part, count in health_parsing.sums(health, where_health).items():
        if count.passed:
            return f"its health says of {part}: {count}"
    if not status_parsing.at(health, where_health.nodes, "health", absent={}):
        return ""  # JSON of another shape, such as an error: nobody reports a node
    for node, parts in (health_parsing.listed(health, where_health) or {}).items():
        for part, reading in status_parsing.parts(parts, node, words).items():
            if reading.ok:
                return f"its health says that {part} of {node} is ok"
    return ""
