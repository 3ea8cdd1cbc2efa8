"""`seatrial.deployed`: deploy a document's system, use it from Python, remove everything: one run of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

from seatrial.app.blocking import Blocking, BlockingCluster
from seatrial.app.cluster import Cluster
from seatrial.app.planning import plan_documents
from seatrial.app.project import find
from seatrial.app.python_session import KIND, PythonStep, Session, place_of_call, verdict_of
from seatrial.app.run import run_plan
from seatrial.app.run_options import RunOptions, RunReport
from seatrial.errors import (
    CannotTell,
    LeftBehind,
    NothingSelected,
    ProductFailed,
    SeatrialError,
    StepFailed,
    UsageError,
    nearest,
)
from seatrial.loading.read.document import documents_in
from seatrial.model.fold import SIGNAL_CODES
from seatrial.model.scenario import Plan, StepPlan, Suite

NOT_HERE = {
    *("tests", "overrides", "report_dir", "providers", "parallel", "fail_fast", "rerun", "shard"),
    *("pause_on_failure", "confined", "faces", "files"),
}
"""Options of a run that a deployment has under another name, or not at all."""

NOT_YET = (
    "nothing is deployed yet: write `with seatrial.deployed(…) as cluster:`, or `async with` in a coroutine, and use "
    "`cluster` in its block"
)

WITHOUT_AWAIT = "each call in a plain `with` returns when it is done: leave `await` out, or write `async with`"

WAITS = ("wait",)
"""Steps that still belong to a deployment when they follow it."""


def deployed(
    document: str | PathLike[str], *, suite: str = "", parameters: Mapping[str, Any] | None = None, until: str = "",
    folder: str | PathLike[str] | None = None, **run_options: Any,
) -> Deployed:  # fmt: skip
    """The system of a document, deployed: `async with seatrial.deployed("x.yaml") as cluster:`, or plain `with`.

    The document's steps run up to the first with a `deploy` in it and the `wait` steps behind it, or up to the step
    with the id `until`; Python does the rest. `suite`: its name, where the document has several; `parameters`: as
    `--set`; `folder`: for the report. `run_options` are those of `seatrial.run`: `on`, `keep`, `plugins`, ….

    Entering raises DocumentError, UsageError, ProductFailed when the deployment failed, CannotTell when it could not be
    judged, NothingSelected when the suite cannot run here. Leaving raises LeftBehind when something could not be
    removed.
    """
    known = {field.name for field in fields(RunOptions)} - NOT_HERE
    if unknown := sorted(set(run_options) - known):
        allowed = nearest(unknown[0], [*known, "suite", "parameters", "until", "folder"], what="options")
        hint = f"for a parameter of the document: parameters={{{unknown[0]!r}: …}}"
        raise UsageError(f"deployed() has no option {unknown[0]!r}; {allowed}\n    {hint}")
    path = Path(document)
    if not path.is_file():
        raise UsageError(_missing(path))
    options = RunOptions(
        **{
            "format": "none",
            "project": path.resolve().parent,
            **run_options,
            "tests": (suite,) if suite else (),
            "overrides": dict(parameters or {}),
            "report_dir": Path(folder) if folder is not None else None,
        }
    )
    return Deployed(path, options, until)


class Deployed:
    """One deployment, as a context manager: of asyncio, and of plain Python."""

    def __init__(self, document: Path, options: RunOptions, until: str) -> None:
        self._document, self._options, self._until = document, options, until
        self._run: asyncio.Task[RunReport] | None = None
        self._session: Session | None = None
        self._user: asyncio.Task[Any] | None = None
        self._ended_user = False
        self._blocking: Blocking | None = None
        self.failure: SeatrialError | None = None
        """The verdict of the tests of a fixture, whose exceptions never reach the block."""
        self.interrupted: BaseException | None = None
        """What interrupted the tests of a fixture."""
        self.report: RunReport | None = None
        """How the run ended, after the block."""

    def __getitem__(self, name: str) -> Any:
        __tracebackhide__ = True
        raise UsageError(NOT_YET)

    def __getattr__(self, name: str) -> Any:
        __tracebackhide__ = True
        raise AttributeError(NOT_YET if hasattr(Cluster, name) else f"a deployment has no {name!r}")

    async def __aenter__(self) -> Cluster:
        if self._run is not None:
            raise UsageError("this deployment was entered before: call seatrial.deployed() again for another one")
        project = find(self._options.project)
        registry = project.registry(self._options.plugins)
        try:
            plan = plan_documents([self._document], self._options, project=project, registry=registry, open_ended=True)
        except NothingSelected as error:  # a wrong name: only a suite that cannot run here may be skipped
            raise UsageError(str(error)) from None
        suite = _only(plan, self._document)
        assert plan.step_of is not None
        session = self._session = Session(suite, plan.step_of)
        steps = opening(suite, self._until)
        suite = replace(suite, steps=(*steps, _python(session, len(steps) + 1)))
        plan = replace(plan, suites=(suite,))
        self._user = asyncio.current_task()
        self._run = asyncio.create_task(run_plan(plan, self._options, project=project, registry=registry))
        try:
            waited: set[asyncio.Future[Any]] = {self._run, session.begun}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._cancelled()
            raise
        if not session.begun.done():
            raise self._never_began(await self._run)
        self._run.add_done_callback(self._run_ended)
        return Cluster(session)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        assert self._run is not None
        assert self._session is not None
        self._run.remove_done_callback(self._run_ended)
        if self._ended_user and self._user is not None and self._user is asyncio.current_task():
            self._user.uncancel()
            error = None if isinstance(error, asyncio.CancelledError) else error
        if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | SystemExit | GeneratorExit):
            await self._cancelled()
            return False
        forgotten = self._forgotten() if error is None else None
        self._session.end(verdict_of(error or forgotten) or self.failure)
        try:
            self.report = await self._run
        except asyncio.CancelledError:
            await self._cancelled()
            raise
        wrong = forgotten or self._wrong(self.report, expected=error is not None or self.failure is not None)
        if error is not None:
            error.add_note(f"report: {self.report.folder}")
            if wrong is not None:
                error.add_note(str(wrong))
            return False
        if wrong is not None:
            raise wrong
        return False

    def blame(self, test: str, error: BaseException) -> None:
        """A test of a fixture ended with this: the verdict of the run, where a failure of the product goes first."""
        verdict = verdict_of(error)
        if verdict is None or isinstance(self.failure, StepFailed):
            return
        if self.failure is None or isinstance(verdict, StepFailed):
            kind = StepFailed if isinstance(verdict, StepFailed) else CannotTell
            self.failure = kind(f"{test}: {verdict}", evidence=verdict.evidence)
            self.failure.category = verdict.category

    @property
    def run_id(self) -> str:
        """The id of the run; empty before it."""
        return self._session.begun.result().run_id if self._session and self._session.begun.done() else ""

    def __enter__(self) -> BlockingCluster:
        self._blocking = Blocking(self)
        return self._blocking.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        assert self._blocking is not None
        if isinstance(error, TypeError) and "await" in str(error):
            error.add_note(WITHOUT_AWAIT)
        self._blocking.leave(error)

    def _run_ended(self, run: asyncio.Task[RunReport]) -> None:
        """The run ended before the block: a signal, or the suite's time limit. Interrupt the block."""
        if self._user is not None and not self._user.done():
            self._ended_user = self._user.cancel()

    async def _cancelled(self) -> None:
        """End the run, which cleans up; a second cancellation is ignored meanwhile, as its own waits are bounded."""
        assert self._run is not None
        self._run.cancel()
        while not self._run.done():
            try:
                await asyncio.wait({self._run})
            except asyncio.CancelledError:
                continue
        if not self._run.cancelled() and self._run.exception() is None:
            self.report = self._run.result()

    def _forgotten(self) -> UsageError | None:
        assert self._session is not None
        forgotten = self._session.forgotten
        lines = "\n".join(forgotten.values())
        return UsageError(f"{lines}\n    nothing was done: write `await` before it") if forgotten else None

    def _never_began(self, report: RunReport) -> BaseException:
        """Why the deployment did not stand."""
        self.report = report
        row = report.results["results"][0]
        if report.exit_code in SIGNAL_CODES.values():
            return KeyboardInterrupt(report.results["interrupted"])
        if row["status"] == "skipped":
            return NothingSelected(row["reason"])
        return _noted(_error_of(row), report)

    def _wrong(self, report: RunReport, *, expected: bool) -> BaseException | None:
        """What went wrong besides the block's own error; `expected`: it had one, so the run does not pass."""
        row = report.results["results"][0]
        if report.exit_code in SIGNAL_CODES.values():
            return KeyboardInterrupt(report.results["interrupted"])
        left = [*report.results["left_behind"], *row["left_behind"]]
        if left:
            lines = "\n".join(f"    {one['kind']} {one['name']} ({one['owner']}): {one['error']}" for one in left)
            return LeftBehind(f"resources left behind:\n{lines}\n    try: seatrial clean {report.run_id}")
        if expected or report.success:
            return None
        if row["verdict"] in ("failed", "unknown"):
            return _noted(_error_of(row), report)
        return _noted(CannotTell(row["reason"] or "the run could not be recorded"), report)


