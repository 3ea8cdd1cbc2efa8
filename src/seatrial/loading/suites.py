"""From a draft to suites: merged settings, system, matrix, and validation of each suite before it is planned."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from seatrial import expressions, spi
from seatrial.errors import CannotTell, DocumentError, UsageError
from seatrial.expressions.text import texts
from seatrial.links.paths import SETTINGS
from seatrial.loading.merge import matrix
from seatrial.loading.merge.compose import Draft
from seatrial.loading.merge.levels import Level, Merged, merge, outermost
from seatrial.loading.provider_settings import ProviderSettings
from seatrial.loading.read.json import number
from seatrial.loading.requirements import can_check, foreign, unmet, wrong
from seatrial.loading.resolve.kinds import Kinds
from seatrial.loading.resolve.parameters import unread
from seatrial.loading.resolve.services import Services
from seatrial.loading.resolve.survey import walk
from seatrial.loading.resolve.system import Systems
from seatrial.loading.resolve.validation import hold, reuse_of, sized
from seatrial.loading.resolve.workflow import Workflow
from seatrial.loading.settings import Settings
from seatrial.loading.site import Located, Problems, shown
from seatrial.model.frozen import frozen
from seatrial.model.record import record
from seatrial.model.scenario import Suite, SystemPlan
from seatrial.registry import Registry

DEPLOYERS_OWN = "deployer"
"""The provider of a suite whose provider only the deployer knows."""

_WORD = re.compile(r"[A-Za-z0-9][\w.-]*")


@frozen(kw_only=False)
class Basis:
    """What the steps of a suite are compiled with."""

    merged: Merged
    workflow: Workflow
    provider: type[Any]


@record
class CompilationContext:
    """The context shared by all suites of an invocation."""

    registry: Registry
    settings: Settings
    provider_settings: ProviderSettings
    problems: Problems
    providers: frozenset[str]
    on: str
    overrides: Mapping[str, Any]
    sample: Mapping[str, Any] | None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    kinds: Kinds = field(init=False)
    base: Level = field(init=False)
    set_parameters: dict[str, Any] = field(init=False)
    set_variables: dict[str, Any] = field(init=False)
    """The overrides; a plain name is both."""
    homes: dict[str, Located] = field(default_factory=dict)
    """Files to their documents."""
    systems: Systems = field(init=False)
    services: Services = field(init=False)
    named: set[str] = field(default_factory=set)
    """Providers named by suites, even if not installed."""
    idle_overrides: dict[str, dict[str, str]] = field(default_factory=dict)
    """Override and suite to what to write instead; empty: the suite declares or reads it."""
    bases: dict[str, Basis] | None = None
    """By the test id, what further steps of a suite are compiled with; None: no suite gets any."""

    def __post_init__(self) -> None:
        self.kinds = Kinds(self.registry, self.settings.value("checks"))
        self.systems = Systems(self.registry, self.problems, self.settings.folder, self.sample, self.environ)
        self.services = Services(self.settings, self.problems, self.environ)
        self.base = outermost(self.settings)
        given = {key: _value(value) for key, value in self.overrides.items()}
        self.set_parameters = {
            key.removeprefix("parameters."): value for key, value in given.items() if not key.startswith("vars.")
        }
        self.set_variables = {
            key.removeprefix("vars."): value for key, value in given.items() if not key.startswith("parameters.")
        }


def make(compilation: CompilationContext, draft: Draft) -> Iterator[Suite]:
    """All suites of a draft (a matrix makes several); none if it is not selected or invalid."""
    merged = merge([compilation.base, *draft.levels])
    merged.home = draft.home
    compilation.homes[draft.home[0].file] = draft.home[0]
    own = merged.get("provider") or "local"
    compilation.named.add(own)
    if compilation.providers and own not in compilation.providers:
        return
    name = compilation.on or own
    before = compilation.problems.count
    known_services = frozenset(compilation.services.known(merged))
    compilation.systems.services = known_services
    system = compilation.systems.plan(merged)
    foreign = _is_foreign(compilation, name, merged, system)
    provider = _provider(compilation, DEPLOYERS_OWN if foreign else name, merged)
    parameters, requirements, unknown = _parameters(compilation, merged, own)
    parameters = _filled(compilation, merged, "parameters", parameters, name)
    variables = {**(merged.get("vars") or {}), **compilation.set_variables}
    variables = _filled(compilation, merged, "vars", variables, name)
    fallbacks = {name: tuple(parameters[name][1:]) for name in draft.fixed if isinstance(parameters.get(name), list)}
    parameters |= {name: parameters[name][0] for name in fallbacks}
    try:
        rows = matrix.expand(parameters, merged.get("combinations") or "full")
    except ValueError as error:
        _at(compilation, merged, "parameters", message=str(error))
        rows = []
    scope = expressions.Scope(
        variables=set(variables), parameters=frozenset(parameters), environment=compilation.environ,
        services=known_services,
    )  # fmt: skip
    workflow = Workflow(compilation.kinds, compilation.problems, draft.document, scope)
    workflow.compile(draft.steps, draft.steps_place)
    if not draft.name.strip() or any(letter in draft.name for letter in "/\\\0\n\r\t") or len(draft.name) > 200:
        hint = "allowed: no slashes, at most 200 characters"
        _at(compilation, merged, "name", message=f"invalid suite name {shown(draft.name)}", hint=hint)
    if fallbacks and not any(step["step"] == "init" for _, step in walk(draft.steps, ()) if "step" in step):
        what = ", ".join(fallbacks)
        text = f"the fallbacks of {what} are tried by the step `init`, and this workflow has none"
        compilation.problems.warn(draft.document, draft.steps_place, text)
    if system is None or provider is None:
        return
    moot = bool(compilation.on) and compilation.on != own
    settings = _provider_settings(compilation, DEPLOYERS_OWN if foreign else name, merged)
    exclusive, exclusive_wait, exclusive_reason = merged.get("exclusive") or ("", 0.0, "")
    contamination, contamination_allow = merged.get("contamination") or ("fail", ())
    services = compilation.services.plans(merged, {*scope.used_services, *system.services} & known_services)
    providers = compilation.settings.value("providers")
    reuse = reuse_of(merged, compilation.problems, provider, system, on=compilation.on if moot else "")
    for row in rows:
        suite = Suite(
            test_id=f"{name}-workflow-{draft.name}{matrix.suffix(row, parameters)}",
            name=draft.name + matrix.suffix(row, parameters),
            provider=DEPLOYERS_OWN if foreign else name,
            foreign=name if foreign else "",
            provider_settings=settings,
            description=merged.get("description") or "",
            parameters={**parameters, **row},
            requirements=requirements,
            vars=variables,
            fallbacks=fallbacks,
            unflagged=(draft.unknown - set(compilation.set_parameters)) | unknown,
            older_form=draft.composed or merged.get("test_type") is not None,
            steps=workflow.steps,
            system=system,
            source=draft.home[0].source(draft.home[1]),
            document_folder=workflow.folder,
            power=merged.get("power") or "api",
            timeout=merged.get("timeout"),
            deadlines=merged.get("deadlines") or {},
            trust=merged.get("trust") or "measured",
            reuse=reuse,
            node_limits=() if moot else merged.get("max_concurrent_nodes") or (),
            exclusive=exclusive,
            exclusive_wait=exclusive_wait,
            exclusive_reason=exclusive_reason,
            services=services,
            contamination=contamination,
            contamination_allow=contamination_allow,
            notifications=merged.get("notifications") or (),
            secrets=tuple(sorted({*scope.secrets, *system.secrets, *(n for one in services for n in one.secrets)})),
            skip=unmet(requirements, compilation.environ, provider=name, settings=providers),
        )
        suite = sized(suite, compilation.problems, merged, moot=moot)
        hold(suite, merged, workflow, provider)
        if not moot:
            _warn_of_parameters(compilation, merged, suite)
        if compilation.problems.count == before:
            if compilation.bases is not None:
                compilation.bases[suite.test_id] = Basis(merged, workflow, provider)
            yield suite


def _at(compilation: CompilationContext, merged: Merged, *path: str, message: str, hint: str = "") -> None:
    compilation.problems.add(*merged.where(*path), message, hint)


def _provider(compilation: CompilationContext, name: str, merged: Merged) -> Any:
    try:
        return compilation.registry.get("provider", name)
    except UsageError as error:
        message, _, hint = str(error).partition(": ")
        hint += "; a provider of your deployer needs its `system`, such as `kind: command`"
        _at(compilation, merged, "provider", message=message, hint=hint)
        return None


def _is_foreign(compilation: CompilationContext, name: str, merged: Merged, system: SystemPlan | None) -> bool:
    """Whether the provider is only the deployer's: the system has nodes of its own, and Seatrial does not know the
    word, or waits for a table of it. A warning if no command of the system has it."""
    if system is None or system.factory.places_nodes:
        return False
    if compilation.registry.knows("provider", name):
        known = spi.traits(compilation.registry.get("provider", name), spi.ProviderTraits)
        return known.waits_for_table and not compilation.provider_settings.has(name)
    if not _WORD.fullmatch(name):
        return False
    written = [text for text in texts(merged.get("system")) if "provider" in text]
    if not written and not compilation.on:
        message = f"no command of the system has the provider {name!r}, and Seatrial has no such provider"
        hint = "give it to the deployer as ${{ suite.provider }}"
        compilation.problems.warn(*merged.where("provider"), f"{message}; {hint}")
    return True


def _provider_settings(compilation: CompilationContext, name: str, merged: Merged) -> Any:
    """The settings of the suite's provider; None if they are invalid."""
    try:
        return compilation.provider_settings(name)
    except DocumentError as error:  # tables were checked before: this provider has none, and needs one
        why = "; ".join(problem.message for problem in error.problems)
        _at(compilation, merged, "provider", message=why, hint=f"write [providers.{name}] in {SETTINGS}")
        return None


