"""What an agent may look at: documents of the project, its runs, their logs. Nothing is started, nothing changed."""

from __future__ import annotations

import glob
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from seatrial.app import plans
from seatrial.app.init import schema_text as scenario_schema
from seatrial.app.inspect import described, seen
from seatrial.app.preflight import PreflightOptions, outline
from seatrial.app.preflight import schema_text as pipeline_schema
from seatrial.app.project import find
from seatrial.app.report import events_of, of_pipeline, rendered
from seatrial.app.run import plan_documents
from seatrial.app.run_options import RunOptions
from seatrial.errors import DocumentError, Problem, UsageError

REPORTS = ("results.json", "preflight.json", "result.json", "events.jsonl", "junit.xml", "ctrf.json", "test.log")
"""What a run writes itself, with every secret hidden."""

HIDDEN_IN = (("artifacts", "logs"), ("artifacts", "diagnostics"))
"""Folders of a suite in which the engine has hidden every secret before it wrote; what else is among the artifacts,
the product made."""

SCHEMAS = ("pipeline", "scenario")
"""Documents that have a JSON Schema."""

_RUN = re.compile(r"last|r[0-9a-z]+")

LARGEST = 200_000
"""Bytes of a log that one answer may have; of a JSON report, too."""


def documents(folder: Path, paths: Sequence[str]) -> dict[str, Any]:
    """What documents hold: suites of scenarios, stages and checks of pipelines; and all that is wrong in them. Without
    paths: those of the project."""
    project = find()
    scenarios, pipelines = plans.documents_of([inside(folder, one) for one in paths], project)
    held: dict[str, Any] = {
        "project": str(project.folder),
        "suites": [],
        "pipelines": [],
        "problems": [],
        "warnings": [],
    }
    if scenarios:
        try:
            options = RunOptions()
            registry = project.registry(options.plugins)
            plan = plan_documents(scenarios, options, project=project, registry=registry)
            told = plans.check_data(plan, project, registry)
            held["suites"], held["warnings"] = told["suites"], told["warnings"]
        except DocumentError as error:
            held["problems"] += _problems(error.problems)
    for path in pipelines:
        try:
            held["pipelines"].append(outline(PreflightOptions(document=path)))
        except DocumentError as error:
            held["problems"] += _problems(error.problems)
    held["ok"] = not held["problems"]
    return held


def in_short(held: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what only a closer look needs."""
    suites = [
        {name: suite[name] for name in ("test_id", "provider", "description", "document", "nodes", "skip")}
        | {"steps": len(suite["steps"])}
        for suite in held["suites"]
    ]
    pipelines = [
        {
            "name": one["name"],
            "document": one["document"],
            "checks": [check["id"] for stage in one["stages"].values() for check in stage["checks"]],
        }
        for one in held["pipelines"]
    ]
    return {**held, "suites": suites, "pipelines": pipelines}


def inside(folder: Path, path: str) -> Path:
    """A path of the project; UsageError for one that leads out of it, also through a link."""
    project = find().folder
    wanted = (folder / path).resolve()
    if not wanted.is_relative_to(project.resolve()):
        raise UsageError(f"{path!r} is not in the project {project}: this server reads and runs documents of it alone")
    return Path(path)


def _problems(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [asdict(problem) for problem in problems]


def schema(what: str) -> str:
    """The JSON Schema of `pipeline` or `scenario` documents."""
    return pipeline_schema() if what == "pipeline" else scenario_schema()


def named(run: str) -> str:
    """The name of a run; UsageError for a path, which other commands take: an agent reads runs of the project alone."""
    if not _RUN.fullmatch(run):
        raise UsageError(f"{run!r} is no run's id, nor the beginning of one, nor `last`; list_runs has the ids")
    return run


def runs(most: int) -> list[dict[str, Any]]:
    """The newest runs, the newest first."""
    project = find()
    found: list[dict[str, Any]] = []
    for folder in sorted(project.runs.glob("r*"), reverse=True):
        if len(found) == most:
            break
        try:
            results = json.loads((folder / "results.json").read_text())
        except (OSError, ValueError):
            results = {}
        found.append(
            {
                "run": folder.name,
                "started_at": results.get("started_at"),
                "finished": bool(results.get("finished")),
                "verdict": results.get("verdict", "unknown"),
                "exit_code": results.get("exit_code"),
                "documents": results.get("documents", []),
            }
        )
    return found


def result(run: str, form: str) -> str:
    """How a run ended, or stands: `compact`, `full` or `json`."""
    found = seen(named(run))
    events = events_of(found.folder)
    pipeline = of_pipeline(events)
    if form == "json":
        text = rendered("preflight_json" if pipeline else "json", events)
        if len(text) > LARGEST:
            raise UsageError(f"the JSON has {len(text)} characters; read {found.folder}/results.json by other means")
        return text
    head = f"run {found.results['run_id']}{': still going on' if found.living else ''}\n"
    if pipeline:
        return head + rendered("preflight" if form == "full" else "compact", events, live=found.living)
    return described(found, verbose=form == "full")


def log(run: str, file: str, *, lines: int, from_end: bool, skip: int) -> dict[str, Any]:
    """Lines of a log or report of a run. UsageError for what is no such file: what the product left among the
    artifacts may hold secrets, and is named but not shown."""
    folder = find().run_folder(named(run))
    wanted = PurePosixPath(file)
    if wanted.parts[:1] == ("artifacts",):  # as events name it: from the folder of its suite
        wanted = next((PurePosixPath(one.relative_to(folder)) for one in folder.glob(f"*/{glob.escape(file)}")), wanted)
    place = (folder / wanted).resolve()
    if wanted.is_absolute() and place.is_relative_to(folder):
        wanted = PurePosixPath(place.relative_to(folder))
    if ".." in wanted.parts or not place.is_relative_to(folder) or wanted.is_absolute():
        raise UsageError(f"{file!r} is not in the folder of the run; there are: {_listed(folder)}")
    if not _shown(wanted):
        raise UsageError(
            f"{file!r} is no log or report of Seatrial's own, and may hold secrets; there are: {_listed(folder)}"
        )
    text = _text(folder, place, file)
    all_lines = text.splitlines()
    rest = len(all_lines) - skip
    chosen = all_lines[max(0, rest - lines) : max(0, rest)] if from_end else all_lines[skip : skip + lines]
    return {"file": str(wanted), "lines_in_file": len(all_lines), "text": _bounded("\n".join(chosen))}


def _shown(path: PurePosixPath) -> bool:
    if len(path.parts) in (1, 2) and path.name in REPORTS:
        return True
    return path.parts[1:3] in HIDDEN_IN and len(path.parts) > 3


def _text(folder: Path, place: Path, file: str) -> str:
    try:
        # Not through a link, and not into a pipe that nobody writes to.
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise UsageError(f"{file!r} is no file; there are: {_listed(folder)}")
            return opened.read().decode(errors="replace")
    except OSError as error:
        raise UsageError(f"{file!r} cannot be read ({error.strerror}); there are: {_listed(folder)}") from None


def _listed(folder: Path) -> str:
    found = [one.relative_to(folder).as_posix() for one in sorted(folder.rglob("*")) if one.is_file()]
    return ", ".join([one for one in found if _shown(PurePosixPath(one))][:40]) or "none"


def _bounded(text: str) -> str:
    if len(text) <= LARGEST:
        return text
    return f"{text[:LARGEST]}\n[... {len(text) - LARGEST} more characters: ask for fewer lines]"
