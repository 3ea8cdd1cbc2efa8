"""From documents to a plan: read, validated and selected, without the imports of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seatrial.app.project import Project, find, within
from seatrial.app.run_options import RunOptions
from seatrial.errors import NothingSelected, UsageError, nearest
from seatrial.model.scenario import Plan
from seatrial.registry import Registry


def plan_documents(
    paths: Sequence[Path], options: RunOptions, *, project: Project | None = None, registry: Registry | None = None,
    open_ended: bool = False, unwritten: Mapping[Path, str] | None = None,
) -> Plan:  # fmt: skip
    """Read, validate and select, without running. DocumentError has all problems of all files. `open_ended`: the plan
    takes further steps. `unwritten`: the texts of documents not yet written."""
    from seatrial.loading.compilation import compile_documents
    from seatrial.systems.processes.sample import SAMPLE

    project = project or find(options.project)
    registry = registry or project.registry(options.plugins)
    settings = project.with_flags(flags_of(options)).settings
    documents, found = _documents(paths, project)
    warnings: list[str] = []
    if options.confined:
        documents, warnings = _without_links_out(documents, project)
    plan: Plan = compile_documents(
        documents,
        registry,
        settings,
        providers=options.providers,
        on=options.on,
        overrides=options.overrides,
        sample=SAMPLE,
        found=found,
        open_ended=open_ended,
        unwritten=unwritten,
    )
    plan = replace(plan, warnings=(*warnings, *plan.warnings))
    return selected(plan, options, project)


def _without_links_out(documents: Sequence[Path], project: Project) -> tuple[list[Path], list[str]]:
    """The documents in the project, and a warning for each that a link leads out; UsageError if none is left."""
    root = project.folder.resolve()
    inner = [path for path in documents if path.resolve().is_relative_to(root)]
    links = [f"not read: {path} leads out of the project by a link" for path in documents if path not in inner]
    if links and not inner:
        raise UsageError("; ".join(links))
    return inner, links


def _documents(paths: Sequence[Path], project: Project) -> tuple[list[Path], frozenset[Path]]:
    """The documents, and those among them that were found in a folder instead of named."""
    if not paths:
        scenarios = project.scenarios()
        return scenarios, frozenset(scenarios)
    documents: list[Path] = []
    found: set[Path] = set()
    for path in map(Path, paths):
        files = within(path) if path.is_dir() else [path]
        if not files:
            raise UsageError(f"{path}: no documents (*.yaml, *.yml, *.json) in this folder")
        documents += files
        found |= set(files) if path.is_dir() else set()
    return documents, frozenset(found - {Path(path) for path in paths})


def flags_of(options: RunOptions) -> dict[str, object]:
    flags = {
        "parallel": options.parallel,
        "keep": options.keep,
        "max_concurrent_nodes": options.max_nodes,
        "max_memory_gb": options.max_memory_gb,
        "report_dir": str(options.report_dir) if options.report_dir else None,
    }
    return {name: value for name, value in flags.items() if value is not None}


def selected(plan: Plan, options: RunOptions, project: Project) -> Plan:
    """The plan with the selected suites only, in the same order."""
    suites = plan.suites
    if options.tests:
        known = {suite.test_id for suite in suites}
        names = {suite.name for suite in suites}
        suites = tuple(suite for suite in suites if suite.test_id in options.tests or suite.name in options.tests)
        for wanted in options.tests:
            if wanted not in known | names:
                kind = UsageError if suites else NothingSelected
                raise kind(f"no suite {wanted!r}: {nearest(wanted, known | names, what='suites')}")
    if options.rerun:
        passed = _passed_in(project, options.rerun)
        if suites and passed >= {suite.test_id for suite in suites}:
            raise NothingSelected(f"every suite passed in run {options.rerun!r}: nothing to rerun")
        suites = tuple(suite for suite in suites if suite.test_id not in passed)
    if options.shard:
        index, count = options.shard
        suites = suites[index - 1 :: count]
    return replace(plan, suites=suites)


def _passed_in(project: Project, run: str) -> set[str]:
    file = project.run_folder(run) / "results.json"
    try:
        rows = json.loads(file.read_text())["results"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"could not read {file} for --rerun: {error}") from error
    return {row["test_id"] for row in rows if row.get("success")}
