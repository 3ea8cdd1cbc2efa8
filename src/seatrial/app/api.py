"""The Python API: `seatrial.load`, `seatrial.plan` and `seatrial.run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.app.run_options import RunReport
    from seatrial.model.scenario import Plan


def load(path: Path | str) -> Plan:
    """Read all suites of one document. DocumentError has all its problems."""
    return plan(path)


def plan(*paths: Path | str, **run_options: Any) -> Plan:
    """Read documents and select suites, without running them. The options are the fields of `RunOptions`."""
    from seatrial.app.planning import plan_documents
    from seatrial.app.run_options import RunOptions

    return plan_documents([Path(path) for path in paths], RunOptions(**run_options))


async def run(plan_or_paths: Plan | Path | str | Sequence[Path | str], **run_options: Any) -> RunReport:
    """Run a plan, or plan and run documents; clean up; return a report.

    Prints nothing unless you set `format`. A failed suite is in the report, not an exception.
    """
    from seatrial.app.project import find
    from seatrial.app.run import run_documents, run_plan
    from seatrial.app.run_options import RunOptions
    from seatrial.model.scenario import Plan

    options = RunOptions(**{"format": "none", **run_options})
    if isinstance(plan_or_paths, Plan):
        project = find(options.project)
        return await run_plan(plan_or_paths, options, project=project, registry=project.registry(options.plugins))
    paths = [plan_or_paths] if isinstance(plan_or_paths, Path | str) else plan_or_paths
    return await run_documents([Path(path) for path in paths], options)
