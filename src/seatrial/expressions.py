"""Values that are filled in later: `${{ … }}`, `$deployment_dir`, `$provider`, and CEL expressions.

A plain path (`steps.deploy.outputs.web_ip`, `nodes['n11'].ports.client`) and `true` and `false` are worked out here;
anything else is CEL, whose library is imported only then (it takes longer to import than a small run takes).
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import PurePath
from typing import Any

from seatrial.errors import CannotTell, nearest

LONGEST = 2000
"""Characters of one expression: the CEL parser is not asked to nest deeper than this allows."""

ROOTS = ("steps", "vars", "parameters", "run", "trial", "suite", "deploy_dir", "env", "secrets", "nodes")
"""What every expression sees at run time."""

FIXED = {"run": ("id",), "trial": ("id",), "suite": ("name", "provider", "deployment_id")}
"""What is under a root that never changes its shape."""

CHECK_NAMES = ("json", "status", "headers", "body", "seen")
"""What a check's own expressions see besides, unless its class says otherwise by `expression_names`."""

OURS = ("E2E_", "SEATRIAL_")
"""Environment variables of these names are set by the run itself."""

_FUNCTIONS = frozenset({
    "size", "contains", "startsWith", "endsWith", "matches", "has", "dyn", "of", "none",
    "int", "uint", "double", "string", "bytes", "type", "timestamp", "duration",
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
    "getHours", "getMinutes", "getSeconds", "getMilliseconds",
})  # fmt: skip
"""What the CEL library has, found out by asking it."""

