"""Find a class by kind and name: built-ins by their module's name, plugins by their file."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import make_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from seatrial.errors import UsageError, nearest
from seatrial.model.frozen import frozen

__all__ = ["check", "fault", "provider", "reporter", "step", "system"]

KINDS: Mapping[str, tuple[str, ...]] = {
    "step": ("steps",),
    "check": ("checks",),
    "provider": ("providers",),
    "system": ("systems",),
    "fault": ("faults",),
    "reporter": ("reports", "preflight.reports"),
}
"""The packages of each kind. The name of a built-in is the name of its module."""

INTERNAL: Mapping[tuple[str, str], str] = {
    ("system", "pipeline"): "preflight.system",
    ("provider", "deployer"): "providers.deployer",
}
"""Built-ins for internal use, not allowed in documents; `clean` finds them through the ledger."""

RESERVED = {"step": ("workload",)}
"""Names for later use, not allowed in documents or plugins."""

C = TypeVar("C")


@frozen(kw_only=False)
class Mark:
    """The registration of a class, as its decorator recorded it."""

    kind: str
    name: str
    description: str = ""
    allow_failure: bool = False


def _marker(kind: str, name: str, description: str = "", allow_failure: bool = False) -> Callable[[C], C]:
    def mark(thing: C) -> C:
        first_line = (thing.__doc__ or "").strip().split("\n")[0]
        mark_ = Mark(kind, name, description or first_line, allow_failure)
        if kind != "check" or isinstance(thing, type):
            thing.__seatrial__ = (*thing.__dict__.get("__seatrial__", ()), mark_)  # type: ignore[attr-defined]
        else:
            thing.__seatrial_check__ = _check_of(thing, mark_)  # type: ignore[attr-defined]
        return thing

    return mark


def step(name: str) -> Callable[[C], C]:
    """Register a step class."""
    return _marker("step", name)


def provider(name: str) -> Callable[[C], C]:
    """Register a provider class."""
    return _marker("provider", name)


def system(name: str) -> Callable[[C], C]:
    """Register a system class."""
    return _marker("system", name)


def fault(name: str) -> Callable[[C], C]:
    """Register a fault class."""
    return _marker("fault", name)


def reporter(name: str) -> Callable[[C], C]:
    """Register a reporter class."""
    return _marker("reporter", name)


def check(name: str, *, description: str = "", allow_failure: bool = False) -> Callable[[C], C]:
    """Register a check: a class with `observe`, or a plain function `(context) -> bool`."""
    return _marker("check", name, description, allow_failure)


def _check_of(function: Any, mark: Mark) -> type[Any]:
    """A check class around a plain function; False is failed, an exception unknown."""
    from seatrial.model.result import Observation, Verdict

    async def observe(self: object, ctx: object) -> Observation:
        answer = function(ctx)
        if hasattr(answer, "__await__"):
            answer = await answer
        if isinstance(answer, Observation):
            return answer
        if not isinstance(answer, bool):
            why = f"the check {mark.name!r} returned {type(answer).__name__} instead of a bool or an Observation"
            return Observation(verdict=Verdict.UNKNOWN, seen=repr(answer), why=why)
        return Observation(verdict=Verdict.PASSED if answer else Verdict.FAILED, seen=answer, expected=True)

    doc = function.__doc__ or f"The function {mark.name}."
    check_class = make_dataclass(mark.name, [], frozen=True, namespace={"observe": observe, "__doc__": doc})
    check_class.__module__ = function.__module__
    check_class.__seatrial__ = (mark,)  # type: ignore[attr-defined]
    return check_class


class Registry:
    """Finds classes by kind and name. One instance per invocation; no global state."""

    def __init__(self) -> None:
        self._classes: dict[tuple[str, str], type[Any]] = {}
        self._plugins: dict[tuple[str, str], Path] = {}

    def names(self, kind: str) -> list[str]:
        """All names of a kind, built-in or plugged in, without importing them."""
        found = {name for known, name in self._classes if known == kind and (kind, name) not in INTERNAL}
        return sorted({*_built_in(kind), *found})

    def knows(self, kind: str, name: str) -> bool:
        """Whether the name is known, without importing its module."""
        return name in self.names(kind)

    def get(self, kind: str, name: str) -> type[Any]:
        """The class; UsageError with the nearest names if there is none."""
        key = (kind, name)
        if key in self._classes:
            return self._classes[key]
        module = INTERNAL.get(key) or _built_in(kind).get(name, "")
        if not module:
            raise UsageError(f"unknown {kind} {name!r}: {nearest(name, self.names(kind))}")
        self._collect(importlib.import_module(f"seatrial.{module}"), None)
        if key not in self._classes:
            raise UsageError(f"the module seatrial.{module} does not register a {kind} {name!r}")
        return self._classes[key]

    def mark(self, kind: str, name: str) -> Mark:
        """The registration of a class."""
        marks: Iterable[Mark] = self.get(kind, name).__seatrial__
        return next(mark for mark in marks if (mark.kind, mark.name) == (kind, name))

    def load(self, file: Path) -> list[Mark]:
        """Import a plugin file and add its classes; UsageError if the import fails."""
        path = file.resolve()
        name = f"seatrial_plugin_{path.stem}_{abs(hash(str(path))):x}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise UsageError(f"{file}: plugin file not found; a plugin is one Python file with a name ending in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            with contextlib.redirect_stdout(sys.stderr):  # standard output can be one JSON document
                spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # a plugin calling sys.exit(0) must not look like a pass
            del sys.modules[name]
            raise UsageError(f"{file}: could not import the plugin: {type(error).__name__}: {error}") from error
        return self._collect(module, path)

    def add(self, thing: object) -> list[Mark]:
        """Add one decorated class or function without a plugin file. Only this process can remove its resources.
        UsageError if it is not decorated or its name is taken."""
        cls = getattr(thing, "__seatrial_check__", thing)
        marks: tuple[Mark, ...] = cls.__dict__.get("__seatrial__", ()) if isinstance(cls, type) else ()
        if not isinstance(cls, type) or not marks:
            raise UsageError(f"{thing!r} is not registered: decorate it with @step, @check, @provider, …")
        for mark in marks:
            self._refuse_taken(mark, cls.__module__)
            self._classes[(mark.kind, mark.name)] = cls
        return list(marks)

    def plugin_of(self, kind: str, name: str) -> str:
        """The plugin file of a name, for the ledger; empty for built-ins."""
        return str(self._plugins.get((kind, name), ""))

    def _collect(self, module: ModuleType, path: Path | None) -> list[Mark]:
        """Add the classes defined in a module or its package, but not those it imports from elsewhere."""
        here: dict[tuple[str, str], type[Any]] = {}
        found = []
        for thing in list(vars(module).values()):
            cls = getattr(thing, "__seatrial_check__", thing)
            if not isinstance(cls, type) or not f"{cls.__module__}.".startswith(f"{module.__name__}."):
                continue
            for mark in cls.__dict__.get("__seatrial__", ()):
                key = (mark.kind, mark.name)
                if here.setdefault(key, cls) is not cls:
                    raise UsageError(f"{path or module.__name__}: registers the {mark.kind} {mark.name!r} twice")
                if path is not None:
                    self._refuse_taken(mark, path)
                found.append(mark)
        # All or nothing: a rejected file registers no class.
        self._classes.update(here)
        if path is not None:
            self._plugins.update(dict.fromkeys(here, path))
        return found

    def _refuse_taken(self, mark: Mark, source: Path | str) -> None:
        if mark.name in {*RESERVED.get(mark.kind, ()), *_built_in(mark.kind)} or (mark.kind, mark.name) in INTERNAL:
            raise UsageError(
                f"{source}: the {mark.kind} name {mark.name!r} is reserved by Seatrial; choose another name"
            )
        held = self._plugins.get((mark.kind, mark.name))
        if held is not None and held != source:
            raise UsageError(f"{source}: the {mark.kind} {mark.name!r} is already registered by {held}")


@functools.cache
def _built_in(kind: str) -> Mapping[str, str]:
    """The built-in names of a kind with their modules below `seatrial`, found without importing the modules."""
    return {name: module for package in KINDS[kind] for name, module in _names_of(package)}


def _names_of(package: str) -> Iterable[tuple[str, str]]:
    """A package's modules without its `PARTS`, which register nothing, and its `ALIASES` in modules of another name."""
    try:
        home = importlib.import_module(f"seatrial.{package}")
    except ModuleNotFoundError:
        return
    folder = Path(__file__).parent.joinpath(*package.split("."))
    with os.scandir(folder) as entries:
        names = [entry.name.removesuffix(".py") for entry in entries if _is_module(entry)]
    hidden = getattr(home, "PARTS", ())
    yield from ((name, f"{package}.{name}") for name in names if not name.startswith("_") and name not in hidden)
    yield from ((name, f"{package}.{module}") for name, module in getattr(home, "ALIASES", {}).items())


def _is_module(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".py") or (entry.is_dir() and Path(entry, "__init__.py").is_file())
