"""The suites of the documents: the suite form, the composed form, a single scenario, and included files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from seatrial.errors import DocumentError, nearest
from seatrial.links.paths import project_of
from seatrial.loading.merge.levels import KEYS, Level, read_level
from seatrial.loading.read.document import Document, documents_in, read
from seatrial.loading.read.positions import Place
from seatrial.loading.settings import Settings
from seatrial.loading.site import DocumentSite, Problems, shown
from seatrial.model.record import record

TOP = ("test_suites", "include", "workflow", "steps", "$schema", "version")
ENTRY = ("sut", "workflow")


@record
class Draft:
    """A suite before it is compiled: its name, its levels from the outside in, and the place of its steps."""

    name: str
    levels: list[Level]
    steps: Any
    document: Document
    """The document with its steps."""
    steps_place: Place
    home: tuple[Document, Place]
    """The place of the suite itself."""
    fixed: tuple[str, ...] = ()
    """List parameters used as fallbacks, not as a matrix."""
    unknown: frozenset[str] = frozenset()
    """Unknown keys of the sut, taken as parameters."""
    composed: bool = False
    """Of a sut and a workflow file."""


@record
class DocumentLoader:
    """Reads each document once, and only from the project's folder."""

    problems: Problems
    settings: Settings
    read_already: dict[Path, Document | None] = field(default_factory=dict)
    unwritten: Mapping[Path, str] = field(default_factory=dict)
    """The texts of documents not yet written."""
    taken: dict[Path, str] = field(default_factory=dict)
    """Documents whose suites are already in the plan."""

    def open(self, path: Path, shown_as: str) -> Document | None:
        """Read a document; None if it cannot be read, with its problems recorded."""
        real = Path(os.path.realpath(path))
        if real in self.read_already:
            return self.read_already[real]
        document = None
        try:
            document = read(path, name=shown_as, text=self.unwritten.get(path))
        except DocumentError as error:
            self.problems.take(error.problems)
        if document is not None and not isinstance(document.data, dict):
            message = f"{shown(document.data)} is not a document"
            self.problems.add(document, (), message, "write a mapping: keys with values")
            document = None
        self.read_already[real] = document
        return document

    def beside(self, document: Document, name: object, place: Place) -> Document | None:
        """A document named by another one, with a path relative to it."""
        if not isinstance(name, str) or not name:
            hint = "write the path of a file beside this one"
            self.problems.add(document, place, f"{shown(name)} is not a path", hint)
            return None
        path = Path(os.path.normpath(document.path.parent / name))
        root = self._root(document)
        if not Path(os.path.realpath(path)).is_relative_to(root):
            hint = f"documents must be inside {root.name or root}, the folder of the project"
            self.problems.add(document, place, f"the path {name!r} is outside the folder", hint)
            return None
        if not path.exists():
            home, beside = document.path.parent, documents_in(path.parent) if path.parent.is_dir() else []
            there = [str(one.relative_to(home)) for one in beside if one.is_relative_to(home)]
            self.problems.add(document, place, f"file {name!r} not found", nearest(name, there, what="files there"))
            return None
        return self.open(path, os.path.normpath(os.path.join(os.path.dirname(document.file), name)))  # noqa: PTH118, PTH120

    def _root(self, document: Document) -> Path:
        project = Path(os.path.realpath(self.settings.folder))
        return project if document.folder.is_relative_to(project) else project_of(document.folder)


def drafts(
    loader: DocumentLoader, document: Document, outer: list[Level], above: tuple[Path, ...] = ()
) -> Iterator[Draft]:
    """All suites of a document and of its included documents, in order."""
    real = Path(os.path.realpath(document.path))
    if real in loader.taken:
        return
    loader.taken[real] = document.file
    data, site = document.data, DocumentSite(loader.problems, document)
    levels = [*outer, read_level(loader.problems, document, data, (), besides=TOP)]
    included = data.get("include") or []
    included = [included] if isinstance(included, str) else included
    if not isinstance(included, list):
        site.problem(("include",), f"{shown(included)} is not a list of files", "write their paths in brackets")
        included = []
    for at, name in enumerate(included):
        place: Place = ("include", at) if isinstance(data.get("include"), list) else ("include",)
        more = loader.beside(document, name, place)
        if more is None:
            continue
        where = Path(os.path.realpath(more.path))
        if where in (*above, real):
            way = " -> ".join([*(one.name for one in (*above, real)), where.name])
            site.problem(place, f"the documents include each other in a loop: {way}", "remove one `include`")
            continue
        yield from drafts(loader, more, levels, (*above, real))
    suites = data.get("test_suites")
    alone = _steps_key(data)
    if isinstance(suites, dict):
        yield from _named(loader, document, suites, levels)
    elif isinstance(suites, list):
        yield from _composed(loader, document, suites, levels)
    elif suites is not None:
        hint = "allowed: a mapping of names to suites, or a list of {sut, workflow}"
        site.problem(("test_suites",), f"{shown(suites)} contains no suites", hint)
    elif alone:
        name = levels[-1].values.get("name") or document.path.stem
        yield Draft(name, levels, data[alone], document, (alone,), (document, ()))
    if suites in (None, {}, []) and not included and not alone:
        place = ("test_suites",) if "test_suites" in data else ()
        stray = next((key for key, value in data.items() if isinstance(value, dict) and "workflow" in value), "")
        hint = "write `test_suites:` with at least one suite, or `steps:`"
        if "pipeline" in data:
            hint = "this is a pipeline: `seatrial preflight` runs it"
        elif stray:
            hint = f"put {stray!r} below `test_suites:`"
        site.problem(place, "this document has no suite", hint)


