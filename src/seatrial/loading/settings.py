"""What a project sets: defaults < seatrial.toml < environment (SEATRIAL_<NAME>) < flags, each value with its origin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import DocumentError, Problem, nearest
from seatrial.links.paths import SETTINGS, project_of
from seatrial.loading.read.document import read_bytes
from seatrial.loading.read.positions import Place, Position
from seatrial.loading.shapes import NUMBER, TEXT, WHOLE, Anything, Choice, Many, Named, OneOf, Scalar, Shape, Span
from seatrial.model.scenario import CheckPlan, StepPlan
from seatrial.model.values import KEEP

PREFIX = "SEATRIAL_"
DEADLINES = ("deploy", "start", "stop", "restart", "destroy")


_TEXTS = Named(TEXT)
_LIST = Many(TEXT, list)
EXCLUSIVE = OneOf((TEXT, Named(Anything())))


@dataclass(frozen=True)
class Key:
    """One setting that there is."""

    shape: Shape
    default: Any = None
    doc: str = ""
    least: float | None = None
    """The smallest number allowed."""


KEYS: Mapping[str, Key] = {
    "scenarios": Key(_LIST, (), "documents, folders or patterns that `run` takes when it is given none"),
    "pipeline": Key(TEXT, None, "the document that `preflight` takes when it is given none"),
    "cache_size_gb": Key(NUMBER, 2, "what the results that `preflight` keeps may take, in GB", 0),
    "built_images": Key(WHOLE, 20, "images that `preflight` built and that are kept, the last used ones", 1),
    "built_images_days": Key(NUMBER, 30, "days after which one that was not used goes all the same", 0),
    "parallel": Key(WHOLE, 1, "suites at a time", 1),
    "max_concurrent_nodes": Key(WHOLE, None, "nodes of all suites at a time", 1),
    "max_memory_gb": Key(NUMBER, None, "memory of all suites at a time, in GB", 0),
    "keep": Key(
        Choice({word: word for word in KEEP}), "never", "what is not given back at the end: " + ", ".join(KEEP)
    ),
    "report_dir": Key(TEXT, None, "folder of the report"),
    "format": Key(TEXT, None, "how the run is shown"),
    "plugins": Key(_LIST, (), "Python files with steps, checks, providers, systems, reporters"),
    "deadlines": Key(Named(Span()), {}, "durations of " + ", ".join(DEADLINES)),
    "parameters": Key(Named(Anything()), {}, "parameters of every suite"),
    "secrets": Key(_LIST, (), "environment variables that no output may show"),
    "exclusive": Key(EXCLUSIVE, None, "an environment that one trial uses at a time: a name, or {name, wait}"),
    "names": Key(_TEXTS, {}, 'patterns of names, such as flow = "run-e2e-{flow}-{id}"'),
    "labels": Key(_TEXTS, {}, 'patterns of labels, such as "example.org/e2e-run-id" = "{id}"'),
    "system": Key(Named(Anything()), None, "the system under test of suites that name none: kind and its settings"),
    "providers": Key(Named(Named(Anything())), {}, "settings of each provider"),
    "vars": Key(Named(Anything()), {}, "variables, `${{ vars.x }}`"),
}

_FROM_ENVIRONMENT = tuple(
    name for name, key in KEYS.items() if isinstance(key.shape, Scalar | Choice) or key.shape is _LIST
)
"""The others are structures, which a variable cannot hold."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and who said so."""

    name: str
    value: Any
    origin: str
    """`default`, `seatrial.toml:12`, `environment SEATRIAL_PARALLEL`, `flag --parallel`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a project."""

    folder: Path
    """The project: where relative paths in the settings begin."""
    file: str = ""
    """The settings file as it is shown; empty: there is none."""
    text: str = field(default="", repr=False)
    held: Mapping[str, Setting] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """The value of a setting; its default when nobody set it."""
        return self.held[name].value if name in self.held else KEYS[name].default

    def origin(self, name: str) -> str:
        """Who set it."""
        return self.held[name].origin if name in self.held else "default"

    def __iter__(self) -> Iterator[Setting]:
        """Every setting in a fixed order, defaults too."""
        for name, key in KEYS.items():
            yield self.held.get(name, Setting(name, key.default, "default"))

    def locate(self, place: Place, *, key: bool = False) -> Position:
        """Where in the settings file a value stands."""
        from seatrial.loading.read import toml

        return toml.locate(self.text, place, key=key)

    def with_flags(self, flags: Mapping[str, object]) -> Settings:
        """The same, with values from the command line over all others; DocumentError for one that cannot be."""
        site = _Site()
        made = {
            name: Setting(name, _read(name, value, site, _at(_flag(name))), _flag(name))
            for name, value in flags.items()
        }
        site.done()
        return Settings(folder=self.folder, file=self.file, text=self.text, held={**self.held, **made})