_TYPES = frozenset({"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "optional"})
_TEMPLATE = re.compile(r"""\$\{\{((?>'[^']*'|"[^"]*"|(?!\}\}).)*+)\}\}""", re.DOTALL)
_SHORT = re.compile(r"\$(?:(deployment_dir|provider)\b|\{(deployment_dir|provider)\})")
_ANY = re.compile(r"\$\{\{|\$\{?(?:deployment_dir|provider)\b")
_PATH = re.compile(r"""[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\]|\['[^'\\\]]*'\]|\["[^"\\\]]*"\])*""")
_PART = re.compile(r"""\.?([A-Za-z_]\w*)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
_TOKEN = re.compile(
    r"""[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|[A-Za-z_]\w*|\d[\w.]*|//[^\n]*|\S""",
    re.DOTALL,
)
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,(?:\s*([A-Za-z_]\w*)\s*,)?")
_ASKED = re.compile(r"""(["'])([A-Za-z_]\w*)\1\s+in\s+env\b""")
"""A variable of the environment that may not be there: the expression asks first."""
_WORDS = {"true": True, "false": False, "null": None}

Path = tuple[str | int, ...]
"""A root and the names and indices under it."""


@dataclass(slots=True)
class Scope:
    """What the expressions at one place of a suite may name."""

    steps: set[str] = field(default_factory=set)
    """Ids (or kinds, for steps without id) of the steps that have run by then."""
    all_steps: Set[str] = frozenset()
    """Those of the whole suite, to tell a step that comes later from one that is not there."""
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


def templated(value: object) -> bool:
    """Whether anything in a string or a structure is filled in later."""
    if isinstance(value, str):
        return "$" in value and _ANY.search(value) is not None
    if isinstance(value, Mapping):
        return any(map(templated, value.values())) or any(map(templated, value))
    if isinstance(value, list | tuple):
        return any(map(templated, value))
    return False


def strip(expression: str) -> str:
    """The expression itself: `if` and its kin may be written with `${{ }}` around it, or without."""
    text = expression.strip()
    whole = _TEMPLATE.fullmatch(text)
    return whole.group(1).strip() if whole else text


def expressions(text: str) -> Iterator[str]:
    """The expressions within a string."""
    if "${{" in text:
        for match in _TEMPLATE.finditer(text):
            yield match.group(1).strip()


def bind(value: Any, names: Mapping[str, object]) -> Any:
    """Fill in a string or a structure; CannotTell when a value is not there. One `${{ x }}` alone keeps its type."""
    if isinstance(value, str):
        return _bind_text(value, names) if "$" in value else value
    if isinstance(value, Mapping):
        return {bind(key, names): bind(one, names) for key, one in value.items()} if templated(value) else value
    if isinstance(value, list | tuple):
        return type(value)(bind(one, names) for one in value) if templated(value) else value
    return value


def _bind_text(text: str, names: Mapping[str, object]) -> Any:
    whole = _TEMPLATE.fullmatch(text.strip())
    if whole:
        return evaluate(whole.group(1), names)

    def short(part: str) -> str:
        def fill(match: re.Match[str]) -> str:
            path: Path = ("deploy_dir",) if "deployment_dir" in match.groups() else ("suite", "provider")
            return as_text(_follow(path, match.group(), names))

        return _SHORT.sub(fill, part)

    # What a template gives is not looked at again: a value is never taken for an expression.
    parts, last = [], 0
    for match in _TEMPLATE.finditer(text):
        parts += [short(text[last : match.start()]), as_text(evaluate(match.group(1), names))]
        last = match.end()
    return "".join([*parts, short(text[last:])])


def as_text(value: object) -> str:
    """A value inside a longer text: JSON's words, nothing for null, JSON for structures."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | Mapping | list | tuple):
        return json.dumps(plain(value), ensure_ascii=False)
    return str(value)


def plain(value: object) -> Any:
    """A structure of dicts, lists and scalars, as JSON and CEL know them."""
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | Set):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, PurePath) else value


def evaluate(expression: str, names: Mapping[str, object]) -> Any:
    """The value of an expression; CannotTell when it cannot be worked out."""
    text = strip(expression)
    if text in _WORDS:
        return _WORDS[text]
    path = plain_path(text)
    if path:
        return _follow(path, text, names)
    wanted = {str(one[0]) for one in references(text)}
    values = {name: plain(names[name]) for name in wanted if name in names}
    try:
        return plain(_program(text).execute(values))
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise _cannot(text, f"{type(error).__name__}: {error}") from error


def _follow(path: Path, text: str, names: Mapping[str, object]) -> Any:
    value: Any = names
    for depth, part in enumerate(path):
        try:
            value = value[part]
        except (LookupError, TypeError):
            held = ".".join(map(str, path[:depth]))
            there = sorted(map(str, value)) if isinstance(value, Mapping) else []
            why = f"{held or 'the scope'} has no {part!r}"
            raise _cannot(text, f"{why} (it has: {', '.join(there) or 'nothing'})") from None
    return value


def _cannot(text: str, why: str) -> CannotTell:
    error = CannotTell(f"the expression `{text}` has no value here: {why}")
    error.category = "test"
    return error


@functools.lru_cache(maxsize=4096)
def plain_path(text: str) -> Path | None:
    """The parts of an expression that is only a path; None for any other."""
    if not _PATH.fullmatch(text) or text in _WORDS:
        return None
    found: list[str | int] = []
    for name, index, single, double in _PART.findall(text):
        found.append(int(index) if index else name or single or double)
    return tuple(found)


@functools.lru_cache(maxsize=4096)
def references(expression: str) -> tuple[Path, ...]:
    """Every root that an expression names, each with the names and indices that stand right under it."""
    text = strip(expression)
    path = plain_path(text)
    if path:
        return (path,)
    bound = {name for match in _MACRO.finditer(text) for name in match.groups() if name}
    tokens = [one for one in _TOKEN.findall(text) if not one.startswith("//")]
    found: list[Path] = []
    at = 0
    while at < len(tokens):
        token, before, after = tokens[at], tokens[at - 1] if at else "", tokens[at + 1] if at + 1 < len(tokens) else ""
        at += 1
        if not token.isidentifier() or before == "." or after == "(" or token in {*_WORDS, "in"} or token in bound:
            continue
        if token in _TYPES and after != ".":
            continue
        parts: list[str | int] = [token]
        at = _under(tokens, at, parts)
        found.append(tuple(parts))
    return tuple(dict.fromkeys(found))


def _under(tokens: list[str], at: int, parts: list[str | int]) -> int:
    while at + 1 < len(tokens):
        following = tokens[at + 1 :]
        if tokens[at] == "." and following[0].isidentifier() and following[1:2] != ["("]:
            parts.append(following[0])
            at += 2
        elif tokens[at] == "[" and following[1:2] == ["]"] and following[0][:1] in "'\"0123456789":
            parts.append(int(following[0]) if following[0].isdigit() else following[0][1:-1])
            at += 3
        else:
            break
    return at


@functools.lru_cache(maxsize=4096)
def _program(text: str) -> Any:
    import cel

    return cel.compile(text)


def check(expression: str, scope: Scope) -> list[tuple[str, str]]:
    """All that can be seen to be wrong with an expression before it runs: messages with hints."""
    text = strip(expression)
    if not text:
        return [("the expression is empty", "write a path such as steps.deploy.outputs.ip, or a CEL expression")]
    if len(text) > LONGEST:
        return [(f"the expression has {len(text)} characters; allowed are {LONGEST}", "")]
    if text in _WORDS:
        return []
    if plain_path(text) is None:
        wrong = _syntax(text)
        if wrong:
            return wrong
    asked = {("env", match[2]) for match in _ASKED.finditer(text)}
    return [p for path in references(text) if path[:2] not in asked for p in _check_path(path, scope)]


def check_template(text: str, scope: Scope) -> list[tuple[str, str]]:
    """All that is wrong with the `${{ }}` in a string."""
    if "${{" not in text:
        return []
    found = [problem for expression in expressions(text) for problem in check(expression, scope)]
    if "${{" in _TEMPLATE.sub("", text):
        found.append(("`${{` is not closed", "end it with `}}`"))
    return found


def _syntax(text: str) -> list[tuple[str, str]]:
    try:
        functions = _program(text).references()["functions"]
    except ValueError as error:
        why = next((line for line in str(error).splitlines() if "ERROR" in line), str(error))
        why = why.partition("Syntax error: ")[2] or why.partition("ERROR: ")[2] or why
        return [(f"`{text}` is no CEL expression: {why[:160]}", "see https://cel.dev for the language")]
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