def _parameters(
    compilation: CompilationContext, merged: Merged, own: str
) -> tuple[dict[str, Any], dict[str, Any], frozenset[str]]:
    """The parameters and the requirements of a suite, and the parameters that are unknown requirements."""
    unknown, required = {}, {}
    for name, value in (merged.get("requirements") or {}).items():
        if not can_check(name):
            place = merged.where("requirements", name)
            compilation.problems.warn(*place, f"unknown requirement {name!r} is taken as a parameter")
            unknown[name] = value
        elif why := wrong(name, value):
            message = f"invalid value {shown(value)} for {name!r}"
            _at(compilation, merged, "requirements", name, message=message, hint=why)
        elif not foreign(name, own, compilation.on):
            required[name] = value
    own_parameters = {**(merged.get("parameters") or {}), **compilation.set_parameters}
    return {**unknown, **own_parameters}, required, frozenset(unknown) - frozenset(own_parameters)


def _warn_of_parameters(compilation: CompilationContext, merged: Merged, suite: Suite) -> None:
    """Warn of each parameter without any use; for an override of this kind, see `idle_overrides`."""
    unused, written = unread(suite, merged, compilation.registry), merged.get("parameters") or {}
    for name in written:
        if name in unused and compilation.bases is None:  # a test in Python may read it
            message = f"nothing reads the parameter {name!r}: {unused[name]}"
            compilation.problems.warn(*merged.where("parameters", name), message)
    declared = {*written, *(merged.get("vars") or {}), *(merged.get("requirements") or {})}
    for name in compilation.set_parameters:
        idle = name in unused and name not in declared
        compilation.idle_overrides.setdefault(name, {})[suite.test_id] = unused[name] if idle else ""


