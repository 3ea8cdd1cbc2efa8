"""From the text of a pipeline document to its dataclasses, with all problems reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial import expressions
from seatrial.errors import nearest
from seatrial.loading.fields import Nested, described, read_instance
from seatrial.loading.read.document import Document, read
from seatrial.loading.read.positions import Place, texts_at
from seatrial.loading.shapes import Many, Named, OneOf, Shape
from seatrial.loading.site import DocumentSite, Problems, Site, Trial, shown
from seatrial.model.graph import closure
from seatrial.preflight import KEY
from seatrial.preflight.document import Pipeline
from seatrial.preflight.rows import unknown_before
from seatrial.preflight.rules import broken, names

BESIDE = ("$schema", "version")

BOUND_LATE = ("run", "env", "cwd", "image", "artifacts", "title", "binds", "command", "prepare", "http", "args")
"""Keys evaluated when a check or service starts."""

BOUND_EARLY = ("inputs", "env_inputs", "tools", "context", "dockerfile", "target")
"""Keys of a check evaluated before the run, for each row of its matrix."""

OF_OUTPUTS = ("json", "stdout", "exit_code")
"""Extra names for the expressions in `outputs`."""

BOUND_WITH_SERVICES = (("run",), ("env",))
"""Keys of a check with access to addresses of services, known at runtime."""

ON_COMMAND_LINE = frozenset(("run", "command", "prepare", "args"))
"""Keys with text for a command line, visible to all users of the machine."""

_NOTHING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A pipeline, and the facts about its document needed later."""

    pipeline: Pipeline
    document: Document
    source: Path
    """The folder of the sources."""
    secrets: tuple[str, ...]
    """The names of all secrets in use."""


def read_pipeline(path: Path, *, name: str = "", environ: Mapping[str, str]) -> Read:
    """Read a pipeline document; DocumentError has every problem of it, and nothing is started."""
    document = read(path, name=name or str(path))
    problems = Problems()
    site = _Site(problems, document)
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get(KEY), dict):
        _no_pipeline(problems, document, data)
        problems.done()
    for key in data:
        if key not in (KEY, *BESIDE):
            hint = nearest(str(key), (KEY, *BESIDE))
            problems.add(document, (key,), f"unknown key {key!r}", hint, key=True)
    raw = data[KEY]
    made = read_instance(Pipeline, raw, (KEY,), site, what="the pipeline")
    secrets = site.expressions(raw, environ)
    told = tuple(site.places)
    for place, message, hint in names(raw):
        problems.add(document, (KEY, *place), message, hint, key=True)
    pipeline: Pipeline = _salvaged(Pipeline, raw) if made is None else made
    source = Path(document.folder / pipeline.source).resolve()
    for place, message, hint in broken(pipeline, source):
        # After an unreadable value, problems that follow from it are noise.
        if not any(one[: len(place) + 1] == (KEY, *place) for one in told):
            problems.add(document, (KEY, *place), message, hint)
    problems.done()
    secrets = (*dict.fromkeys((*pipeline.secrets.required, *secrets)),)
    return Read(pipeline=pipeline, document=document, source=source, secrets=secrets)


def _no_pipeline(problems: Problems, document: Document, data: object) -> None:
    message, hint = "this document has no pipeline", "write `pipeline:` with `stages:`, each with `checks:`"
    if isinstance(data, dict) and ("test_suites" in data or "workflow" in data or "steps" in data):
        hint = "this is a scenario: run it with `seatrial run`; a pipeline is under the key `pipeline:`"
    elif isinstance(data, dict) and KEY in data:
        message, hint = f"invalid pipeline {shown(data[KEY])}", "a pipeline is a mapping with `stages:`"
    problems.add(document, (KEY,) if message.startswith("invalid") else (), message, hint)


@dataclass(slots=True)
class _Site(DocumentSite):
    """Collects the values of a pipeline; its expressions are checked when the document is complete."""

    formulas: list[tuple[str, Place]] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    """Places of problems."""

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        """Record a problem."""
        self.places.append(place)
        DocumentSite.problem(self, place, message, hint, key=key)

    def formula(self, text: str, place: Place, names: tuple[str, ...] | None = None) -> None:
        """Keep an expression for later."""
        self.formulas.append((text, place))

    def expressions(self, raw: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, ...]:
        """Check every expression and every `${{ }}`; returns the names of the secrets in use."""
        secrets: set[str] = set()
        seen = Names(raw)
        for text, place in self.formulas:
            scope = seen.scope(place, environ, secrets)
            for message, hint in (*expressions.check(text, scope), *seen.outside_matrix([text], place)):
                self.problem(place, message, hint)
        for text, place in texts_at(raw, (KEY,)):
            if "${{" not in text or _is_formula(place):
                continue
            early = place[1:2] == ("stages",) and any(key in BOUND_EARLY for key in place[5:])
            if early and (names := unknown_before(text)):
                message = f"this value must be known before the run, and `{names[0]}` is known only at runtime"
                self.problem(place, message, "here, `${{ }}` may have `matrix`, `parameters` and `env`")
                continue
            if not early and not any(key in BOUND_LATE for key in place):
                self.problem(place, "this value must be known before the run", "write the value itself, not `${{ }}`")
                continue
            asked: set[str] = set()
            found = expressions.check_template(text, seen.scope(place, environ, asked))
            for message, hint in (*found, *seen.outside_matrix(expressions.expressions(text), place)):
                self.problem(place, message, hint)
            if asked and ON_COMMAND_LINE.intersection(place):
                hint = f"put it into `env:` and let the command read it there: {', '.join(sorted(asked))}"
                self.problem(place, "everybody on this machine can see a secret in a command", hint)
            secrets |= asked
        return tuple(sorted(secrets))


