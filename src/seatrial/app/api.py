"""The Python API: `seatrial.load`, `seatrial.plan` and `seatrial.run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.app.run_options import RunReport
    from seatrial.model.scenario import Plan


def load(path: Path | str) -> Plan:
    """Read one document: all its suites, on the providers they name. DocumentError has all that is wrong in it."""
    return plan(path)


def plan(*paths: Path | str, **run_options: Any) -> Plan:
    """Read documents and select suites; nothing is started. The options are the fields of `RunOptions`."""
    from seatrial.app.run import plan_documents
    from seatrial.app.run_options import RunOptions

    return plan_documents([Path(path) for path in paths], RunOptions(**run_options))


async def run(planned: Plan | Path | str | Sequence[Path | str], **run_options: Any) -> RunReport:
    """Run a plan, or plan and run documents; give everything back; say how it ended.

    Shows nothing unless `format` asks for it; a failed suite is in the report, and not an exception.
    """
    from seatrial.app.project import find
    from seatrial.app.run import run_documents, run_plan
    from seatrial.app.run_options import RunOptions
    from seatrial.model.scenario import Plan

    options = RunOptions(**{"format": "none", **run_options})
    if isinstance(planned, Plan):
        project = find(options.project)
        return await run_plan(planned, options, project=project, registry=project.registry(options.plugins))
    paths = [planned] if isinstance(planned, Path | str) else planned
    return await run_documents([Path(path) for path in paths], options)