def opening(suite: Suite, until: str) -> tuple[StepPlan, ...]:
    """The steps of a suite that deploy it; UsageError when none does."""
    steps = suite.steps
    if until:
        names = [name for step in steps for name in dict.fromkeys((step.id, step.kind)) if name]
        if until not in names:
            raise UsageError(f"the suite {suite.name!r} has no step {until!r}; {nearest(until, names, what='steps')}")
        at = next(at for at, step in enumerate(steps) if until in (step.id, step.kind))
        return steps[: at + 1]
    at = next((at for at, step in enumerate(steps) if _deploys(step)), -1)
    if at < 0:
        hint = "add `- step: deploy`, or name the last step to run: deployed(…, until='ID')"
        raise UsageError(f"the suite {suite.name!r} has no step `deploy`, so there is nothing to use\n    {hint}")
    while at + 1 < len(steps) and steps[at + 1].kind in WAITS:
        at += 1
    return steps[: at + 1]


def _deploys(step: StepPlan) -> bool:
    return step.kind == "deploy" or any(map(_deploys, step.children))


def _python(session: Session, number: int) -> StepPlan:
    step, source = PythonStep(session), place_of_call(number)
    return StepPlan(
        kind=KIND, factory=PythonStep, fields={}, step=step, source=source, description="Python's own steps"
    )