def _is_formula(place: Place) -> bool:
    return place[-1] == "if" or (len(place) > 6 and place[5] == "outputs")


class Names:
    """The scope of expressions at each place: the checks ended by then, the matrix, the services."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._parameters = _mapping(raw.get("parameters"))
        self._needs = {name: _needs(stage) for name, stage in _mapping(raw.get("stages")).items()}
        self._checks = {
            name: _mapping(_mapping(one).get("checks")) for name, one in _mapping(raw.get("stages")).items()
        }
        self._all = {f"{stage}/{check}" for stage, checks in self._checks.items() for check in checks}

    def scope(self, place: Place, environ: Mapping[str, str], secrets: set[str]) -> expressions.Scope:
        """The scope of a place; secrets in use are added to the set."""
        stage = str(place[2]) if len(place) > 2 and place[1] == "stages" else ""
        name = str(place[4]) if len(place) > 4 and stage and place[3] == "checks" else ""
        check = _mapping(self._checks.get(stage, {}).get(name))
        extras: tuple[str, ...] = ()
        if check:
            extras += ("matrix",) if check.get("matrix") else ()
            extras += OF_OUTPUTS if place[5:6] == ("outputs",) else ()
            extras += ("services",) if place[5:6] in BOUND_WITH_SERVICES and check.get("services") else ()
        if place[1:2] == ("services",):
            extras += ("service",)
        return expressions.Scope(
            steps=self._before(stage, name),
            all_steps=self._all,
            environment=environ,
            parameters=set(self._parameters),
            extras=extras,
            secrets=secrets,
            secrets_later=True,
        )

    def outside_matrix(self, formulas: Iterable[str], place: Place) -> Iterator[tuple[str, str]]:
        """The names that the matrix of the check does not have, each with a hint."""
        if place[1:2] != ("stages",) or place[3:4] != ("checks",):
            return
        matrix = _mapping(_mapping(self._checks.get(str(place[2]), {}).get(str(place[4]))).get("matrix"))
        for path in (path for formula in formulas for path in expressions.references(formula)):
            if matrix and path[0] == "matrix" and len(path) > 1 and path[1] not in matrix:
                yield f"unknown matrix value {path[1]!r}", nearest(str(path[1]), matrix, what="names of its matrix")

    def _before(self, stage: str, check: str) -> set[str]:
        """The checks ended before this one starts."""
        before = closure(check, {name: _needs(one) for name, one in self._checks.get(stage, {}).items()})
        earlier = closure(stage, self._needs)
        return {f"{stage}/{name}" for name in before} | {
            f"{other}/{name}" for other in earlier for name in self._checks.get(other, ())
        }


def _needs(raw: object) -> list[str]:
    needs = _mapping(raw).get("needs")
    return [one for one in needs if isinstance(one, str)] if isinstance(needs, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


# The valid parts of an invalid document, so one mistake does not hide the others


def _salvaged(factory: type[Any], given: object) -> Any:
    """An instance with all valid values; invalid ones get their default or an empty value."""
    held = given if isinstance(given, Mapping) else {}
    fields: dict[str, Any] = {}
    for key, one in described(factory).items():
        value = _value(one.shape, held[key]) if key in held else _NOTHING
        if value is not _NOTHING:
            fields[one.name] = value
        elif one.required:
            fields[one.name] = {} if isinstance(one.shape, Named) else ("true",)
    return factory(**fields)


def _value(shape: Shape, given: object) -> Any:
    trial = Trial(Site())
    made = shape.read(given, (), trial)
    if not trial.problems:
        return made
    if isinstance(shape, Nested) and isinstance(given, Mapping):
        return _salvaged(shape.factory, given)
    if isinstance(shape, Named) and isinstance(given, Mapping):
        tried = {str(name): _value(shape.item, one) for name, one in given.items()}
        return {name: one for name, one in tried.items() if one is not _NOTHING}
    if isinstance(shape, Many) and isinstance(given, list) and shape.length is None:
        items = (_value(shape.item, one) for one in given)
        return shape.make(one for one in items if one is not _NOTHING)
    if isinstance(shape, OneOf):
        return next((one for each in shape.shapes if (one := _value(each, given)) is not _NOTHING), _NOTHING)
    return _NOTHING
