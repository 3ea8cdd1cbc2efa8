"""`list` and `check`: show and validate documents without starting anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from seatrial.cli.parser import FORMAT, Arguments, Command, flag
from seatrial.cli.run import SELECTION, options_of
from seatrial.errors import NothingSelected
from seatrial.reports.words import count

if TYPE_CHECKING:
    from seatrial.app.project import Project
    from seatrial.model.scenario import Plan, StepPlan, Suite
    from seatrial.registry import Registry


def list_suites(arguments: Arguments) -> int:
    """One line per suite."""
    from seatrial.app.plans import suite_data

    plan, _, _ = _plan(arguments)
    if arguments.format == "json" and plan.suites:
        _print_json([suite_data(suite) for suite in plan.suites])
        return 0
    _warn(plan)
    if not plan.suites:
        raise NothingSelected("no suite was selected; `seatrial list` shows all suites")
    rows = [_row(suite) for suite in plan.suites]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        line = "  ".join([*(f"{text:<{width}}" for text, width in zip(row, widths, strict=False)), row[-1]])
        sys.stdout.write(line.rstrip() + "\n")
    return 0


def _row(suite: Suite) -> tuple[str, str, str, str]:
    about = f"skipped: {suite.skip}" if suite.skip else suite.description
    return suite.test_id, count(suite.nodes, "node"), count(len(suite.steps), "step"), about


def check(arguments: Arguments) -> int:
    """Validate and plan; report every problem in every file."""
    from seatrial.app.plans import check_data, documents_of, outlines_of
    from seatrial.app.project import find
    from seatrial.errors import DocumentError

    if arguments.isolation:
        return _check_isolation(arguments)
    scenarios, pipelines = documents_of(arguments.paths, find())
    arguments.paths = scenarios if arguments.paths else []
    outlines, problems = outlines_of(pipelines, options_of(arguments))
    if pipelines and not scenarios:
        if problems:
            raise DocumentError(problems)
        return _print_pipelines(outlines, arguments)
    try:
        plan, project, registry = _plan(arguments)
    except DocumentError as error:
        raise (DocumentError([*problems, *error.problems]) if problems else error) from None
    if problems:
        raise DocumentError(problems)
    if arguments.format == "json" and plan.suites:
        _print_json(check_data(plan, project, registry) | ({"pipelines": outlines} if outlines else {}))
        return 0
    _warn(plan)
    if not plan.suites:
        raise NothingSelected("no suite was selected; the documents have no other problem")
    if arguments.verbose:
        _print_settings(project)
        for suite in plan.suites:
            _print_suite(suite, registry)
    steps = sum(_steps_in(suite.steps) for suite in plan.suites)
    skipped = sum(1 for suite in plan.suites if suite.skip)
    skips = f", {skipped} would be skipped here" if skipped else ""
    suites, documents = count(len(plan.suites), "suite"), count(len(plan.documents), "document")
    content = f"{suites} with {count(steps, 'step')} in {documents}{skips}"
    sys.stdout.write(f"{content}: no problems found, nothing was started\n")
    return _print_pipelines(outlines, arguments)


def _check_isolation(arguments: Arguments) -> int:
    from seatrial.app.isolation import scan
    from seatrial.app.project import find
    from seatrial.errors import DocumentError

    problems, files = scan(arguments.paths, find().folder)
    if problems:
        raise DocumentError(problems)
    if arguments.format == "json":
        _print_json({"success": True, "exit_code": 0, "problems": []})
    else:
        sys.stdout.write(f"{count(files, 'file')}: nothing found that makes trials collide\n")
    return 0


def _print_pipelines(outlines: list[dict[str, Any]], arguments: Arguments) -> int:
    if arguments.format == "json":
        _print_json({"success": True, "exit_code": 0, "problems": [], "suites": [], "pipelines": outlines})
        return 0
    for pipeline in outlines:
        for warning in pipeline["warnings"]:
            sys.stderr.write(f"warning: {warning}\n")
        checks = sum(len(stage["checks"]) for stage in pipeline["stages"].values())
        content = f"{count(checks, 'check')} in {count(len(pipeline['stages']), 'stage')}"
        sys.stdout.write(f"pipeline {pipeline['name']}: {content}: no problems found, nothing was started\n")
    return 0


def _plan(arguments: Arguments) -> tuple[Plan, Project, Registry]:
    from seatrial.app.planning import flags_of, plan_documents
    from seatrial.app.project import find

    options = options_of(arguments)
    project = find(options.project)
    registry = project.registry(options.plugins)
    plan = plan_documents(arguments.paths, options, project=project, registry=registry)
    return plan, project.with_flags(flags_of(options)), registry


def _warn(plan: Plan) -> None:
    for warning in plan.warnings:
        sys.stderr.write(f"warning: {warning}\n")


def _print_json(data: object) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def _steps_in(steps: Iterable[StepPlan]) -> int:
    return sum(1 + _steps_in(step.children) for step in steps)


def _print_settings(project: Project) -> None:
    sys.stdout.write(f"project {project.folder}\n")
    for setting in project.settings:
        shown = json.dumps(setting.value, default=str, ensure_ascii=False)
        sys.stdout.write(f"  {setting.name:<22} {shown:<24} {setting.origin}\n")


def _print_suite(suite: Suite, registry: Registry) -> None:
    from seatrial.app.plans import powers_of

    facts = {
        "document": suite.source.file,
        "about": suite.description,
        "provider": suite.named_provider + (" (powers inside the guest only)" if suite.power == "guest" else ""),
        "system": suite.system.kind,
        "nodes": str(suite.nodes),
        "parameters": ", ".join(f"{name}={_shown(value)}" for name, value in suite.parameters.items()),
        "powers": ", ".join(powers_of(suite, registry)),
        "skipped": suite.skip,
    }
    sys.stdout.write(f"\n{suite.test_id}\n")
    for name, text in facts.items():
        if text:
            sys.stdout.write(f"  {name:<11} {text}\n")
    _print_steps(suite.steps, "")


def _shown(value: object) -> str:
    """A value in the notation of documents."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _print_steps(steps: Iterable[StepPlan], above: str) -> None:
    from seatrial.app.plans import checks_of

    for number, step in enumerate(steps, 1):
        path = f"{above}{number}"
        name = f"[{step.id}]" if step.id not in ("", step.kind) else ""
        about = "  ".join(part for part in (step.kind, name, step.description) if part)
        indent = "  " * (path.count(".") + 1)
        condition = f"  if {step.condition}" if step.condition else ""
        sys.stdout.write(f"{indent}{path:>3} {about}{condition}\n")
        for check in checks_of(step):
            sys.stdout.write(f"{indent}      - {check}\n")
        _print_steps(step.children, f"{path}.")


COMMANDS = {
    "list": Command(
        act=list_suites,
        arguments=(*SELECTION, FORMAT),
        examples=(
            ("list", "the suites of the project's scenarios"),
            ("list suites/ --provider local,libvirt", "the suites of two providers"),
            ("list --format json", "as JSON, with steps and checks"),
        ),
    ),
    "check": Command(
        act=check,
        arguments=(
            *SELECTION,
            FORMAT,
            flag(
                "--isolation",
                help="in place of validation, look in documents, scripts, Makefiles and manifests for what makes "
                "trials collide",
            ),
            flag("-v", "--verbose", help="show settings with their sources, steps, nodes and powers"),
        ),
        more="Reports all problems in all files at once, with file:line:column. Exit code 2 if there are any.",
        examples=(
            ("check", "the project's scenarios"),
            ("check failover.yaml -v", "with steps, nodes, powers, and the sources of settings"),
            ("check pipeline.yaml", "a pipeline for `seatrial preflight`"),
            ("check a.yaml --on hetzner", "whether it would work on another provider"),
            ("check --isolation", "fixed names, ports, files and namespaces in the whole project"),
            ("check --format json", "for editors and CI"),
        ),
    ),
}
