"""PromQL: a label in every selector, and the parts of a query, by a real parser.

The parser's library (`promql-parser`, an extra) has no positions, and does not escape what is put into its tree. So a
selector is written again from its parts, the library prints the rest, and the result is read once more: it must be the
same tree.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from seatrial.errors import CannotTell, ExtraMissing

COMPARISONS = ("==", "!=", ">=", "<=", ">", "<")

_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}

_NAME = "__name__"

_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


@functools.cache
def parser() -> Any:
    """The library; ExtraMissing without it."""
    try:
        import promql_parser
    except ImportError as error:
        raise ExtraMissing("PromQL needs a parser: pip install 'seatrial[prometheus]'") from error
    # Prometheus 2 has it, the library knows only its name in Prometheus 3.
    kinds = promql_parser.ValueType
    arguments = [kinds.Matrix, kinds.Scalar, kinds.Scalar]
    promql_parser.register_extra_functions([promql_parser.Function("holt_winters", arguments, kinds.Vector)])
    return promql_parser


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector of a query, without its range."""

    text: str
    """As an instant vector."""
    name: str
    """The metric; empty: a pattern chooses it."""
    moved: bool
    """An `offset` or `@` moves it away from the time of the query."""
    absence: bool
    """It is asked for its absence: `absent(…)`."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter, or the sum of one: what an increase can be computed of."""

    selector: str
    by: tuple[str, ...] | None = None
    """The labels kept by the sum; None: all but those in `without`."""
    without: tuple[str, ...] | None = None
    """The labels that the sum drops; None, as `by`: there is no sum."""

    def group(self, labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """The labels of the sum that a series belongs to."""
        if self.by is not None:
            kept = {name: value for name, value in labels.items() if name in self.by}
        else:
            kept = {name: value for name, value in labels.items() if name not in (*(self.without or ()), _NAME)}
        return tuple(sorted(kept.items()))


def parsed(query: str) -> Any:
    """The tree of a query; ValueError says what is wrong with it, ExtraMissing without the library."""
    if not query.strip():
        raise ValueError("the query is empty")
    try:
        # Read twice: the library prints neither an empty `by ()` nor an empty `ignoring ()`, which mean nothing.
        return parser().parse(parser().parse(query).prettify())
    except ValueError as error:
        raise ValueError(f"invalid PromQL: {str(error).strip() or 'the parser says nothing more'}") from error


def labelled(query: str, label: str, value: str, leave: Sequence[str] = ()) -> str:
    """The query with one more matcher, `label="value"`, in each selector, except for the metrics whose names match a
    pattern in `leave`. ValueError for an invalid query."""
    library = parser()
    matcher = library.Matcher(library.MatchOp.Equal, label, value)
    tree = parsed(query)

    def add(node: Any) -> Any:
        if not isinstance(node, library.VectorSelector):
            return None
        name = _name(node)
        left = bool(name) and any(fnmatchcase(name, pattern) for pattern in leave)
        return None if left else parsed(_written(node, matcher))

    return _printed(library.transform(tree, add))


def selectors(query: str) -> list[Selector]:
    """The selectors of a query, each once."""
    library, found = parser(), dict[str, Selector]()
    absent: set[str] = set()

    def note(node: Any) -> None:
        if isinstance(node, library.Call) and node.func.name.startswith("absent"):
            for argument in node.args:
                library.walk(argument, lambda inner: absent.add(inner.prettify()) if _is_selector(inner) else None)
        if _is_selector(node):
            moved = bool(_suffix(node))
            found.setdefault(node.prettify(), Selector(node.prettify(), _name(node), moved, False))

    library.walk(parsed(query), note)
    return [
        Selector(one.text, one.name, one.moved, one.text in absent) if one.text in absent else one
        for one in found.values()
    ]


def comparison(query: str) -> tuple[str, str, float] | None:
    """A query that is compared with a number, as the query, the comparison and the number; None for any other."""
    tree = _unwrapped(parsed(query))
    if not isinstance(tree, parser().BinaryExpr) or str(tree.op) not in COMPARISONS:
        return None
    if tree.modifier is not None and tree.modifier.return_bool:
        return None
    number, operator = parser().NumberLiteral, str(tree.op)
    if isinstance(tree.rhs, number) and not isinstance(tree.lhs, number):
        return _printed(tree.lhs), operator, float(tree.rhs.val)
    if isinstance(tree.lhs, number) and not isinstance(tree.rhs, number):
        return _printed(tree.rhs), _MIRRORED.get(operator, operator), float(tree.lhs.val)
    return None


def counted(query: str) -> Counted | None:
    """A selector, or the sum of one; None for any other query."""
    library, tree = parser(), _unwrapped(parsed(query))
    by, without = None, None
    if isinstance(tree, library.AggregateExpr):
        if str(tree.op) != "sum":
            return None
        modifier = tree.modifier
        labels = tuple(modifier.labels) if modifier is not None else ()
        if modifier is not None and modifier.type == library.AggModifierType.Without:
            without = labels
        else:
            by = labels
        tree = _unwrapped(tree.expr)
    if not isinstance(tree, library.VectorSelector) or _suffix(tree):
        return None
    return Counted(_printed(tree), by, without)


def quoted(text: str) -> str:
    """A string of PromQL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_selector(node: Any) -> bool:
    return isinstance(node, parser().VectorSelector)


def _name(node: Any) -> str:
    """The metric of a selector; empty: a pattern."""
    if node.name:
        return str(node.name)
    equal = parser().MatchOp.Equal
    return next((str(one.value) for one in node.matchers.matchers if one.name == _NAME and one.op == equal), "")


def _suffix(node: Any) -> str:
    """The `offset` and `@` of a selector."""
    bare = parsed(node.prettify())
    bare.matchers = parser().Matchers([])
    return str(str(bare).partition("{}")[2])


def _written(node: Any, more: Any) -> str:
    """A selector with one more matcher."""
    groups = node.matchers.or_matchers or [node.matchers.matchers]
    # In the order in which the library prints them, so that both trees are the same.
    inside = " or ".join(",".join(sorted(map(_matcher, [*group, more]))) for group in groups)
    return f"{node.name or ''}{{{inside}}}{_suffix(node)}"


def _matcher(matcher: Any) -> str:
    operator = _OPERATORS[str(matcher.op).rpartition(".")[2]]
    return f"{matcher.name}{operator}{quoted(matcher.value)}"


def _unwrapped(tree: Any) -> Any:
    while isinstance(tree, parser().ParenExpr):
        tree = tree.expr
    return tree


def _printed(tree: Any) -> str:
    """A tree as text; CannotTell if it would not be read as the same tree."""
    text = str(tree.prettify())
    if repr(parsed(text)) != repr(tree):
        raise CannotTell(f"the PromQL parser does not read its own text as the same query: {text}")
    return text
