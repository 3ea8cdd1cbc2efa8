"""Names for expressions at one place, and errors found before an expression runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace

from seatrial.errors import nearest
from seatrial.expressions.evaluate import program
from seatrial.expressions.text import WORDS, Path, plain_path, read, references, strip

LONGEST = 2000
"""Characters of one expression: the CEL parser is not asked to nest deeper than this allows."""

NAMES: Mapping[str, str] = {
    "steps": "outputs of the steps before this one: `steps.ID.outputs.NAME`; a step without an id goes by its kind",
    "vars": "the variables of the suite and of its `set` steps",
    "parameters": "the parameters of the suite",
    "run": "`run.id`, the id of this run",
    "trial": "`trial.id`, the id of this trial",
    "suite": "the suite: `name`, `provider`, `deployment_id`",
    "deploy_dir": "the deployer's working folder; older documents write `$deployment_dir`",
    "env": "the environment variables of this machine, and the run's own",
    "secrets": "the environment variables that are hidden in everything that is written",
    "nodes": "the nodes by name, each with `name`, `address`, `ports` and `trial`",
}
"""Names at run time for every expression, with their meaning."""

ROOTS = tuple(NAMES)

EXTRAS: Mapping[str, str] = {
    "node": "in a system's settings, the node that is meant: `name`, `address`, `ports`, `folder`",
    "cluster": "in the settings of `processes`: `peers`, `size`, `names`",
    "record": "in `data`, the record that is written or read: `key`, `value`, `key_base64`, `value_base64`",
    "outputs": "in the settings of `github-actions`, what the workflow's artifacts say; in a step's `outputs`, its own",
    "json": "in a check or probe, the answer as JSON",
    "body": "in a check or probe, the answer as text",
    "status": "in a check or probe, the HTTP status or the exit code",
    "headers": "in a check, the headers of the HTTP answer, their names in small letters",
    "seen": "in a check, what it saw",
    "stdout": "in a check, what the command printed",
    "exit_code": "in a check or probe, how the command ended",
    "members": "in `states`, the nodes by name: `power`, `healthy`, `parts`",
    "healthy": "in `rule` and `states`, how many nodes are healthy",
    "total": "in `rule` and `states`, how many nodes there are",
    "state": "in `states`, the state by the rule",
    "url": "in an `http` check, where the answer came from",
    "uploads": "in an `http` check, the files that were uploaded, by their fields",
    "error": "in the `rollback` of a group, what went wrong",
    "round": "in `repeat`, the number of the round, from 1",
    "matrix": "in a check of a pipeline, its row of the matrix",
    "service": "in a service of a pipeline, the service itself: `name`, `address`, `ports`, `folder`",
    "services": "in a check of a pipeline, its services by name: `name`, `address`, `ports`, `folder`",
}
"""Additional names of some expressions, with their place."""

FIXED = {"run": ("id",), "trial": ("id",), "suite": ("name", "provider", "deployment_id")}
"""Names under roots of fixed shape."""

CHECK_NAMES = ("json", "status", "headers", "body", "seen")
"""Additional names for a check's own expressions, unless its class overrides them by `expression_names`."""

OURS = ("E2E_", "SEATRIAL_")
"""Environment variables of these names are set by the run itself."""

RENAMED_OUTPUTS: Mapping[str, Mapping[str, str]] = {"destroy": {"moored": "parked"}}
"""By the kind of a step: outputs that had another name, which documents may still use, and the name of today."""

_FUNCTIONS = frozenset({
    "size", "contains", "startsWith", "endsWith", "matches", "has", "dyn", "of", "none",
    "int", "uint", "double", "string", "bytes", "type", "timestamp", "duration",
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
    "getHours", "getMinutes", "getSeconds", "getMilliseconds",
})  # fmt: skip
"""What the CEL library has, found out by asking it."""

_ASKED = re.compile(r"""(["'])([A-Za-z_]\w*)\1\s+in\s+env\b""")
"""A variable of the environment that may not be there: the expression asks first."""


def with_old_names(kind: str, outputs: Mapping[str, object]) -> dict[str, object]:
    """The outputs of a step, under their older names too."""
    old = RENAMED_OUTPUTS.get(kind, {})
    return {**{before: outputs[now] for before, now in old.items() if now in outputs}, **outputs}


def renamed_outputs(text: str, scope: Scope) -> list[str]:
    """What to say of older names that the expressions of a text use; `text` is one expression, or has `${{ }}`."""
    formulas = [hole.expression for hole in read(text).holes] if "${{" in text else [text]
    warnings = []
    for path in (path for formula in formulas for path in references(formula)):
        if path[0] == "steps" and len(path) > 3 and path[2] == "outputs":
            now = RENAMED_OUTPUTS.get(scope.kinds.get(str(path[1]), ""), {}).get(str(path[3]))
            if now:
                warnings.append(f"the output {path[3]!r} of the step {path[1]!r} is now {now!r}")
    return warnings


