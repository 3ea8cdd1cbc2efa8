"""Read-only queries of agents: documents of the project, its runs and their logs."""

from __future__ import annotations

import glob
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from seatrial.app import plans
from seatrial.app.inspect import described, seen
from seatrial.app.planning import plan_documents
from seatrial.app.project import find
from seatrial.app.report import Events, of_pipeline, rendered
from seatrial.app.run_options import RunOptions
from seatrial.errors import DocumentError, UsageError

T = TypeVar("T")

REPORTS = ("results.json", "preflight.json", "result.json", "events.jsonl", "junit.xml", "ctrf.json", "test.log")
"""Files written by a run itself, with all secrets masked."""

HIDDEN_IN = (("artifacts", "logs"), ("artifacts", "diagnostics"))
"""Folders of a suite with all secrets masked by the engine; the product wrote the other artifacts."""

SUMMARY = {"started_at": None, "verdict": "unknown", "exit_code": None, "documents": (), "finished": False}
"""The facts of a run in a list of runs, each with its default."""

_RUN = re.compile(r"last|r[0-9a-z]+")

LARGEST = 200_000
"""Maximum size of a log or a JSON report in one answer."""


def documents(folder: Path, paths: Sequence[str]) -> dict[str, Any]:
    """The suites, pipelines and problems of documents. Without paths: of the project's documents."""
    project = find()
    scenarios, pipelines = plans.documents_of([inside(folder, path) for path in paths], project)
    checked: dict[str, Any] = {"suites": [], "warnings": []}
    outlines, problems = plans.outlines_of(pipelines, RunOptions())
    if scenarios:
        try:
            registry = project.registry(())
            plan = plan_documents(scenarios, RunOptions(confined=True), project=project, registry=registry)
            checked = plans.check_data(plan, project, registry)
        except DocumentError as error:
            problems = [*error.problems, *problems]
    return {
        "project": str(project.folder), "suites": checked["suites"], "pipelines": outlines,
        "problems": [asdict(problem) for problem in problems], "ok": not problems,
        "warnings": [*checked["warnings"], *(warning for pipeline in outlines for warning in pipeline["warnings"])],
    }  # fmt: skip


def in_short(content: Mapping[str, Any]) -> dict[str, Any]:
    """A short form of the result of `documents`."""
    names = ("test_id", "provider", "description", "document", "nodes", "skip")
    suites = [{**{name: suite[name] for name in names}, "steps": len(suite["steps"])} for suite in content["suites"]]
    pipelines = []
    for pipeline in content["pipelines"]:
        checks = [check["id"] for stage in pipeline["stages"].values() for check in stage["checks"]]
        pipelines.append({"name": pipeline["name"], "document": pipeline["document"], "checks": checks})
    return {**content, "suites": suites, "pipelines": pipelines}


def inside(folder: Path, path: str) -> Path:
    """A path inside the project; UsageError for any other, also for links to the outside."""
    project = find().folder
    if not (folder / path).resolve().is_relative_to(project.resolve()):
        raise UsageError(
            f"{path!r} is not in the project {project}: this server can only read and run documents of the project"
        )
    return Path(path)


def named(run: str) -> str:
    """The id of a run; UsageError for a path, because agents can only read runs of the project."""
    if not _RUN.fullmatch(run):
        raise UsageError(f"invalid run {run!r}: use a run id, the start of one, or `last`; list_runs returns the ids")
    return run


def runs(most: int) -> list[dict[str, Any]]:
    """The newest runs, the newest first."""
    summaries: list[dict[str, Any]] = []
    for folder in sorted(find().runs.glob("r*"), reverse=True)[:most]:
        results: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            results = json.loads((folder / "results.json").read_text())
        summaries.append({"run": folder.name, **{name: results.get(name, SUMMARY[name]) for name in SUMMARY}})
    return summaries


def result(run: str, form: str) -> str:
    """The result of a run so far, as `compact`, `full` or `json`."""
    view = seen(named(run))
    events = Events(view.folder)
    pipeline = of_pipeline(events)
    if form == "json":
        text = rendered("preflight_json" if pipeline else "json", events)
        if len(text) > LARGEST:
            raise UsageError(
                f"the JSON is too long ({len(text)} characters); read {view.folder}/results.json with your own tools"
            )
        return text
    head = f"run {view.results['run_id']}{': still running' if view.living else ''}\n"
    if pipeline:
        return head + rendered("preflight" if form == "full" else "compact", events, live=view.living)
    return described(view, verbose=form == "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a list of lines or matches."""

    lines: int
    """How many."""
    from_end: bool
    """Whether they are counted from the end."""
    skip: int
    """How many to leave out first."""

    def of(self, every: Sequence[T]) -> Sequence[T]:
        """The part of a list."""
        rest = len(every) - self.skip
        if self.from_end:
            return every[max(0, rest - self.lines) : max(0, rest)]
        return every[self.skip : self.skip + self.lines]


def cut(content: Sequence[str], part: Part) -> str:
    """A part of the lines."""
    return _bounded("\n".join(part.of(content)))


def matching(content: Sequence[str], places: Sequence[int], part: Part, context: int) -> str:
    """A part of the matches, with their numbers from 1 and the lines around them, as `grep -n -C` prints them."""
    chosen = set(part.of(places))
    near = sorted({at for place in chosen for at in range(place - context, place + context + 1)})
    lines: list[str] = []
    last = None
    for at in (at for at in near if 0 <= at < len(content)):
        if last is not None and at > last + 1:
            lines.append("--")
        lines.append(f"{at + 1}{':' if at in chosen else '-'}{content[at]}")
        last = at
    return _bounded("\n".join(lines))


def log(run: str, file: str) -> tuple[str, list[str]]:
    """The name and the lines of a log or report of a run. UsageError for other files: artifacts of the product can
    contain secrets."""
    folder = find().run_folder(named(run))
    wanted = PurePosixPath(file)
    if wanted.parts[:1] == ("artifacts",):  # as in events: relative to the folder of its suite
        wanted = next(
            (PurePosixPath(path.relative_to(folder)) for path in folder.glob(f"*/{glob.escape(file)}")), wanted
        )
    place = (folder / wanted).resolve()
    if wanted.is_absolute() and place.is_relative_to(folder):
        wanted = PurePosixPath(place.relative_to(folder))
    if ".." in wanted.parts or not place.is_relative_to(folder):
        raise UsageError(f"{file!r} is not in the folder of the run; available: {_listed(folder)}")
    if not _shown(wanted):
        raise UsageError(
            f"{file!r} is not a log or report of Seatrial and can contain secrets; available: {_listed(folder)}"
        )
    return str(wanted), _text(folder, place, file).splitlines()


def _shown(path: PurePosixPath) -> bool:
    report = len(path.parts) in (1, 2) and path.name in REPORTS
    return report or (path.parts[1:3] in HIDDEN_IN and len(path.parts) > 3)


def _text(folder: Path, place: Path, file: str) -> str:
    try:
        # Follow no link, and do not wait for a pipe without a writer.
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise UsageError(f"{file!r} is not a file; available: {_listed(folder)}")
            return opened.read().decode(errors="replace")
    except OSError as error:
        raise UsageError(f"could not read {file!r} ({error.strerror}); available: {_listed(folder)}") from None


def _listed(folder: Path) -> str:
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return ", ".join([name for name in names if _shown(PurePosixPath(name))][:40]) or "none"


def _bounded(text: str) -> str:
    if len(text) <= LARGEST:
        return text
    return f"{text[:LARGEST]}\n[... {len(text) - LARGEST} more characters: ask for fewer lines]"
