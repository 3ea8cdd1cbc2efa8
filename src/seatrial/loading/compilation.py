"""From documents to a plan: reads everything and raises all problems in one error."""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seatrial.errors import NothingSelected, Problem, UsageError, nearest
from seatrial.links.paths import SETTINGS, shown
from seatrial.loading.further_steps import step_of
from seatrial.loading.merge.compose import DocumentLoader, drafts, has_suites, parts
from seatrial.loading.provider_settings import check_tables
from seatrial.loading.resolve.validation import over_budget
from seatrial.loading.settings import Settings
from seatrial.loading.site import Problems
from seatrial.loading.suites import CompilationContext, make
from seatrial.model.scenario import Budget, Location, Plan, Suite
from seatrial.registry import Registry
from seatrial.spi import LimitsRuns


def compile_documents(
    paths: Iterable[Path | str],
    registry: Registry,
    settings: Settings,
    *,
    providers: Collection[str] = (),
    on: str = "",
    overrides: Mapping[str, Any] | None = None,
    sample: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    found: Collection[Path] = (),
    open_ended: bool = False,
    unwritten: Mapping[Path, str] | None = None,
) -> Plan:
    """The suites of all documents.

    `providers` selects suites by their provider, `on` runs them on another one; `overrides` are `--set`:
    `parameters.x`, `vars.x`, or plain `x` (both). `sample` is the system for suites without one, if the project has
    none either. `found` are paths from a folder, not named by the user: if another document refers to one of them as
    its sut or workflow file, it is not a document of its own. `open_ended`: the plan takes further
    steps. `unwritten` has the texts of documents not yet written.

    DocumentError with every problem of every file (those of the settings come first and alone); nothing is
    started. UsageError for an unknown provider in `on`, or if one of `providers` has no suite; NothingSelected if none
    of them has any.
    """
    problems, provider_settings = Problems(), check_tables(settings, registry, environ)
    compilation = CompilationContext(
        registry, settings, provider_settings, problems, frozenset(providers), on, overrides or {}, sample, environ
    )
    compilation.bases = {} if open_ended else None
    compilation.services.check()
    loader = DocumentLoader(problems, settings, unwritten=unwritten or {})
    # Tens of thousands of small objects are created and all of them stay: garbage collection would find nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        suites, files = _suites(compilation, loader, [Path(path) for path in paths], frozenset(found))
    finally:
        if collecting:
            gc.enable()
    _tell_of_other_projects(compilation.problems, files, settings)
    if on and not any(suite.foreign == on for suite in suites):
        registry.get("provider", on)
    plan = _plan(compilation, loader, suites, files)
    problems.done()
    for name, suites_of in compilation.idle_overrides.items():
        if all(suites_of.values()):
            raise UsageError(f"no suite has the parameter {name!r}: {next(iter(suites_of.values()))}")
    # With `on`, suites for a provider not installed here can run too, so any provider named by a suite is valid.
    for name in sorted(set(providers) - {*registry.names("provider"), *compilation.named}):
        hint = nearest(name, compilation.named, what="providers of the suites")
        raise (UsageError if suites else NothingSelected)(f"no suite uses the provider {name!r}: {hint}")
    return plan


def _suites(
    compilation: CompilationContext, loader: DocumentLoader, paths: Sequence[Path], found: Collection[Path]
) -> tuple[list[Suite], list[str]]:
    suites: list[Suite] = []
    named: set[Path] = set()
    if found:
        opened = [loader.open(path, str(path)) for path in paths]
        named = {part for document in opened if document is not None for part in parts(document)}
    for path in paths:
        document = loader.open(path, str(path))
        if document is None or (path in found and Path(os.path.realpath(path)) in named):
            continue
        if path in found and not has_suites(document):
            compilation.problems.warn(document, (), "no document uses this file, and it has no suite of its own")
            continue
        try:
            for draft in drafts(loader, document, []):
                suites += make(compilation, draft)
        except RecursionError:
            compilation.problems.take([Problem(str(path), 0, 0, "the document is nested too deeply")])
    return suites, list(loader.taken.values())


