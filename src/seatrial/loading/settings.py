"""The settings of a project: defaults < seatrial.toml < environment (SEATRIAL_<NAME>) < flags, each with its origin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from seatrial.errors import DocumentError, Problem
from seatrial.expressions import templated
from seatrial.links.paths import SETTINGS, project_of
from seatrial.loading.fields import described, read_fields
from seatrial.loading.read.document import read_bytes
from seatrial.loading.read.positions import Place, Position
from seatrial.loading.shapes import Choice, Many, OneOf, Scalar
from seatrial.loading.site import Site
from seatrial.loading.suite_keys import Contamination, Deadlines, Exclusive
from seatrial.model.frozen import frozen
from seatrial.model.reading import Trust
from seatrial.model.record import record
from seatrial.model.service import Service
from seatrial.model.values import Format, Keep, Range
from seatrial.model.written import written

PREFIX = "SEATRIAL_"
FILLED_IN = ("parameters", "vars", "system", "checks", "services")
"""Settings whose values may contain `${{ }}`."""


@frozen
class Names:
    """Patterns of names; `{flow}` is the suite's name, `{id}` the trial's id."""

    flow: str = "run-e2e-{flow}-{id}"
    """The namespace of a trial, `E2E_TEST_NAMESPACE`."""
    controller: str = "run-e2e-controller-{id}"
    """The namespace of its controller, `E2E_CONTROLLER_NAMESPACE`."""


@frozen
class ProjectSettings:
    """All keys of `seatrial.toml`."""

    scenarios: tuple[str, ...] = ()
    """Documents, folders or patterns for `run` without arguments."""
    pipeline: str | None = None
    """The document for `preflight` without arguments."""
    cache_size_gb: Annotated[float, Range(0)] = 2.0
    """Maximum disk space for the results of `preflight`, in GB."""
    built_images: Annotated[int, Range(1)] = 20
    """The number of images built by `preflight` to keep, the last used ones first."""
    built_images_days: Annotated[float, Range(0)] = 30.0
    """The days after which an unused image is always removed."""
    parallel: Annotated[int, Range(1)] = 1
    """Maximum number of suites to run in parallel."""
    max_concurrent_nodes: Annotated[int, Range(1)] | None = None
    """Maximum number of nodes of all suites at the same time."""
    max_memory_gb: Annotated[float, Range(0)] | None = None
    """Maximum memory of all suites at the same time, in GB."""
    keep: Keep = "never"
    """Resources to keep at the end: `never` any, those of `failed` suites, or `always` all."""
    report_dir: str | None = None
    """The folder of the report."""
    format: Format | None = None
    """The console output of a run; `compact` is for `preflight` only."""
    plugins: tuple[str, ...] = ()
    """Python files with steps, checks, providers, systems, reporters."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    """The timeout of each kind of operation."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of every suite, for `${{ parameters.NAME }}`."""
    secrets: tuple[str, ...] = ()
    """Environment variables with secret values, masked in all output."""
    trust: Trust | None = None
    """The `trust` of all suites without their own."""
    exclusive: str | Exclusive | None = None
    """An environment for one trial at a time: its name, or a mapping with `name` and `wait`."""
    contamination: Literal["fail", "strict", "warn", "off"] | Contamination | None = None
    """The `contamination` of all suites without their own."""
    names: Names = field(default_factory=Names)
    """Patterns of names."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Patterns of labels, such as `"example.org/e2e-run-id" = "{id}"`."""
    system: Mapping[str, Any] | None = None
    """The system under test of suites without one: its `kind` and settings."""
    services: Mapping[str, Service] = field(default_factory=dict)
    """Shared services by name; a suite uses those in its own `services` and in its expressions."""
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """A table of settings for each provider, by its name."""
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """A table of keys for each check, by its name: all checks of this kind have them, unless they say otherwise."""
    vars: Mapping[str, Any] = field(default_factory=dict)
    """Variables, for `${{ vars.NAME }}`."""


KEYS = described(ProjectSettings)
_DEFAULTS = ProjectSettings()


def _plain(key: str) -> Scalar | Choice | Many | None:
    """The shape of a setting in an environment variable; None for a structure."""
    shape = KEYS[key].shape
    first = shape.shapes[0] if isinstance(shape, OneOf) and len(shape.shapes) == 2 else shape
    return first if isinstance(first, Scalar | Choice | Many) else None


