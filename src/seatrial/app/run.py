"""`run` and `demo`: from a plan to an exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from itertools import count
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

from seatrial import __version__
from seatrial.app.pause_prompt import PausePrompt, require_terminal
from seatrial.app.planning import flags_of, plan_documents
from seatrial.app.project import Project, find
from seatrial.app.reporting import format_of, reporters_of
from seatrial.app.run_options import RunOptions, RunReport
from seatrial.engine.cleanup import Owners
from seatrial.engine.ids import new_run_id
from seatrial.engine.journal import Journal
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import Ledger
from seatrial.engine.masked_files import mask_file
from seatrial.engine.masking import SHORTEST
from seatrial.engine.scheduler import SuiteScheduler, refuse_over_budget
from seatrial.engine.trial import Run, Trial
from seatrial.errors import LeftBehind, NothingSelected, SeatrialError
from seatrial.model.fold import Fold
from seatrial.model.frozen import frozen
from seatrial.model.scenario import Plan, Suite
from seatrial.registry import Registry

SIGNALS = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


def main(paths: Sequence[Path], options: RunOptions) -> int:
    """Plan and run documents and return the exit code."""
    return asyncio.run(run_documents(paths, options)).exit_code


DEMO = Path(__file__).parent.parent / "sample" / "demo.yaml"
"""The scenario included in Seatrial."""


async def run_documents(paths: Sequence[Path], options: RunOptions) -> RunReport:
    """Plan and run documents."""
    project = find(options.project)
    registry = project.registry(options.plugins)
    plan = plan_documents(paths, options, project=project, registry=registry)
    if not plan.suites:
        raise NothingSelected("no suite was selected; `seatrial list` shows all suites")
    return await run_plan(plan, options, project=project, registry=registry)


@frozen
class KeptRun:
    """An earlier run with a kept cluster, to run steps on it."""

    id: str
    home: Path
    """Its folder."""
    ledger: Ledger
    """Held by this process."""
    trial: Callable[[Run, Suite], Trial]
    """The trial with the cluster."""

    def new_folder(self) -> Path:
        """A folder for the report of these steps, in that of the run: `again-1`, `again-2`, …"""
        for number in count(1):
            with suppress(FileExistsError):
                (folder := self.home / f"again-{number}").mkdir(mode=0o700)
                return folder
        raise AssertionError


async def run_plan(
    plan: Plan, options: RunOptions, *, project: Project, registry: Registry, kept: KeptRun | None = None
) -> RunReport:
    """Run a plan and clean up, also after a signal. `kept`: on the cluster of an earlier run.

    UsageError if it cannot start; then nothing is written. Afterwards every error is in the results.
    """
    from seatrial.loading.fields import bind_fields

    project = project.with_flags(flags_of(options))
    refuse_over_budget(plan)
    if options.pause_on_failure:
        require_terminal()
    format_of(project, options)
    run_id = kept.id if kept else new_run_id(project.newest_run())
    folder = kept.new_folder() if kept else project.new_run_folder(run_id)
    home = kept.home if kept else folder
    fold = Fold(live=True)
    try:
        reporters = [fold, *reporters_of(project, registry, options, folder, fold), *options.reporters]
        dead = await clean_dead_runs(project)
        journal = Journal(folder / "events.jsonl", run_id, reporters)
        ledger = kept.ledger if kept else Ledger.open(project.ledger_folder, run_id, _secret_names(plan, project))
    except BaseException:
        if kept is None:
            project.forget(run_id)
        raise
    leases = Leases()
    secrets, short = _secrets(plan, project, options, journal)
    run = Run(
        id=run_id,
        folder=folder,
        project=project.folder,
        journal=journal,
        ledger=ledger,
        leases=leases,
        owners=Owners(registry, project.provider_settings(registry), leases, home, journal.masks),
        registry=registry,
        construct=bind_fields,
        names=project.names,
        labels=project.labels,
        secrets=secrets,
        keep=options.keep or "always" if kept else project.keep,
        keep_seconds=options.keep_seconds,
        pause=PausePrompt(run_id) if options.pause_on_failure else None,
        locate=plan.locate,
    )
    clock = asyncio.get_running_loop().time
    start = clock()
    interrupted, broken = "", False
    try:
        journal.emit("run_started", "", _started(plan, project, options))
        for warning in (*plan.warnings, *dead, *short):
            journal.emit("log", "", {"level": "warning", "text": warning})
        trials = [kept.trial(run, suite) for suite in plan.suites] if kept else None
        scheduler = SuiteScheduler(run, plan, fail_fast=options.fail_fast, trials=trials)
        with _cancelling(run) as caught:
            try:
                with _plugins_print_elsewhere(project, options):
                    await scheduler.run()
                await _report_foreign_resources(project, run, plan)
            except asyncio.CancelledError:
                if not caught:
                    raise
                _uncancel()
            except Exception as error:  # noqa: BLE001  the report has it, as console and exit code do
                broken = True
                _log_abort(journal, error, debug=options.debug)
        interrupted = caught[0] if caught else ""
    finally:
        journal.notice_removal()
        if ledger.removed:
            removed = "the ledger was removed while the run needed it: a killed run could not have been cleaned up"
            journal.emit("log", "", {"level": "warning", "text": removed})
        with _noted(unless=run.hurried) as late:
            results = _finish(journal, fold, clock() - start, interrupted, broken=broken)
            journal.close()
            ledger.close(home / "ledger.jsonl")
            with suppress(FileNotFoundError):  # resources remain, so it stays where `seatrial clean` looks for it
                mask_file(home / "ledger.jsonl", journal.masks)
    exit_code = results["exit_code"]
    if journal.trouble and exit_code in (0, 4, 5):
        # A report could not be written after the last event: this must not look like a pass.
        print(f"seatrial: {journal.trouble}", file=sys.stderr)
        exit_code = 3
    ended_by = interrupted or next(iter(late), "")
    return RunReport(run_id=run_id, folder=folder, exit_code=exit_code, results=results, signal=ended_by)


async def _report_foreign_resources(project: Project, run: Run, plan: Plan) -> None:
    """Warn about resources of other, inactive runs on this machine."""
    from seatrial.app.orphans import foreign_resources

    used = {suite.provider for suite in plan.suites if not suite.skip}
    try:
        lines = await foreign_resources(project, run.registry, run.id, used)
    except Exception as error:  # noqa: BLE001  resources of other runs decide nothing
        lines = [f"could not list other resources on this machine: {type(error).__name__}: {error}"]
    for line in lines:
        run.journal.emit("log", "", {"level": "warning", "text": line})


async def clean_dead_runs(project: Project) -> list[str]:
    """Clean up after killed runs of this project, before a new one begins; returns a line for each resource."""
    if not any(project.ledger_folder.glob("*.jsonl")):
        return await _clean_dead_services()
    from seatrial.app.clean import CleanOptions, clean

    cleaned = await clean(CleanOptions(project=project.folder))
    if cleaned.refused:
        raise LeftBehind("\n".join(cleaned.refused))
    left = [f"left behind by an earlier run: {row['kind']} {row['name']}: {row['error']}" for row in cleaned.left]
    return [*(f"removed {resource} of an earlier run" for resource in cleaned.given_back), *left]


async def _clean_dead_services() -> list[str]:
    """Remove what dead keepers of shared services left; returns a line for each."""
    from seatrial.engine.services.home import homes

    if not any(not home.kept for home in homes()):
        return []
    from seatrial.engine.services.remains import clean_dead

    removed, _, left = await clean_dead()
    return [*(f"removed {what}" for what in removed), *(f"left behind: service {name}: {why}" for name, why in left)]


def _finish(journal: Journal, fold: Fold, duration: float, interrupted: str, *, broken: bool) -> dict[str, Any]:
    """Emit the last event of the run, with the verdict of all events before."""
    verdict, code = fold.closing(interrupted, trouble=broken or bool(journal.trouble))
    left = len(fold.run["left_behind"]) + sum(len(row["left_behind"]) for row in fold.suites.values())
    data: dict[str, object] = {"verdict": verdict, "exit_code": code, "duration": round(duration, 6)}
    journal.emit("run_finished", "", {**data, "interrupted": interrupted, "left": left})
    return fold.results()


def _log_abort(journal: Journal, error: Exception, *, debug: bool) -> None:
    """Log the error that ended the run before its suites finished."""
    inner: BaseException = error
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    what = str(inner) if isinstance(inner, SeatrialError) else f"{type(inner).__name__}: {inner}"
    journal.emit("log", "", {"level": "error", "text": f"an error ended the run: {what}"})
    if debug:
        sys.stderr.write(journal.masked("".join(traceback.format_exception(error))))


def _uncancel() -> None:
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


@contextmanager
def _plugins_print_elsewhere(project: Project, options: RunOptions) -> Iterator[None]:
    """With JSON on standard output, send what plugins print to standard error."""
    # Only then: a run in a thread must not put back a stdout that others have replaced meanwhile.
    with redirect_stdout(sys.stderr) if format_of(project, options) == "json" else nullcontext():
        yield


@contextmanager
def _cancelling(run: Run) -> Iterator[list[str]]:
    """The first signal cancels the run, which then cleans up; a second one shortens the waits of the cleanup."""
    task = asyncio.current_task()
    caught: list[str] = []

    def on_signal(name: str) -> None:
        caught.append(name)
        run.pause = None
        run.journal.emit("log", "", {"level": "warning", "text": f"{name}: cleaning up"})
        if len(caught) == 1 and task is not None:
            task.cancel()
            return
        run.hurried = True
        for number in SIGNALS:  # a third one ends the process at once, even during blocking work
            signal.signal(number, signal.SIG_DFL)

    with signals(on_signal):
        yield caught


@contextmanager
def _noted(*, unless: bool) -> Iterator[list[str]]:
    """Note the names of signals, so that the report is written whole; `unless` somebody insists on the end."""
    caught: list[str] = []
    before = {}
    for number, name in SIGNALS.items() if not unless and current_thread() is main_thread() else ():
        if signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, lambda *_, name=name: caught.append(name))
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals(handle: Callable[[str], None]) -> Iterator[None]:
    """Call `handle` with the name of each signal; outside the main thread, signals belong to the caller."""
    loop = asyncio.get_running_loop()
    installed = []
    with suppress(RuntimeError, ValueError, NotImplementedError):  # not the main thread
        for number, name in SIGNALS.items():
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # as `nohup` asks
            loop.add_signal_handler(number, handle, name)
            installed.append(number)
    try:
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)


def _started(plan: Plan, project: Project, options: RunOptions) -> dict[str, object]:
    return {
        "version": __version__,
        "argv": sys.argv[:1] and [Path(sys.argv[0]).name, *sys.argv[1:]],
        "project": str(project.folder),
        "documents": list(plan.documents),
        "options": {"parallel": plan.budget.parallel, "on": options.on, "fail_fast": options.fail_fast},
        "pid": os.getpid(),
        "host": socket.gethostname(),
    }


def _secret_names(plan: Plan, project: Project) -> set[str]:
    """The variables with secrets of the suites and settings."""
    return {name for suite in plan.suites for name in suite.secrets} | {*(project.settings.value("secrets") or ())}


def _secrets(plan: Plan, project: Project, options: RunOptions, journal: Journal) -> tuple[dict[str, str], list[str]]:
    """The secrets of the suites and settings, from the environment, masked from now on; and those too short for it."""
    names = sorted(_secret_names(plan, project))
    values = {name: os.environ[name] for name in names if name in os.environ} | dict(options.secrets)
    return values, [
        f"the secret {name} is too short to be masked: use at least {SHORTEST} characters"
        for name, value in values.items()
        if not journal.mask(value)
    ]
