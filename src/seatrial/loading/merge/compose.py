"""The suites of the documents: the suite form, the composed form, a single scenario, and included files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import DocumentError, nearest
from seatrial.links.paths import project_of
from seatrial.loading.merge.levels import KEYS, Level, read_level
from seatrial.loading.read.document import Document, read
from seatrial.loading.read.positions import Place
from seatrial.loading.read.problems import Problems
from seatrial.loading.requirements import known
from seatrial.loading.settings import Settings
from seatrial.loading.site import shown

TOP = ("test_suites", "include", "workflow", "steps", "$schema", "version")
ENTRY = ("sut", "workflow")


@dataclass(slots=True)
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


@dataclass(slots=True)
class DocumentLoader:
    """Reads each document once, and only from the project's folder."""

    problems: Problems
    settings: Settings
    read_already: dict[Path, Document | None] = field(default_factory=dict)
    taken: dict[Path, str] = field(default_factory=dict)
    """Documents whose suites are already in the plan."""

    def open(self, path: Path, shown_as: str) -> Document | None:
        """Read a document; None if it cannot be read, with its problems recorded."""
        real = Path(os.path.realpath(path))
        if real not in self.read_already:
            try:
                document = read(path, name=shown_as)
                if not isinstance(document.data, dict):
                    self.problems.add(
                        document, (), f"{shown(document.data)} is not a document", "write a mapping: keys with values"
                    )
                    self.read_already[real] = None
                else:
                    self.read_already[real] = document
            except DocumentError as error:
                self.problems.take(error.problems)
                self.read_already[real] = None
        return self.read_already[real]

    def beside(self, document: Document, name: object, place: Place) -> Document | None:
        """A document named by another one, with a path relative to it."""
        if not isinstance(name, str) or not name:
            self.problems.add(
                document, place, f"{shown(name)} is not a path", "write the path of a file beside this one"
            )
            return None
        path = Path(os.path.normpath(document.path.parent / name))
        root = self._root(document)
        if not Path(os.path.realpath(path)).is_relative_to(root):
            hint = f"documents must be inside {root.name or root}, the folder of the project"
            self.problems.add(document, place, f"the path {name!r} is outside the folder", hint)
            return None
        if not path.exists():
            there = sorted(str(one.relative_to(document.path.parent)) for one in _documents(path.parent)[:20]
                           if one.is_relative_to(document.path.parent))  # fmt: skip
            self.problems.add(document, place, f"file {name!r} not found", nearest(name, there, what="files there"))
            return None
        return self.open(path, os.path.normpath(os.path.join(os.path.dirname(document.file), name)))  # noqa: PTH118, PTH120

    def _root(self, document: Document) -> Path:
        home = Path(os.path.realpath(document.path)).parent
        project = Path(os.path.realpath(self.settings.folder))
        if home.is_relative_to(project):
            return project
        return project_of(home)


def _documents(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if one.suffix in (".yaml", ".yml", ".json"))