FROM_ENVIRONMENT = tuple(key for key in KEYS if _plain(key) is not None)
"""The others are structures, not possible in an environment variable."""


@frozen(kw_only=False)
class Setting:
    """A value and its origin."""

    name: str
    value: Any
    origin: str
    """`default`, `seatrial.toml:12`, `environment SEATRIAL_PARALLEL`, `flag --parallel`."""


@frozen
class Settings:
    """The settings of a project."""

    folder: Path
    """The project's folder, the base of relative paths in the settings."""
    file: str = ""
    """The settings file as shown to the user; empty if there is none."""
    text: str = field(default="", repr=False)
    held: Mapping[str, Setting] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """The value of a setting, or its default."""
        return self.held[name].value if name in self.held else getattr(_DEFAULTS, name)

    def origin(self, name: str) -> str:
        """The origin of a setting."""
        return self.held[name].origin if name in self.held else "default"

    def __iter__(self) -> Iterator[Setting]:
        """All settings, including defaults."""
        for name in KEYS:
            yield self.held.get(name, Setting(name, self.value(name), "default"))

    def locate(self, place: Place, *, key: bool = False) -> Position:
        """The position of a value in the settings file."""
        from seatrial.loading.read import toml

        return toml.locate(self.text, place, key=key)

    def with_flags(self, flags: Mapping[str, object]) -> Settings:
        """The same with values from the command line over all others; DocumentError for an invalid one."""
        problems: list[Problem] = []
        made: dict[str, Setting] = {}
        for name, value in flags.items():
            flag = f"flag --{name.replace('_', '-')}"
            made |= _read({name: value}, SettingsSite(problems, flag))
        _done(problems)
        return replace(self, held={**self.held, **made})


def load(start: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the project around a folder; DocumentError lists all problems of the file and the environment."""
    begin = start.resolve()
    folder = project_of(begin, here=begin)
    problems: list[Problem] = []
    settings = _from_file(folder, problems) if (folder / SETTINGS).is_file() else Settings(folder=folder)
    held = dict(settings.held)
    for name in FROM_ENVIRONMENT:
        variable, shape = PREFIX + name.upper(), _plain(name)
        if variable in environ:
            text, origin = environ[variable], f"environment {variable}"
            words = [word for word in map(str.strip, text.split(",")) if word] if isinstance(shape, Many) else text
            held |= _read({name: words}, SettingsSite(problems, origin, bound=True))
    _done(problems)
    return replace(settings, held=held)


def _from_file(folder: Path, problems: list[Problem]) -> Settings:
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
        data = tomllib.loads(text, parse_float=lambda number: written(float(number), number))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DocumentError([Problem(shown, line, 1, "the file is not valid UTF-8", "save it as UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        at, why = toml.syntax(error)
        raise DocumentError([Problem(shown, *at, f"invalid TOML: {why}")]) from None
    settings = Settings(folder=folder, file=shown, text=text)
    made = _read(data, SettingsSite(problems, shown, settings.locate))
    lines = {name: settings.locate((name,), key=True)[0] for name in made}
    held = {name: replace(setting, origin=f"{shown}:{lines[name]}") for name, setting in made.items()}
    return replace(settings, held=held)


@record
class SettingsSite(Site):
    """Collects the problems of settings; `locate` finds places, if their origin has any."""

    problems: list[Problem]
    origin: str
    locate: Callable[..., Position] | None = None
    table: Place = ()
    """The table of all values."""
    bound: bool = False

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        where = (*self.table, *place)
        at = self.locate(where, key=key) if self.locate else (0, 0)
        text = message if key or not place else f"{'.'.join(map(str, where))}: {message}"
        self.problems.append(Problem(self.origin, *at, text, hint))


def _read(data: Mapping[str, Any], site: SettingsSite) -> dict[str, Setting]:
    for name, value in data.items():
        if name not in FILLED_IN and templated(value):
            site.problem((name,), "the value must be known before the run", "write the value itself, not `${{ }}`")
    made, _ = read_fields(ProjectSettings, data, (), site, what=SETTINGS, partial=True)
    return {name: Setting(name, value, site.origin) for name, value in made.items()}


def _done(problems: list[Problem]) -> None:
    if problems:
        raise DocumentError(problems)