def _tell_of_other_projects(problems: Problems, files: Iterable[str], settings: Settings) -> None:
    """Documents below another `seatrial.toml` than that of the project: what they need may be there. A warning, and
    with problems a hint at their probable cause."""
    told: set[Path] = set()
    for file in files:
        path = Path(os.path.realpath(file))
        own = next((folder for folder in path.parents if (folder / SETTINGS).is_file()), settings.folder)
        if own in told or own == settings.folder:
            continue
        told.add(own)
        here = settings.file or f"no {SETTINGS}"
        text = f"{shown(own / SETTINGS)} is not read, although this document is below it: the current folder has {here}"
        hint = f"change to its folder: `cd {shown(own)}`, and name the document {path.relative_to(own)}"
        if problems.count:
            problems.take([Problem(file, 0, 0, text, hint)])
        else:
            problems.warnings.append(f"{file}: {text}; {hint}")


def _plan(
    compilation: CompilationContext, loader: DocumentLoader, suites: Sequence[Suite], files: Sequence[str]
) -> Plan:
    value = compilation.settings.value
    budget = Budget(nodes=value("max_concurrent_nodes"), memory_gb=value("max_memory_gb"), parallel=value("parallel"))
    first: dict[str, Suite] = {}
    for suite in suites:
        held = first.setdefault(suite.test_id, suite)
        document = compilation.homes[suite.source.file]
        if held is not suite:
            other = compilation.homes[held.source.file]
            where = f"{other.file}:{other.locate(held.source.path, key=True)[0]}"
            message = f"duplicate suite {suite.test_id!r}: the first is at {where}"
            compilation.problems.add(document, suite.source.path, message, "rename one of them", key=True)
        why = over_budget(suite, budget)
        if why:
            hint = "make the suite smaller, or raise the budget (max_concurrent_nodes, max_memory_gb)"
            compilation.problems.add(document, suite.source.path, why, hint, key=True, kind="budget")
    _judge_limits(compilation, suites, budget.parallel)
    return Plan(
        suites=tuple(suites),
        budget=budget,
        documents=tuple(files),
        warnings=tuple(compilation.problems.warnings),
        locate=lambda source: _line(loader, source),
        step_of=partial(step_of, compilation.kinds, compilation.bases) if compilation.bases is not None else None,
    )


def _judge_limits(compilation: CompilationContext, suites: Sequence[Suite], at_once: int) -> None:
    """Suites over a limit of their provider's settings, such as the cost per hour."""
    by_provider: dict[str, list[Suite]] = {}
    for suite in suites:
        if not suite.skip:
            by_provider.setdefault(suite.provider, []).append(suite)
    for name in sorted(set(compilation.registry.names("provider")).intersection(by_provider)):
        provider, theirs = compilation.registry.get("provider", name), by_provider[name]
        if not issubclass(provider, LimitsRuns):
            continue
        for over in provider.over_limits(theirs, at_once, theirs[0].provider_settings):
            document, place = compilation.homes[over.suite.source.file], over.suite.source.path
            message = f"the suite {over.suite.name!r}: {over.why}"
            if over.certain:
                hint = "make the suite smaller, run fewer suites at a time, or raise the limit"
                compilation.problems.add(document, place, message, hint, key=True, kind="budget")
            else:
                compilation.problems.warn(document, place, message)


def _line(loader: DocumentLoader, source: Location) -> int:
    if source.path[:1] == ("line",):  # a call in Python
        return int(source.path[1])
    for document in loader.read_already.values():
        if document is not None and document.file == source.file:
            named = bool(source.path) and isinstance(source.path[-1], str)
            return document.locate(source.path, key=named)[0]
    return 0