def drafts(
    loader: DocumentLoader, document: Document, outer: list[Level], above: tuple[Path, ...] = ()
) -> Iterator[Draft]:
    """All suites of a document and of its included documents, in order."""
    real = Path(os.path.realpath(document.path))
    if real in loader.taken:
        return
    loader.taken[real] = document.file
    data = document.data
    levels = [*outer, read_level(loader.problems, document, data, (), besides=TOP)]
    found = 0
    included = data.get("include") or []
    included = [included] if isinstance(included, str) else included
    if not isinstance(included, list):
        loader.problems.add(
            document, ("include",), f"{shown(included)} is not a list of files", "write their paths in brackets"
        )
        included = []
    for at, name in enumerate(included):
        found += 1
        place: Place = ("include", at) if isinstance(data.get("include"), list) else ("include",)
        more = loader.beside(document, name, place)
        if more is None:
            continue
        where = Path(os.path.realpath(more.path))
        if where in (*above, real):
            way = " -> ".join([*(one.name for one in (*above, real)), where.name])
            loader.problems.add(
                document, place, f"the documents include each other in a loop: {way}", "remove one `include`"
            )
            continue
        yield from drafts(loader, more, levels, (*above, real))
    suites = data.get("test_suites")
    alone = [key for key in ("workflow", "steps") if key in data]
    if isinstance(suites, dict):
        yield from _named(loader, document, suites, levels)
    elif isinstance(suites, list):
        yield from _composed(loader, document, suites, levels)
    elif suites is not None:
        hint = "allowed: a mapping of names to suites, or a list of {sut, workflow}"
        loader.problems.add(document, ("test_suites",), f"{shown(suites)} contains no suites", hint)
    elif alone:
        key = alone[0]
        name = levels[-1].values.get("name") or document.path.stem
        yield Draft(name, levels, data[key], document, (key,), (document, ()))
    empty = suites is None or suites in ({}, [])
    if empty and not found and not alone:
        place = ("test_suites",) if "test_suites" in data else ()
        stray = next((key for key, value in data.items() if isinstance(value, dict) and "workflow" in value), "")
        hint = "write `test_suites:` with at least one suite, or `steps:`"
        hint = f"put {stray!r} below `test_suites:`" if stray else hint
        hint = "this is a pipeline: `seatrial preflight` runs it" if "pipeline" in data else hint
        loader.problems.add(document, place, "this document has no suite", hint)


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
    for name, raw in suites.items():
        place: Place = ("test_suites", name)
        if not isinstance(raw, dict):
            hint = "write a mapping with `workflow:` below the name of the suite"
            loader.problems.add(document, place, f"{shown(raw)} is not a suite", hint)
            continue
        level = read_level(loader.problems, document, raw, place, besides=("workflow", "steps"))
        steps = next((key for key in ("workflow", "steps") if key in raw), "")
        if not steps:
            loader.problems.add(
                document, place, f"the suite {name!r} has no `workflow`", "write its steps under `workflow:`"
            )
            continue
        if "workflow" in raw and "steps" in raw:
            loader.problems.add(
                document, (*place, "steps"), "`workflow` and `steps` mean the same", "keep one", key=True
            )
        title = level.values.get("name") or name
        yield Draft(title, [*levels, level], raw[steps], document, (*place, steps), (document, place))


def _composed(loader: DocumentLoader, document: Document, suites: list[Any], levels: list[Level]) -> Iterator[Draft]:
    for at, raw in enumerate(suites):
        place: Place = ("test_suites", at)
        if not isinstance(raw, dict):
            loader.problems.add(document, place, f"{shown(raw)} is not a suite", "write {sut: FILE, workflow: FILE}")
            continue
        level = read_level(loader.problems, document, raw, place, besides=ENTRY)
        missing = [key for key in ENTRY if key not in raw]
        for key in missing:
            hint = (
                "write {sut: FILE, workflow: FILE}; suites with their own steps are a mapping: {NAME: {workflow: […]}}"
            )
            loader.problems.add(document, place, f"the key `{key}` is missing", hint)
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
        # The suite's own description is more specific than those of the parts.
        name = level.values.get("name") or f"{sut.path.stem}_{workflow.path.stem}"
        of_sut, fixed = _sut(loader, sut)
        yield Draft(
            name,
            [*levels, of_sut, of_workflow, level],
            workflow.data[steps],
            workflow,
            (steps,),
            (document, place),
            fixed,
        )


def _sut(loader: DocumentLoader, sut: Document) -> tuple[Level, tuple[str, ...]]:
    """A system under test; an unknown key is taken as a parameter, with a warning."""
    more: dict[str, Any] = {}

    def unknown(key: str, value: Any) -> bool:
        if key != "db_version":
            loader.problems.warn(sut, (key,), f"unknown key {key!r} is taken as a parameter ({nearest(key, KEYS)})")
        more[key] = value
        return True

    level = read_level(loader.problems, sut, sut.data, (), besides=("$schema",), unknown=unknown)
    values = dict(level.values)
    values["parameters"] = {**more, **values.get("parameters", {})}
    # Versions in a sut file are fallbacks: the first available one is used, not one suite for each.
    fixed = ("db_version",) if isinstance(more.get("db_version"), list) else ()
    if fixed and (not more["db_version"] or not all(isinstance(one, str) for one in more["db_version"])):
        loader.problems.add(
            sut, ("db_version",), "`db_version` must be a version or a list of versions, as text", "put them in quotes"
        )
    return Level(sut, (), values), fixed


def split(merged_requirements: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Known requirements, and unknown ones, used as parameters."""
    ours = {name: value for name, value in merged_requirements.items() if known(name)}
    return ours, {name: value for name, value in merged_requirements.items() if name not in ours}
