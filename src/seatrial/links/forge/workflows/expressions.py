"""GitHub's expressions: `${{ … }}` in templates, and the text of `if:`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial.errors import nearest
from seatrial.links.forge.workflows import values
from seatrial.links.forge.workflows.syntax import STATUS, Call, ExpressionError, Literal, Name, Node, calls, parse
from seatrial.links.forge.workflows.values import CaseSensitive, Unknown, UnknownValue

__all__ = [
    "CaseSensitive", "ExpressionError", "Function", "Unknown", "UnknownValue", "condition", "condition_calls",
    "evaluate", "parts", "pieces", "render", "templated", "templates", "value",
]  # fmt: skip

Function = Callable[..., Any]
"""A function supplied by the caller: `success`, `failure`, `always`, `cancelled`, `hashFiles`."""

_HOLE = re.compile(r"\$\{\{((?:[^'}]|'(?:[^']|'')*+'|\}(?!\}))*+)\}\}")
_FORMAT = re.compile(r"\{\{|\}\}|\{(\d{1,3})\}|[{}]")


def evaluate(expression: str, contexts: Mapping[str, Any], functions: Mapping[str, Function] | None = None) -> Any:
    """The value of an expression without `${{ }}`.

    `contexts` are `github`, `env`, …: None, booleans, numbers, texts, lists, mappings; an `Unknown` may be anywhere.
    ExpressionError for an invalid expression or a missing name; UnknownValue if it needs an unknown value.
    """
    tree = parse(expression.strip())
    given = {name.lower(): one for name, one in (functions or {}).items()}
    return values.known(_Evaluation(contexts, given).value(tree))


def value(template: Any, contexts: Mapping[str, Any], functions: Mapping[str, Function] | None = None) -> Any:
    """A value of a workflow file, filled in at every depth; a text of one `${{ }}` alone keeps its type."""
    if isinstance(template, str):
        split = parts(template)
        if len(split) == 1 and split[0][1]:
            return evaluate(split[0][0], contexts, functions)
        return "".join(values.as_text(evaluate(text, contexts, functions)) if hole else text for text, hole in split)
    if isinstance(template, Mapping):
        return {render(str(key), contexts, functions): value(one, contexts, functions) for key, one in template.items()}
    if isinstance(template, Sequence):
        return [value(one, contexts, functions) for one in template]
    return template


def render(template: str, contexts: Mapping[str, Any], functions: Mapping[str, Function] | None = None) -> str:
    """A text with every `${{ }}` filled in."""
    found = value(template, contexts, functions)
    if not values.primitive(found):
        raise ExpressionError(f"{template.strip()} is an {values.kind(found)} where a text is expected; use toJSON")
    return values.as_text(found)


def pieces(template: str, contexts: Mapping[str, Any]) -> list[str | Unknown]:
    """A text in pieces: known text, and gaps for unknown values."""
    found: list[str | Unknown] = []
    for text, hole in parts(template):
        try:
            found.append(values.as_text(evaluate(text, contexts)) if hole else text)
        except UnknownValue as error:
            found.append(error.unknown)
    return found


def condition(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Function]) -> bool:
    """The result of an `if:`; without a status function, `success()` is evaluated first. Empty: `success()`."""
    asked = text.strip()
    if not asked:
        return values.truth(functions["success"]())
    if not condition_calls(asked) & set(STATUS) and not values.truth(functions["success"]()):
        return False
    # Text around a `${{ }}` makes a text of it all, and a text is true: so it is on GitHub, where it surprises too.
    found = value(asked, contexts, functions) if "${{" in asked else evaluate(asked, contexts, functions)
    return values.truth(found)


def templates(template: str) -> list[Node]:
    """The trees of all expressions in a text; ExpressionError when one cannot be read."""
    return [parse(one.strip()) for one, hole in parts(template) if hole]


def condition_calls(text: str) -> set[str]:
    """The functions called by an `if:`; ExpressionError if it cannot be read."""
    trees = templates(text) if "${{" in text else [parse(text.strip())]
    return {name for tree in trees for name in calls(tree)}


def templated(template: object) -> bool:
    """Whether anything in it is filled in."""
    if isinstance(template, str):
        return "${{" in template
    if isinstance(template, Mapping):
        return any(map(templated, template)) or any(map(templated, template.values()))
    return isinstance(template, Sequence) and any(map(templated, template))


def parts(template: str) -> list[tuple[str, bool]]:
    """Texts and expressions in turn; an expression is without its `${{ }}`."""
    found: list[tuple[str, bool]] = []
    at = 0
    while (begin := template.find("${{", at)) >= 0:
        hole = _HOLE.match(template, begin)
        if hole is None:
            shown = template[begin:].splitlines()[0][:80]
            raise ExpressionError(f"the expression starting with {shown!r} is not closed by `}}}}`")
        if begin > at:
            found.append((template[at:begin], False))
        found.append((hole.group(1), True))
        at = hole.end()
    if at < len(template):
        found.append((template[at:], False))
    return found


class _Evaluation:
    def __init__(self, contexts: Mapping[str, Any], functions: Mapping[str, Function]) -> None:
        self.contexts = contexts
        self.functions = functions

    def value(self, node: Node) -> Any:
        match node:
            case Literal(constant):
                return constant
            case Name(name):
                return self.context(name)
            case Call("*", (of,)):
                return values.elements(self.value(of))
            case Call("[]", (of, key)):
                return values.look(self.value(of), values.known(self.value(key)))
            case Call("&&" | "||" as operator, (left, right)):
                first = values.known(self.value(left))
                return self.value(right) if values.truth(first) == (operator == "&&") else first
            case Call("case", arguments):
                return self.case(arguments)
            case Call(name, arguments):
                function = self.functions.get(name) or _BUILT_IN.get(name)
                given = [values.known(self.value(argument)) for argument in arguments]
                if function is None:
                    raise ExpressionError(f"{name}() has no meaning in this place of a workflow")
                return function(*given)

    def context(self, name: str) -> Any:
        for known, one in self.contexts.items():
            if known.lower() == name.lower():
                return one
        hint = nearest(name, self.contexts, what="there are")
        raise ExpressionError(f"there is no {name!r} in this place; {hint}")

    def case(self, arguments: tuple[Node, ...]) -> Any:
        if len(arguments) % 2 == 0:
            raise ExpressionError("case takes pairs of a condition and a value, and one value for all else")
        for at in range(0, len(arguments) - 1, 2):
            asked = values.known(self.value(arguments[at]))
            if not isinstance(asked, bool):
                raise ExpressionError(
                    f"the condition of case must be true or false, and it is {values.as_text(asked)!r}"
                )
            if asked:
                return self.value(arguments[at + 1])
        return self.value(arguments[-1])


def _contains(search: Any, item: Any) -> bool:
    if values.kind(search) == "array":
        return any(values.equal(one, item) for one in search)
    return _texts(search, item, lambda whole, part: part in whole)


def _texts(left: Any, right: Any, ask: Callable[[str, str], bool]) -> bool:
    if not (values.primitive(left) and values.primitive(right)):
        return False
    return ask(values.as_text(left).lower(), values.as_text(right).lower())


def _format(template: Any, *arguments: Any) -> str:
    def fill(match: re.Match[str]) -> str:
        if match.group() in ("{{", "}}"):
            return match.group()[0]
        if match.group(1) is None:
            raise ExpressionError(f"the format {template!r} has a lone {match.group()!r}; write it twice")
        if int(match.group(1)) >= len(arguments):
            raise ExpressionError(
                f"the format {template!r} asks for {match.group()}, and has {len(arguments)} value(s)"
            )
        return values.as_text(arguments[int(match.group(1))])

    return _FORMAT.sub(fill, values.as_text(template))


def _join(what: Any, separator: Any = ",") -> str:
    if values.kind(what) != "array":
        return values.as_text(what) if values.primitive(what) else ""
    between = values.as_text(separator) if values.primitive(separator) else ","
    return between.join(map(values.as_text, what))


_BUILT_IN: Mapping[str, Function] = {
    "!": lambda value: not values.truth(value),
    "==": values.equal,
    "!=": lambda left, right: not values.equal(left, right),
    "<": values.less,
    ">": lambda left, right: values.less(right, left),
    "<=": lambda left, right: values.less(left, right) or values.equal(left, right),
    ">=": lambda left, right: values.less(right, left) or values.equal(left, right),
    "contains": _contains,
    "startswith": lambda text, part: _texts(text, part, str.startswith),
    "endswith": lambda text, part: _texts(text, part, str.endswith),
    "format": _format,
    "join": _join,
    "tojson": values.to_json,
    "fromjson": lambda text: values.from_json(values.as_text(text)),
}