def _flag(name: str) -> str:
    return f"flag --{name.replace('_', '-')}"


def load(start: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the project around a folder; DocumentError has all that is wrong in the file and environment."""
    begin = start.resolve()
    folder = project_of(begin, here=begin)
    site = _Site()
    settings = _from_file(folder, start, site) if (folder / SETTINGS).is_file() else Settings(folder=folder)
    held = dict(settings.held)
    for name in _FROM_ENVIRONMENT:
        variable = PREFIX + name.upper()
        if variable in environ:
            value = _from_text(name, environ[variable])
            made = _read(name, value, site, _at(f"environment {variable}"))
            held[name] = Setting(name, made, f"environment {variable}")
    site.done()
    return Settings(folder=settings.folder, file=settings.file, text=settings.text, held=held)


def _from_text(name: str, text: str) -> Any:
    shape = KEYS[name].shape
    if shape is _LIST:
        return [one.strip() for one in text.split(",") if one.strip()]
    number = shape.from_text(text) if isinstance(shape, Scalar) else None
    return text if number is None else number


def _from_file(folder: Path, start: Path, site: _Site) -> Settings:
    import tomllib

    from seatrial.loading.read import toml

    path = folder / SETTINGS
    try:
        shown = str(path.relative_to(Path.cwd()))
    except ValueError:
        shown = str(path)
    raw = read_bytes(path, shown)
    try:
        text = raw.decode("utf-8-sig")
        data = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DocumentError([Problem(shown, line, 1, "the file is not valid UTF-8", "save it as UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        at, why = toml.syntax(error)
        raise DocumentError([Problem(shown, *at, f"this is no TOML: {why}")]) from None

    def where(place: Place, key: bool) -> tuple[str, int, int]:
        return shown, *toml.locate(text, place, key=key)

    held: dict[str, Setting] = {}
    for name, value in data.items():
        if name not in KEYS:
            at = toml.locate(text, (name,), key=True)
            site.problems.append(Problem(shown, *at, f"unknown setting {name!r}", nearest(name, KEYS)))
            continue

        line = toml.locate(text, (name,), key=True)[0]
        held[name] = Setting(name, _read(name, value, site, where), f"{shown}:{line}")
    return Settings(folder=folder, file=shown, text=text, held=held)


Where = Callable[[Place, bool], tuple[str, int, int]]


def _at(origin: str) -> Where:
    return lambda _place, _key: (origin, 0, 0)


class _Site:
    """Takes the problems of settings."""

    bound = False

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.where: Where = lambda *_: ("", 0, 0)

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        at = self.where(place, key)
        self.problems.append(Problem(*at, f"{'.'.join(map(str, place))}: {message}", hint))

    def formula(self, text: str, place: Place) -> None:
        """Settings hold no expressions of their own."""

    def steps(self, value: object, place: Place) -> tuple[StepPlan, ...]:
        return ()

    def checks(self, value: object, place: Place) -> tuple[CheckPlan, ...]:
        return ()

    def done(self) -> None:
        if self.problems:
            raise DocumentError(self.problems)


def _read(name: str, value: Any, site: _Site, where: Where) -> Any:
    site.where = where
    if name not in KEYS:
        site.problem((name,), "unknown setting", nearest(name, KEYS))
        return value
    key = KEYS[name]
    made = key.shape.read(value, (name,), site)
    if key.least is not None and isinstance(made, int | float) and made < key.least:
        site.problem((name,), f"{made:g} is too small", f"allowed: from {key.least:g}")
    if name == "deadlines" and isinstance(value, Mapping):
        for word in value:
            if word not in DEADLINES:
                site.problem((name, word), f"unknown deadline {word!r}", nearest(word, DEADLINES), key=True)
    return made