def _filled(
    compilation: CompilationContext, merged: Merged, key: str, values: Mapping[str, Any], provider: str
) -> dict[str, Any]:
    """Parameters and variables are evaluated before the run, so they can only use the environment."""
    names = {"env": compilation.environ, "suite": {"provider": provider}}
    made = dict(values)
    for name, value in values.items():
        written = [text for text in texts(value) if "${{" in text]
        if not written:
            continue
        formulas = [formula for text in written for formula in expressions.expressions(text)]
        used = {str(path[0]) for formula in formulas for path in expressions.references(formula)}
        hint = f"{key} must be known before the run: use only env and suite.provider"
        problems = [(f"`{root}` cannot be used in {key}", hint) for root in sorted(used - set(names))]
        scope = expressions.Scope(environment=compilation.environ)
        problems = problems or [problem for text in written for problem in expressions.check_template(text, scope)]
        for message, why in problems:
            _at(compilation, merged, key, name, message=message, hint=why)
        if not problems:
            try:
                made[name] = expressions.bind(value, {**names, "deploy_dir": "$deployment_dir"})
            except CannotTell as error:
                _at(compilation, merged, key, name, message=str(error))
    return made


def _value(value: Any) -> Any:
    """A value from the command line: JSON if valid, else text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_float=number, parse_int=number)
    except ValueError:
        return value