def _steps_key(data: Mapping[str, Any]) -> str:
    return next((key for key in ("workflow", "steps") if key in data), "")


def has_suites(document: Document) -> bool:
    """Whether it says that it has suites; a sut does not."""
    return any(key in document.data for key in ("test_suites", "include", "workflow", "steps", "pipeline"))


def parts(document: Document) -> Iterator[Path]:
    """The sut and workflow files named by a composed document, even if they do not exist."""
    suites = document.data.get("test_suites")
    for raw in suites if isinstance(suites, list) else ():
        for name in (raw.get(key) for key in ENTRY) if isinstance(raw, dict) else ():
            if isinstance(name, str):
                yield Path(os.path.realpath(document.path.parent / name))


def _named(
    loader: DocumentLoader, document: Document, suites: Mapping[str, Any], levels: list[Level]
) -> Iterator[Draft]:
    site = DocumentSite(loader.problems, document)
    for name, raw in suites.items():
        place: Place = ("test_suites", name)
        if not isinstance(raw, dict):
            hint = "write a mapping with `workflow:` below the name of the suite"
            site.problem(place, f"{shown(raw)} is not a suite", hint)
            continue
        level = read_level(loader.problems, document, raw, place, besides=("workflow", "steps"))
        steps = _steps_key(raw)
        if not steps:
            site.problem(place, f"the suite {name!r} has no `workflow`", "write its steps under `workflow:`")
            continue
        if "workflow" in raw and "steps" in raw:
            site.problem((*place, "steps"), "`workflow` and `steps` mean the same", "keep one", key=True)
        title = level.values.get("name") or name
        yield Draft(title, [*levels, level], raw[steps], document, (*place, steps), (document, place))


def _composed(loader: DocumentLoader, document: Document, suites: list[Any], levels: list[Level]) -> Iterator[Draft]:
    site, form = DocumentSite(loader.problems, document), "write {sut: FILE, workflow: FILE}"
    for at, raw in enumerate(suites):
        place: Place = ("test_suites", at)
        if not isinstance(raw, dict):
            site.problem(place, f"{shown(raw)} is not a suite", form)
            continue
        level = read_level(loader.problems, document, raw, place, besides=ENTRY)
        missing = [key for key in ENTRY if key not in raw]
        for key in missing:
            hint = f"{form}; suites with their own steps are a mapping: {{NAME: {{workflow: […]}}}}"
            site.problem(place, f"the key `{key}` is missing", hint)
        if missing:
            continue
        sut = loader.beside(document, raw["sut"], (*place, "sut"))
        workflow = loader.beside(document, raw["workflow"], (*place, "workflow"))
        if sut is None or workflow is None:
            continue
        steps = next((key for key in ("steps", "workflow") if key in workflow.data), "")
        if not steps:
            loader.problems.add(workflow, (), "this workflow has no `steps`", "write them under `steps:`")
            continue
        of_workflow = read_level(loader.problems, workflow, workflow.data, (), besides=("steps", "workflow", "$schema"))
        name = level.values.get("name") or f"{sut.path.stem}_{workflow.path.stem}"
        of_sut, fixed, unknown = _sut(loader, sut)
        # The suite's own description is more specific than those of the parts.
        parts = [*levels, of_sut, of_workflow, level]
        yield Draft(name, parts, workflow.data[steps], workflow, (steps,), (document, place), fixed, unknown, True)


def _sut(loader: DocumentLoader, sut: Document) -> tuple[Level, tuple[str, ...], frozenset[str]]:
    """A system under test, its parameters with fallbacks, and its unknown keys: each is taken as a parameter, with a
    warning."""
    more: dict[str, Any] = {}

    def unknown(key: str, value: Any) -> None:
        if key != "db_version":
            loader.problems.warn(sut, (key,), f"unknown key {key!r} is taken as a parameter ({nearest(key, KEYS)})")
        more[key] = value

    level = read_level(loader.problems, sut, sut.data, (), besides=("$schema",), unknown=unknown)
    values = {**level.values, "parameters": {**more, **level.values.get("parameters", {})}}
    # Versions in a sut file are fallbacks: the first available one is used, not one suite for each.
    fixed = ("db_version",) if isinstance(more.get("db_version"), list) else ()
    if fixed and (not more["db_version"] or not all(isinstance(one, str) for one in more["db_version"])):
        message = "`db_version` must be a version or a list of versions, as text"
        loader.problems.add(sut, ("db_version",), message, "put them in quotes")
    return Level(sut, (), values), fixed, frozenset(more) - {"db_version"}
