"""Names for expressions at one place, and errors found before an expression is evaluated."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Set
from dataclasses import field, replace

from seatrial.errors import nearest
from seatrial.expressions.evaluate import OURS, program
from seatrial.expressions.text import WORDS, Path, plain_path, read, references, strip
from seatrial.model.record import record

LONGEST = 2000
"""Maximum length of an expression; it also limits the nesting for the CEL parser."""

NAMES: Mapping[str, str] = {
    "steps": "outputs of the steps before this one: `steps.ID.outputs.NAME`; a step without an id goes by its kind",
    "vars": "the variables of the suite and of its `set` steps",
    "parameters": "the parameters of the suite",
    "run": "`run.id`, the id of this run",
    "trial": "the trial: `id`, and `start`, its beginning in seconds since 1970",
    "suite": "the suite: `name`, `provider`, `deployment_id`",
    "deploy_dir": "the deployer's working folder; older documents write `$deployment_dir`",
    "env": "the environment variables of this machine, and the run's own",
    "secrets": "the environment variables masked in all output",
    "nodes": "the nodes by name, each with `name`, `address`, `ports` and `trial`",
    "services": "the shared services of the suite by name, each with `name`, `address`, `port`, `url`, `folder` and "
    "`namespace`; in a check of a pipeline, its services: `name`, `address`, `ports`, `folder`",
}
"""Names at run time for every expression, with their meaning."""

ROOTS = tuple(NAMES)

EXTRAS: Mapping[str, str] = {
    "node": "in a system's settings, the current node: `name`, `address`, `ports`, `folder`; in a check, its name",
    "cluster": "in the settings of `processes`: `peers`, `size`, `names`",
    "record": "in `data`, the record to write or read: `key`, `value`, `key_base64`, `value_base64`",
    "outputs": "in the settings of `github-actions`, values from the workflow's artifacts; in a step's, its own",
    "json": "in a check or probe, the answer as JSON",
    "body": "in a check or probe, the answer as text",
    "status": "in a check or probe, the HTTP status or the exit code; in `resource`, the object's status",
    "headers": "in a check, the headers of the HTTP answer, with lowercase names",
    "seen": "in a check, the observed value",
    "stdout": "in a check, the standard output of the command, without the last line end",
    "stderr": "in a check, the standard error of the command, without the last line end",
    "rows": "in a `sql` check, the rows, each a map by column",
    "value": "in a `sql` check, the first value of the first row; in a `prometheus` check, of the only series",
    "count": "the number of rows in a `sql` check, of series in a `prometheus` check",
    "values": "in a `prometheus` check, the values of all series",
    "series": "in a `prometheus` check, the series, each a map of `labels`, `value`, `values`",
    "content": "in a `git` check, the text of the file",
    "delivery": "in a `git_webhook` check, a call of the webhook: `id`, `uuid`, `state`, `time`, `event`, `url`, "
    "`status`, `headers`, `payload`, `answer`",
    "pull": "in a `git_pull_request` check, the pull request: `number`, `title`, `body`, `state`, `draft`, "
    "`mergeable`, `author`, `head`, `base`, `commit`, `merge_commit`, `labels`, `url`",
    "commit": "in a `git` check, the newest commit: `sha`, `author`, `email`, `time`, `message`",
    "event": "in an `events` check, the event",
    "object": "in a `resource` check, the object of Kubernetes",
    "metadata": "in a `resource` check, the object's metadata",
    "spec": "in a `resource` check, the object's specification",
    "exit_code": "in a check or probe, the exit code of the command",
    "members": "in `states`, the nodes by name: `power`, `healthy`, `parts`",
    "healthy": "in `rule` and `states`, the number of healthy nodes",
    "total": "in `rule` and `states`, the number of nodes",
    "state": "in `states`, the state according to the rule",
    "url": "in an `http` check, the origin of the answer",
    "uploads": "in an `http` check, the uploaded files by field",
    "error": "in the `rollback` of a group, the error",
    "round": "in `repeat`, the number of the round, from 1",
    "matrix": "in a check of a pipeline, its row of the matrix",
    "service": "in a service, the service itself: `name`, `address`, `folder` and its `port` (shared services) or "
    "`ports` (services of a pipeline)",
}
"""Additional names in some expressions, with their place."""

FIXED = {"run": ("id",), "trial": ("id", "start"), "suite": ("name", "provider", "deployment_id")}
"""Names under roots with a fixed shape."""

CHECK_NAMES = ("json", "status", "headers", "body", "seen")
"""Additional names for a check's own expressions, unless its class overrides them with `expression_names`."""

RENAMED_OUTPUTS: Mapping[str, Mapping[str, str]] = {"destroy": {"moored": "parked"}}
"""By the kind of a step: former names of outputs, still allowed in documents, and today's names."""

_FUNCTIONS = frozenset({
    "size", "contains", "startsWith", "endsWith", "matches", "has", "dyn", "of", "none",
    "int", "uint", "double", "string", "bytes", "type", "timestamp", "duration",
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
    "getHours", "getMinutes", "getSeconds", "getMilliseconds",
})  # fmt: skip
"""The functions of the CEL library, found by trial."""

_PATTERN = re.compile(r"""\bmatches\s*\((?:[^'"()]*,)?\s*([rR]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))\s*\)""")
"""The literal pattern of a `matches`."""

_ASKED = re.compile(r"""(["'])([A-Za-z_]\w*)\1\s+in\s+env\b""")
"""An optional environment variable: the expression first asks whether it is set."""


_MAY_LACK = re.compile(r"\?|&&|\|\||\bhas\s*\(|\bin\s+nodes\b")
"""The marks of an expression over a node that may be missing."""