def _only(plan: Plan, document: Path) -> Suite:
    if not plan.suites:
        raise UsageError(f"{document} has no suite to deploy")
    if len(plan.suites) > 1:
        names: Sequence[str] = [suite.name for suite in plan.suites]
        listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        raise UsageError(f"{document} has {len(names)} suites: {listed}\n    choose one: suite={names[0]!r}")
    return plan.suites[0]


def _missing(path: Path) -> str:
    """What to write for a missing document: often it is beside the caller's file."""
    beside = Path(place_of_call(1).file).parent / path
    if path.is_dir():
        return f"{path} is a folder: name one document in it"
    if not path.is_absolute() and beside.is_file():
        return (
            f"no file {path} in {Path.cwd()}\n    there is one beside your code: Path(__file__).parent / {str(path)!r}"
        )
    where = f"no file {path}" + ("" if path.is_absolute() else f" in {Path.cwd()}")
    there = [document.name for document in documents_in(path.parent)] if path.parent.is_dir() else []
    return f"{where}\n    {nearest(path.name, there, what='documents there')}" if there else where


def _error_of(row: Mapping[str, Any]) -> ProductFailed | CannotTell:
    if row["verdict"] == "failed":
        return ProductFailed(row["error"], category=row["category"], evidence=row["evidence"])
    error = CannotTell(row["error"] or row["reason"] or "the run ended early", evidence=row["evidence"])
    error.category = row["category"] or error.category
    return error


def _noted(error: ProductFailed | CannotTell, report: RunReport) -> ProductFailed | CannotTell:
    """With the evidence and the report's place below the message, where pytest and tracebacks show them."""
    for line in error.evidence.splitlines()[-20:]:
        error.add_note(f"| {line}")
    error.add_note(f"report: {report.folder}\nseatrial inspect {report.run_id}")
    return error
