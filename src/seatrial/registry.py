"""From a kind and a name to a class: built-ins are found by their module's name, a user's plugins by their file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from seatrial.errors import UsageError, nearest

KINDS: Mapping[str, tuple[str, ...]] = {
    "step": ("steps",),
    "check": ("checks",),
    "provider": ("providers",),
    "system": ("systems",),
    "fault": ("faults",),
    "reporter": ("reports", "preflight.reports"),
}
"""The packages of each kind: a built-in's name is its module's."""

INTERNAL: Mapping[tuple[str, str], str] = {("system", "pipeline"): "preflight.system"}
"""Built-ins that no document may name: only Seatrial itself plans them, and `clean` finds them by the ledger."""

RESERVED = {"step": ("heal", "inject", "workload")}
"""Names that documents may not use yet, and plugins may not take."""

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a decorator wrote on a class: the name it is registered by."""

    kind: str
    name: str
    description: str = ""
    allow_failure: bool = False


def _marker(kind: str, name: str) -> Callable[[C], C]:
    def mark(thing: C) -> C:
        marks = (*thing.__dict__.get("__seatrial__", ()), Mark(kind, name, _first_line(thing)))
        thing.__seatrial__ = marks  # type: ignore[attr-defined]
        return thing

    return mark


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


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

    def mark(thing: C) -> C:
        mark_ = Mark("check", name, description or _first_line(thing), allow_failure)
        if isinstance(thing, type):
            marks = (*thing.__dict__.get("__seatrial__", ()), mark_)
            thing.__seatrial__ = marks  # type: ignore[attr-defined]
            return thing
        wrapped = _check_of(thing, name)
        wrapped.__seatrial__ = (mark_,)
        thing.__seatrial_check__ = wrapped  # type: ignore[attr-defined]
        return thing

    return mark


def _check_of(function: Any, name: str) -> type[Any]:
    """A check class around a plain function; False is failed, an exception unknown."""
    from seatrial.model.result import Observation, Verdict

    async def observe(self: object, ctx: object) -> Observation:
        answer = function(ctx)
        if hasattr(answer, "__await__"):
            answer = await answer
        if isinstance(answer, Observation):
            return answer
        if not isinstance(answer, bool):
            why = f"the check {name!r} returned {type(answer).__name__}, not a bool or an Observation"
            return Observation(verdict=Verdict.UNKNOWN, seen=repr(answer), why=why)
        return Observation(verdict=Verdict.PASSED if answer else Verdict.FAILED, seen=answer, expected=True)

    doc = function.__doc__ or f"The function {name}."
    made = make_dataclass(name, [], frozen=True, namespace={"observe": observe, "__doc__": doc})
    made.__module__ = function.__module__
    return made


class Registry:
    """Finds classes by kind and name. One instance per invocation; nothing is global."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], type[Any]] = {}
        self._plugins: dict[tuple[str, str], Path] = {}

    def names(self, kind: str) -> list[str]:
        """All names of a kind, built-in or plugged in, without importing them."""
        found = {name for known, name in self._found if known == kind and (kind, name) not in INTERNAL}
        return sorted({*_built_in(kind), *found})

    def knows(self, kind: str, name: str) -> bool:
        """Whether `get` would find it, as far as that is known without an import."""
        return name in self.names(kind)

    def get(self, kind: str, name: str) -> type[Any]:
        """The class; UsageError with the nearest names when there is none."""
        key = (kind, name)
        if key in self._found:
            return self._found[key]
        module = INTERNAL.get(key) or _built_in(kind).get(name, "")
        if not module:
            raise UsageError(f"unknown {kind} {name!r}: {nearest(name, self.names(kind))}")
        self._collect(importlib.import_module(f"seatrial.{module}"), None)
        if key not in self._found:
            raise UsageError(f"the module seatrial.{module} registers no {kind} {name!r}")
        return self._found[key]

    def mark(self, kind: str, name: str) -> Mark:
        """What was said where the class was registered."""
        marks: Iterable[Mark] = self.get(kind, name).__seatrial__
        return next(mark for mark in marks if (mark.kind, mark.name) == (kind, name))

    def load(self, file: Path) -> list[Mark]:
        """Import a plugin file and take in all that it registers; UsageError when it cannot be imported."""
        path = file.resolve()
        name = f"seatrial_plugin_{path.stem}_{abs(hash(str(path))):x}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise UsageError(f"{file}: no such plugin file; a plugin is one Python file, its name ends in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # a file that calls sys.exit(0) must not make us end green
            del sys.modules[name]
            raise UsageError(f"{file}: the plugin cannot be imported: {type(error).__name__}: {error}") from error
        return self._collect(module, path)

    def add(self, thing: object) -> list[Mark]:
        """Take in one decorated class or function, without a plugin file: what is made of it, only this process can
        give back. UsageError when it is not decorated, or its name is taken."""
        cls = getattr(thing, "__seatrial_check__", thing)
        marks: tuple[Mark, ...] = cls.__dict__.get("__seatrial__", ()) if isinstance(cls, type) else ()
        if not isinstance(cls, type) or not marks:
            raise UsageError(f"{thing!r} is not registered: decorate it with @step, @check, @provider, …")
        for mark in marks:
            self._refuse_taken(mark, cls.__module__)
            self._found[(mark.kind, mark.name)] = cls
        return list(marks)

    def plugin_of(self, kind: str, name: str) -> str:
        """The plugin file that a name came from, empty for built-ins: the ledger records it."""
        return str(self._plugins.get((kind, name), ""))

    def _collect(self, module: ModuleType, path: Path | None) -> list[Mark]:
        """Take in what a module (or a module of its package) defines; what it only imports belongs to others."""
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
        # All or nothing: a file that was refused has registered nothing.
        self._found.update(here)
        if path is not None:
            self._plugins.update(dict.fromkeys(here, path))
        return found

    def _refuse_taken(self, mark: Mark, source: Path | str) -> None:
        if mark.name in {*RESERVED.get(mark.kind, ()), *_built_in(mark.kind)} or (mark.kind, mark.name) in INTERNAL:
            raise UsageError(f"{source}: the {mark.kind} name {mark.name!r} is taken by Seatrial; choose another")
        held = self._plugins.get((mark.kind, mark.name))
        if held is not None and held != source:
            raise UsageError(f"{source}: the {mark.kind} {mark.name!r} is registered by {held} already")


def _built_in(kind: str) -> Mapping[str, str]:
    """The built-in names of a kind, each with its module below `seatrial`; nothing of them is imported."""
    if kind not in _BUILT_IN:
        _BUILT_IN[kind] = {name: module for package in KINDS[kind] for name, module in _names_of(package)}
    return _BUILT_IN[kind]


_BUILT_IN: dict[str, Mapping[str, str]] = {}
"""A cache of what is on disk."""


def _names_of(package: str) -> Iterable[tuple[str, str]]:
    """A package's modules, but for its `PARTS`, which register nothing; and its `ALIASES`, which live in a module of
    another name."""
    try:
        home = importlib.import_module(f"seatrial.{package}")
    except ModuleNotFoundError:
        return
    folder = Path(__file__).parent.joinpath(*package.split("."))
    names = (entry.stem for entry in folder.glob("*") if entry.suffix == ".py" or (entry / "__init__.py").is_file())
    hidden = getattr(home, "PARTS", ())
    yield from ((name, f"{package}.{name}") for name in names if not name.startswith("_") and name not in hidden)
    yield from ((name, f"{package}.{module}") for name, module in getattr(home, "ALIASES", {}).items())
