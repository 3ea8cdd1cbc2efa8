"""A plan as data, for `--format json`, agents and other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seatrial.app.pipelines import is_pipeline, pipeline_of
from seatrial.app.project import Project
from seatrial.app.run_options import RunOptions
from seatrial.errors import DocumentError, Problem, UsageError
from seatrial.model.scenario import Plan, StepPlan, Suite
from seatrial.model.values import json_safe
from seatrial.model.written import as_written
from seatrial.registry import Registry


def documents_of(paths: Sequence[Path], project: Project) -> tuple[list[Path], list[Path]]:
    """The scenarios and the pipelines among these documents, or in the project if there are none. Unreadable files
    count as scenarios, whose reader reports them."""
    if paths:
        pipelines = [path for path in paths if path.is_file() and is_pipeline(path)]
        return [path for path in paths if path not in pipelines], pipelines
    try:
        pipelines = [pipeline_of(None, project)]
    except UsageError:  # no pipeline
        pipelines = []
    here = [path for path in pipelines if path.resolve().is_relative_to(project.folder.resolve())]
    named = project.settings.value("scenarios") or (project.folder / "scenarios").is_dir()
    return (project.scenarios() if named or not here else []), here


def outlines_of(pipelines: Sequence[Path], run: RunOptions) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The outlines of pipelines, and the problems of the invalid ones."""
    if not pipelines:
        return [], []
    from seatrial.app.preflight import PreflightOptions, outline

    outlines: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for path in pipelines:
        try:
            outlines.append(outline(PreflightOptions(document=path, run=run)))
        except DocumentError as error:
            problems += error.problems
    return outlines, problems


def powers_of(suite: Suite, registry: Registry) -> list[str]:
    """The powers over the nodes of a suite, from its provider and system."""
    from seatrial.spi import Powers, own_powers

    provider: frozenset[Powers] = registry.get("provider", suite.provider).powers
    powers = provider | own_powers(suite.system.factory, suite.system.settings)
    if suite.power == "guest":
        powers &= {Powers.LIST, Powers.GUEST_STOP, Powers.GUEST_REBOOT, Powers.GUEST_CRASH}
    return sorted(map(str, powers))


def suite_data(suite: Suite) -> dict[str, Any]:
    """One suite with its steps and checks."""
    return {
        "test_id": suite.test_id,
        "name": suite.name,
        "provider": suite.named_provider,
        "description": suite.description,
        "document": suite.source.file,
        "nodes": suite.nodes,
        "memory_gb": suite.memory_gb,
        "parameters": json_safe(as_written(dict(suite.parameters))),
        "skip": suite.skip,
        "steps": [_step_data(step) for step in suite.steps],
    }


def _step_data(step: StepPlan) -> dict[str, Any]:
    data: dict[str, Any] = {"step": step.kind, "id": step.id, "description": step.description}
    if step.kind == "validate":
        data["checks"] = checks_of(step)
    if step.children:
        data["steps"] = [_step_data(child) for child in step.children]
    return data


def checks_of(step: StepPlan) -> list[str]:
    """The checks of a step `validate`, as in the document; none for other steps."""
    checks = step.fields.get("checks", ()) if step.kind == "validate" else ()
    return [getattr(check, "text", str(check)) for check in checks]


def check_data(plan: Plan, project: Project, registry: Registry) -> dict[str, Any]:
    """A valid plan."""
    return {
        "success": True,
        "exit_code": 0,
        "problems": [],
        "warnings": list(plan.warnings),
        "documents": list(plan.documents),
        "project": str(project.folder),
        "budget": {"parallel": plan.budget.parallel, "nodes": plan.budget.nodes, "memory_gb": plan.budget.memory_gb},
        "suites": [{**suite_data(suite), "powers": powers_of(suite, registry)} for suite in plan.suites],
    }
