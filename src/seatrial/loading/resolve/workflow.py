"""Steps and checks of one workflow: from mappings to plans, with all their problems."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seatrial import expressions, spi
from seatrial.errors import UsageError, nearest
from seatrial.loading.fields import build, read_fields
from seatrial.loading.read.document import Document
from seatrial.loading.read.positions import Place, texts_at
from seatrial.loading.resolve.kinds import Kind, Kinds, branch
from seatrial.loading.resolve.survey import Survey, survey
from seatrial.loading.site import DocumentSite, Problems, shown
from seatrial.model.graph import closure
from seatrial.model.scenario import CheckPlan, StepPlan

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_KNOWN_BEFORE = ("timeout", "allow_failure", "expect", "needs")
"""Common keys without `${{ }}`."""

_CHECK_NAME = re.compile(r"[a-z0-9_]+")

_THIS_MACHINE = ("localhost", "127.0.0.1", "0.0.0.0", "[::1]")
_PORT_HERE = re.compile(rf"(?<![\w.-])(?:{'|'.join(re.escape(host) for host in _THIS_MACHINE)}):(\d+)(?!\d)")
_ELSEWHERE = ("on", "connect_to")
"""Keys of a check with which an address in it may be another machine's."""


class Workflow(DocumentSite):
    """Compiles the steps of one workflow; the site of every value in it."""

    document: Document

    def __init__(self, kinds: Kinds, problems: Problems, document: Document, scope: expressions.Scope) -> None:
        super().__init__(problems, document)
        self.kinds, self.scope = kinds, scope
        self.steps: tuple[StepPlan, ...] = ()
        self.selectors: list[tuple[str, Place]] = []
        """Node selectors and their places, to validate for each suite."""
        self.nodes: list[tuple[str, Place]] = []
        """Nodes in expressions of steps without `if`, to validate for each suite."""
        self.checks: list[tuple[spi.ChecksSystem, Place]] = []
        """Ready checks to validate against the system of each suite."""
        self.rests: list[tuple[spi.RestsOn, str, Place]] = []
        """Ready steps and checks with a need of the system, that decide, with their titles."""
        self.powers: list[tuple[Any, str, Place]] = []
        """Ready steps with a possible need of powers, with their kinds."""
        self.survey = Survey()
        self.ports: list[tuple[int, Place]] = []
        """Written ports of this machine that a check asks."""
        self.extras: tuple[str, ...] = ()
        self.parents: list[Kind] = []
        self._conditional = False
        """Whether the step at hand, or one above it, has an `if`."""
        self.folder = document.folder

    def compile(self, raw: object, place: Place) -> None:
        """Compile a workflow: a list of at least one step."""
        self.survey = survey(raw, place)
        for name, where in self.survey.doubles:
            first = self.document.locate((*self.survey.ids[name], "id"))[0]
            hint = f"the step on line {first} has it already; ids must be unique"
            self.problem((*where, "id"), f"duplicate id {name!r}", hint)
        self.scope.all_steps = self.survey.names
        self.scope.ambiguous = self.survey.ambiguous
        self.scope.all_variables = self.survey.variables
        self.steps = self.plans("step", raw, place)

    # Methods of a site

    def formula(self, text: str, place: Place, names: tuple[str, ...] | None = None) -> None:
        """Check an expression in a field."""
        for message, hint in expressions.check(text, self.scope.with_names(*(self.extras if names is None else names))):
            self.problem(place, message, hint)
        self.old_names(text, place)
        self._needed_nodes(text, place)

    def plans(self, kind: str, value: object, place: Place) -> tuple[Any, ...]:
        """Compile checks, or steps: in sequence, or in parallel below `parallel`."""
        if not isinstance(value, list):
            hint = "write `- step: …` for each" if kind == "step" else "write them in brackets"
            self.problem(place, f"{shown(value)} is not a list of {kind}s", hint)
            return ()
        if kind == "step" and not value:
            self.problem(place, "the list of steps is empty", "write at least one `- step: …`")
        if kind == "step" and self._in_parallel:
            return self._together(value, place)
        compile_one = self.step if kind == "step" else self.check
        made = [compile_one(raw, (*place, at)) for at, raw in enumerate(value)]
        return tuple(plan for plan in made if plan is not None)

    @property
    def _in_parallel(self) -> bool:
        return bool(self.parents) and self.parents[-1].name == "parallel"

    # Steps

    def step(self, raw: object, place: Place) -> StepPlan | None:
        """Compile one step; None if it is invalid."""
        kind = self._kind("step", raw, place)
        if kind is None or not isinstance(raw, dict):
            return None
        before, outer_extras, outer_scope = self.problems.count, self.extras, self.scope
        common = self._step_keys(kind, raw, place)
        outer_conditional, self._conditional = self._conditional, self._conditional or bool(common["condition"])
        self.parents.append(kind)
        self.extras = kind.extras
        if kind.child_extras:
            self.scope = outer_scope.with_names(*kind.child_extras)
        given = {key: raw[key] for key in sorted(raw, key=branch)} if kind.branches else raw
        fields, ready = read_fields(kind.factory, given, place, self, besides=kind.besides, what=kind.title)
        self.parents.pop()
        if not ready:
            self._templates(kind, raw, place)
        self.extras, self.scope, self._conditional = outer_extras, outer_scope, outer_conditional
        if "allow_failures" in kind.fields and "checks" in kind.fields:
            self._allow(fields, place)
        valid = self.problems.count == before
        step = build(kind.factory, fields, place, self) if ready and valid else None
        wrong: Iterable[tuple[str, str]] = ()
        if step is not None and kind.needs_powers:
            self.powers.append((step, kind.name, place))
        if step is not None and kind.rests and not common.get("allow_failure"):
            self.rests.append((step, kind.title, place))
        if step is not None and kind.checks_files:
            wrong = step.check_files(self.folder)
        elif not ready and valid and kind.checks_templates:
            wrong = kind.factory.check_templates(fields, self.folder)
        for key, message in wrong:
            self.problem((*place, key) if key else place, message)
        self._selectors(kind, fields, step, place)
        if kind.sets_variables and isinstance(raw.get("values"), dict):
            self.scope.variables |= set(raw["values"])
        if common["id"]:
            self.scope.steps.add(common["id"])
            self.scope.kinds[common["id"]] = kind.name
        children = tuple(child for key in kind.branches for child in fields.get(kind.fields[key].name) or ())
        if self.problems.count != before:
            return None
        source = self.document.source(place)
        return StepPlan(
            kind=kind.name, factory=kind.factory, fields=fields, step=step, source=source, children=children, **common
        )

    def _kind(self, what: str, raw: object, place: Place) -> Kind | None:
        if not isinstance(raw, dict):
            known = isinstance(raw, str) and raw in self.kinds.registry.names(what)
            hint = f"write `{what}: {raw}`" if known else f"write a mapping with `{what}: NAME`"
            self.problem(place, f"{shown(raw)} is not a {what}", hint)
            return None
        name = raw.get(what)
        if not isinstance(name, str):
            if what in raw:
                self.problem((*place, what), f"{shown(name)} is not the name of a {what}", "write it as text")
            else:
                meant = next((key for key in raw if key in self.kinds.registry.names(what)), "")
                hint = f"write `{what}: {meant}`, and its keys beside it" if meant else f"write `{what}: NAME`"
                self.problem(place, f"the key `{what}` is missing", hint)
            return None
        return self._known(what, name, (*place, what))

    def _known(self, what: str, name: str, place: Place) -> Kind | None:
        try:
            return self.kinds.get(what, name)
        except UsageError as error:
            message, _, hint = str(error).partition(": ")
            self.problem(place, message, hint)
            return None

    def _common(self, kind: Kind, raw: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """The keys of every step or check. Its expressions have no names of the class or the step above."""
        outer, values = self.extras, {}
        for key, value in raw.items():
            field, where = kind.common.get(key), (*place, key)
            if field is None:
                continue
            whole = key in _KNOWN_BEFORE or (key == "outputs" and isinstance(value, str))
            if key == "id" and not (isinstance(value, str) and _ID.fullmatch(value)):
                self.problem(where, f"invalid id {shown(value)}", "an id is a letter, then letters, digits, _ and -")
                continue
            if whole and expressions.templated(value):
                self.problem(where, f"`{key}` must be known before the run", "write the value itself, not `${{ }}`")
                continue
            self.extras = ("outputs",) if key == "outputs" else ()
            values[field.name] = field.shape.read(value, where, self)
            if key in ("if", "outputs"):
                for name, text in (value if isinstance(value, dict) else {"": value}).items():
                    if isinstance(text, str) and not expressions.strip(text):
                        self.formula("", (*where, name) if name else where)
        self.extras = outer
        return values

    def _step_keys(self, kind: Kind, raw: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """The keys of every step, as its plan has them."""
        values = self._common(kind, raw, place)
        if "needs" in raw and not self._in_parallel:
            self.problem((*place, "needs"), "`needs` is allowed only for steps of `parallel`", key=True)
        values |= {"id": self.survey.id_of(raw), "description": values.get("description") or ""}
        values["condition"] = values.pop("if_", "")
        values["expect_failure"] = values.pop("expect", "") == "failure"
        return values

    def _together(self, value: Sequence[Any], place: Place) -> tuple[StepPlan, ...]:
        outer = self.scope
        ids = {
            raw["id"]: at for at, raw in enumerate(value) if isinstance(raw, dict) and isinstance(raw.get("id"), str)
        }
        needs = {at: self._needed(raw, ids, (*place, at)) for at, raw in enumerate(value)}
        self._cycles(needs, value, place)
        made = []
        for at, raw in enumerate(value):
            self.scope = outer.inside()
            for other in closure(at, needs):
                self.scope.steps |= self.survey.inside(value[other])
                self.scope.variables |= survey([value[other]], ()).variables
            made.append(self.step(raw, (*place, at)))
        self.scope = outer
        outer.steps |= {name for raw in value for name in self.survey.inside(raw)}
        outer.variables |= survey(value, ()).variables
        return tuple(one for one in made if one is not None)

    def _needed(self, raw: object, ids: Mapping[str, int], place: Place) -> list[int]:
        wanted = raw.get("needs") if isinstance(raw, dict) else None
        found = []
        for at, name in enumerate(wanted if isinstance(wanted, list) else ()):
            if name in ids:
                found.append(ids[name])
            else:
                hint = nearest(str(name), ids, what="ids of the other steps here")
                self.problem((*place, "needs", at), f"{shown(name)} is not a step of this `parallel`", hint)
        return found

    def _cycles(self, needs: Mapping[int, list[int]], value: Sequence[Any], place: Place) -> None:
        reported: set[int] = set()
        for at in needs:
            circle = {other for other in closure(at, needs) if at in closure(other, needs)}
            if circle and not circle & reported:
                names = ", ".join(repr(value[other]["id"]) for other in sorted(circle))
                message = f"steps need each other in a cycle: {names}"
                self.problem((*place, at, "needs"), message, "remove one of the needs")
            reported |= circle

    # Checks

    def check(self, raw: object, place: Place, *, allowed: bool = False) -> CheckPlan | None:
        """Compile one check, as text or as a mapping; None if it is invalid."""
        before, outer, selectors = self.problems.count, self.extras, len(self.selectors)
        rest = ""
        if isinstance(raw, str) and raw in self.kinds.texts:
            return self._same(raw, place, allowed)
        ports = tuple(_ports_here(raw))
        self.ports += ((port, place) for port in ports)
        if isinstance(raw, str):
            name = _CHECK_NAME.match(raw.strip())
            if not name:
                self.problem(place, f"{shown(raw)} is not a check", "start a check with its name, in lower case")
                return None
            kind, rest = self._known("check", name.group(), place), raw.strip()[name.end() :]
        else:
            kind = self._kind("check", raw, place)
        if kind is None:
            return None
        given = self._from_text(kind, rest, place) if isinstance(raw, str) else raw
        if not isinstance(given, Mapping):
            return None
        self.extras = kind.extras
        whole = {**self.kinds.defaults.get(kind.name, {}), **given}
        fields, ready = read_fields(kind.factory, whole, place, self, besides=kind.besides, what=kind.title)
        if not ready:
            self._templates(kind, whole, place)
        if not isinstance(raw, str):
            self._refuse_empty(kind, given, place)
        self.extras = outer
        common = self._common(kind, given, place)
        check = build(kind.factory, fields, place, self) if ready and self.problems.count == before else None
        self._selectors(kind, fields, check, place)
        self._of_system(kind, check, place, decides=not (allowed or kind.allow_failure or common.get("allow_failure")))
        if self.problems.count != before:
            return None
        plan = CheckPlan(
            text=raw.strip() if isinstance(raw, str) else _short(kind, given),
            kind=kind.name,
            factory=kind.factory,
            fields=fields,
            check=check,
            source=self.document.source(place),
            retry=common.get("retry"),
            allow_failure=common.get("allow_failure", False) or kind.allow_failure,
            trust=common.get("trust"),
            named=not isinstance(raw, str) and bool(common.get("name")),
        )
        if isinstance(raw, str) and check is not None and not any(one.formula for one in kind.fields.values()):
            self.kinds.texts[raw] = plan, tuple(name for name, _ in self.selectors[selectors:]), ports, kind
        return replace(plan, allow_failure=True) if allowed else plan

    def _of_system(self, kind: Kind, check: Any, place: Place, *, decides: bool) -> None:
        """Note what to validate against the system of each suite."""
        if check is not None and kind.checks_system:
            self.checks.append((check, place))
        if check is not None and kind.rests and decides:
            self.rests.append((check, kind.title, place))

    def _refuse_empty(self, kind: Kind, given: Mapping[str, Any], place: Place) -> None:
        """An empty expectation compares with nothing."""
        for key, value in given.items():
            empty = value in ("", []) or (isinstance(value, list) and "" in value)
            if empty and key in kind.fields and key not in kind.may_be_empty:
                self.problem((*place, key), f"`{key}` is empty", "write the expected value, or remove the key")

    def _same(self, raw: str, place: Place, allowed: bool) -> CheckPlan:
        """An already compiled check with the same text, at a new place."""
        known, nodes, ports, kind = self.kinds.texts[raw]
        self.selectors += ((name, place) for name in nodes)
        self.ports += ((port, place) for port in ports)
        self._of_system(kind, known.check, place, decides=not (known.allow_failure or allowed))
        return CheckPlan(  # `replace` takes four times as long, and a check may stand in thousands of suites
            text=known.text,
            kind=known.kind,
            factory=known.factory,
            fields=known.fields,
            check=known.check,
            source=self.document.source(place),
            retry=known.retry,
            allow_failure=known.allow_failure or allowed,
        )

    def _from_text(self, kind: Kind, rest: str, place: Place) -> Mapping[str, Any] | None:
        reader = kind.factory
        if not issubclass(reader, spi.ReadsText):
            if not rest:
                return {}
            self.problem(place, f"the check {kind.name!r} takes no argument, but has {rest!r}")
            return None
        try:
            return reader.from_text(rest)
        except ValueError as error:
            self.problem(place, f"check {kind.name!r}: {error}")
            return None

    def _allow(self, fields: dict[str, Any], place: Place) -> None:
        """Checks in `allow_failures` do not decide; those named only there are observed too."""
        names = fields.get("allow_failures")
        checks: tuple[CheckPlan, ...] = fields.get("checks") or ()
        if not isinstance(names, tuple):
            return
        for at, name in enumerate(names):
            matching = {id(one) for one in checks if one.is_called(name)}
            undecided = {id(one.check) for one in checks if one.is_called(name) and one.check is not None}
            self.rests = [one for one in self.rests if id(one[0]) not in undecided or one[2][: len(place)] != place]
            if matching:
                checks = tuple(replace(one, allow_failure=True) if id(one) in matching else one for one in checks)
            else:
                more = self.check(name, (*place, "allow_failures", at), allowed=True)
                checks = (*checks, more) if more else checks
        fields["checks"] = checks

    # Checked later, for each suite

    def _templates(self, kind: Kind, raw: Mapping[str, Any], place: Place) -> None:
        """Check every `${{ }}` in the keys of a class."""
        for key, value in raw.items():
            if key in kind.fields and kind.fields[key].waits(value):
                for text, where in texts_at(value, (*place, key)):
                    for message, hint in expressions.check_template(text, self.scope.with_names(*self.extras)):
                        self.problem(where, message, hint)
                    if "${{" in text:
                        self.old_names(text, where)
                        self._needed_nodes(text, where)

    def old_names(self, text: str, place: Place) -> None:
        """Warn of renamed names."""
        for warning in expressions.renamed_outputs(text, self.scope):
            self.problems.warn(self.document, place, warning)

    def _needed_nodes(self, text: str, place: Place) -> None:
        if not self._conditional and "nodes" in text:
            self.nodes += ((name, place) for name in sorted(expressions.needed_nodes(text)))

    def _selectors(self, kind: Kind, fields: Mapping[str, Any], made: Any, place: Place) -> None:
        if made is not None and kind.names_nodes:
            self.selectors += ((name, place) for name in made.node_names())
        for key in kind.node_keys:
            value = fields.get(kind.fields[key].name)
            for name in (value,) if isinstance(value, str) else value if isinstance(value, tuple | list) else ():
                if isinstance(name, str) and not expressions.templated(name):
                    self.selectors.append((name, (*place, key)))


def _short(kind: Kind, given: Mapping[str, Any]) -> str:
    """The name in results of a check written as a mapping."""
    if isinstance(given.get("name"), str) and "name" in kind.common:
        return str(given["name"])
    named = (given[key] for key in kind.fields if isinstance(given.get(key), str | int | float | list))
    main = next((" ".join(map(str, one)) if isinstance(one, list) else one for one in named), None)
    if main is None:
        return kind.name
    # A template is cut only after it is filled in, or it would be broken.
    return f"{kind.name} {main if '${{' in str(main) else str(main)[:80]}"


def _ports_here(raw: object) -> Iterable[int]:
    """The ports of this machine in a check as it is written."""
    if isinstance(raw, dict):
        if any(key in raw for key in _ELSEWHERE):
            return
        if isinstance(raw.get("port"), int) and raw.get("host", "127.0.0.1") in _THIS_MACHINE:
            yield raw["port"]
    for text in raw.values() if isinstance(raw, dict) else (raw,):
        if isinstance(text, str):
            yield from (int(found[1]) for found in _PORT_HERE.finditer(text))