@dataclass(slots=True)
class Scope:
    """Allowed names of the expressions at one place of a suite."""

    steps: set[str] = field(default_factory=set)
    """Ids (or kinds, for steps without id) of the steps that have run by then."""
    kinds: dict[str, str] = field(default_factory=dict)
    """The kinds of these, by their ids; one for all branches."""
    all_steps: Set[str] = frozenset()
    """Those of the whole suite, to tell a later step from one that does not exist."""
    ambiguous: Set[str] = frozenset()
    """Kinds of which several steps have no id."""
    variables: set[str] = field(default_factory=set)
    all_variables: Set[str] = frozenset()
    parameters: Set[str] = frozenset()
    nodes: tuple[str, ...] = ()
    """Empty: not known before deploy."""
    extras: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    secrets: set[str] = field(default_factory=set)
    """Is added to: the names of the secrets that were asked for."""
    secrets_later: bool = False
    """Secrets are looked for elsewhere than in the environment, once all that are asked for are known."""

    def inside(self, *extras: str) -> Scope:
        """A scope of its own for a branch: what becomes known there is not known outside until it is taken over."""
        return replace(self, steps=set(self.steps), variables=set(self.variables), extras=(*self.extras, *extras))

    def with_names(self, *extras: str) -> Scope:
        """The same scope, with more names."""
        return replace(self, extras=(*self.extras, *extras)) if extras else self


def check(expression: str, scope: Scope) -> list[tuple[str, str]]:
    """All errors in an expression found before it runs: messages with hints."""
    text = strip(expression)
    if not text:
        return [("the expression is empty", "write a path such as steps.deploy.outputs.ip, or a CEL expression")]
    if len(text) > LONGEST:
        return [(f"the expression has {len(text)} characters; allowed are {LONGEST}", "")]
    if text in WORDS:
        return []
    if plain_path(text) is None:
        wrong = _syntax(text)
        if wrong:
            return wrong
    asked = {("env", match[2]) for match in _ASKED.finditer(text)}
    return [p for path in references(text) if path[:2] not in asked for p in _check_path(path, scope)]


def check_template(text: str, scope: Scope) -> list[tuple[str, str]]:
    """All errors in the `${{ }}` of a string."""
    if "${{" not in text:
        return []
    written = read(text)
    holes = [hole for hole in written.holes if hole.written.startswith("${{")]
    problems = [problem for hole in holes for problem in check(hole.expression, scope)]
    if written.unclosed >= 0:
        problems.append(("`${{` is not closed", "end it with `}}`"))
    return problems


def _syntax(text: str) -> list[tuple[str, str]]:
    try:
        functions = program(text).references()["functions"]
    except ValueError as error:
        why = next((line for line in str(error).splitlines() if "ERROR" in line), str(error))
        why = why.partition("Syntax error: ")[2] or why.partition("ERROR: ")[2] or why
        return [(f"`{text}` is not a CEL expression: {why[:160]}", "see https://cel.dev for the language")]
    unknown = [name for name in functions if name.isidentifier() and name not in _FUNCTIONS]
    known = sorted({*_FUNCTIONS, "all", "exists", "exists_one", "map", "filter"})
    return [(f"`{text}`: there is no function {name!r}", nearest(name, known)) for name in unknown]


def _check_path(path: Path, scope: Scope) -> list[tuple[str, str]]:
    root, name = str(path[0]), path[1] if len(path) > 1 else None
    if root in scope.extras:
        return []
    if root not in ROOTS:
        return [(f"unknown variable {root!r}", nearest(root, [*ROOTS, *scope.extras]))]
    if root in FIXED and name is not None and name not in FIXED[root]:
        return [(f"{root} has no {name!r}", nearest(str(name), FIXED[root]))]
    if not isinstance(name, str):
        return []
    if root == "steps" and len(path) > 2 and path[2] != "outputs":
        return [(f"a step has no {path[2]!r}", f"write steps.{name}.outputs.NAME")]
    checker: Callable[[str, Scope], list[tuple[str, str]]] | None = _CHECKERS.get(root)
    return checker(name, scope) if checker else []


def _check_step(name: str, scope: Scope) -> list[tuple[str, str]]:
    if name in scope.steps:
        return []
    if name in scope.all_steps:
        why = f"the step {name!r} has not run by then, or is not visible here"
        return [(why, "only steps before this one are; within `parallel` those that it `needs`")]
    if name in scope.ambiguous:
        return [(f"several steps are {name!r}", "give the one that is meant an `id`")]
    return [(f"unknown step {name!r}", nearest(name, scope.steps, what="steps before this one"))]


def _check_variable(name: str, scope: Scope) -> list[tuple[str, str]]:
    if name in scope.variables:
        return []
    if name in scope.all_variables:
        return [(f"the variable {name!r} is not set by then", "a `set` step must come before this one")]
    return [(f"unknown variable vars.{name}", nearest(name, scope.variables, what="set are"))]


def _check_parameter(name: str, scope: Scope) -> list[tuple[str, str]]:
    if name in scope.parameters:
        return []
    return [(f"unknown parameter {name!r}", nearest(name, scope.parameters, what="this suite has"))]


def _check_environment(name: str, scope: Scope) -> list[tuple[str, str]]:
    if name in scope.environment or name.startswith(OURS):
        return []
    return [(f"the environment variable {name} is not set", f"set it: export {name}=…")]


def _check_secret(name: str, scope: Scope) -> list[tuple[str, str]]:
    scope.secrets.add(name)
    if name in scope.environment or scope.secrets_later:
        return []
    return [(f"the secret {name} is not set", f"put it into the environment variable {name}")]


def _check_node(name: str, scope: Scope) -> list[tuple[str, str]]:
    if not scope.nodes or name in scope.nodes:
        return []
    return [(f"there is no node {name!r}", nearest(name, scope.nodes, what="nodes"))]


_CHECKERS = {
    "steps": _check_step,
    "vars": _check_variable,
    "parameters": _check_parameter,
    "env": _check_environment,
    "secrets": _check_secret,
    "nodes": _check_node,
}