def with_old_names(kind: str, outputs: Mapping[str, object]) -> dict[str, object]:
    """The outputs of a step, under their older names too."""
    old = RENAMED_OUTPUTS.get(kind, {})
    return {**{before: outputs[now] for before, now in old.items() if now in outputs}, **outputs}


def _formulas(text: str) -> list[str]:
    """The expressions of a text; `text` is one expression, or has `${{ }}`."""
    return [hole.expression for hole in read(text).holes] if "${{" in text else [text]


def needed_nodes(text: str) -> set[str]:
    """The nodes required by the expressions of a text; `text` is one expression, or has `${{ }}`."""
    needed = (path for formula in _formulas(text) if not _MAY_LACK.search(formula) for path in references(formula))
    return {path[1] for path in needed if path[0] == "nodes" and len(path) > 1 and isinstance(path[1], str)}


def renamed_outputs(text: str, scope: Scope) -> list[str]:
    """Warnings about former names in the expressions of a text; `text` is one expression, or has `${{ }}`."""
    formulas = _formulas(text)
    warnings = []
    for path in (path for formula in formulas for path in references(formula)):
        if path[0] == "steps" and len(path) > 3 and path[2] == "outputs":
            now = RENAMED_OUTPUTS.get(scope.kinds.get(str(path[1]), ""), {}).get(str(path[3]))
            if now:
                warnings.append(f"the output {path[3]!r} of the step {path[1]!r} is now {now!r}")
    return warnings


@record
class Scope:
    """Allowed names of the expressions at one place of a suite."""

    steps: set[str] = field(default_factory=set)
    """Ids (or kinds, for steps without id) of the earlier steps."""
    kinds: dict[str, str] = field(default_factory=dict)
    """Their kinds, by id; shared by all branches."""
    all_steps: Set[str] = frozenset()
    """The steps of the whole suite, to distinguish a later step from an unknown one."""
    ambiguous: Set[str] = frozenset()
    """Kinds with several steps without id."""
    variables: set[str] = field(default_factory=set)
    all_variables: Set[str] = frozenset()
    parameters: Set[str] = frozenset()
    extras: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    secrets: set[str] = field(default_factory=set)
    """The names of all secrets in the expressions checked so far."""
    services: Set[str] = frozenset()
    """The shared services that the suite may use."""
    used_services: set[str] = field(default_factory=set)
    """The shared services in the expressions checked so far."""
    secrets_later: bool = False
    """Secrets are looked up outside the environment too, once all their names are known."""

    def inside(self) -> Scope:
        """A separate scope for a branch: its additions are unknown outside until they are taken over."""
        return replace(self, steps=set(self.steps), variables=set(self.variables))

    def with_names(self, *extras: str) -> Scope:
        """The same scope, with more names."""
        return replace(self, extras=(*self.extras, *extras)) if extras else self


def check(expression: str, scope: Scope) -> list[tuple[str, str]]:
    """All errors in an expression found before it is evaluated: messages with hints."""
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
    problems = [problem for hole in written.holes if hole.braced for problem in check(hole.expression, scope)]
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
    if "${{" in text:
        hint = "write 'before ' + trial.id instead; for the braces themselves '$' + '{{'"
        return [(f"`{text}`: `${{{{ }}}}` is not filled in within a CEL string", hint)]
    for literal in _PATTERN.findall(text):
        try:
            program(f"''.matches({literal})").execute({})
        except (RuntimeError, ValueError) as error:
            why = str(error).rpartition("error: ")[2].rpartition("\n")[2].partition(". Check")[0].rstrip(".")
            hint = "CEL has the syntax of RE2: https://github.com/google/re2/wiki/Syntax"
            return [(f"`{text}`: {literal} is not a regular expression: {why[:160]}", hint)]
    unknown = [name for name in functions if name.isidentifier() and name not in _FUNCTIONS]
    known = sorted({*_FUNCTIONS, "all", "exists", "exists_one", "map", "filter"})
    return [(f"`{text}`: unknown function {name!r}", nearest(name, known)) for name in unknown]


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
    problem = _check_name(root, name, scope)
    return [problem] if problem else []


def _check_name(root: str, name: str, scope: Scope) -> tuple[str, str] | None:
    """The problem of a name under a root with names of its own."""
    if root == "steps" and name not in scope.steps:
        if name in scope.all_steps:
            why = f"the step {name!r} has not run at this point, or is not visible here"
            return why, "only earlier steps are; within `parallel` only the steps in `needs`"
        if name in scope.ambiguous:
            return f"several steps of the kind {name!r} have no id", "give your step an `id`"
        return f"unknown step {name!r}", nearest(name, scope.steps, what="steps before this one")
    if root == "vars" and name not in scope.variables:
        if name in scope.all_variables:
            return f"the variable {name!r} is not set at this point", "a `set` step must come before this one"
        return f"unknown variable vars.{name}", nearest(name, scope.variables, what="set are")
    if root == "parameters" and name not in scope.parameters:
        return f"unknown parameter {name!r}", nearest(name, scope.parameters, what="this suite has")
    if root == "env" and name not in scope.environment and not name.startswith(OURS):
        return f"the environment variable {name} is not set", f"set it: export {name}=…"
    if root == "services":
        scope.used_services.add(name)
        if name not in scope.services:
            hint = nearest(name, scope.services, what="services")
            return f"unknown service {name!r}", f"define it under `services`; {hint}"
    if root == "secrets":
        scope.secrets.add(name)
        if name not in scope.environment and not scope.secrets_later:
            return f"the secret {name} is not set", f"put it into the environment variable {name}"
    return None
