"""The grammar of GitHub's expressions: text in, a tree out."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from seatrial.errors import UsageError

LONGEST = 21_000
"""Characters of one expression; GitHub takes no more."""

DEEPEST = 50
"""GitHub's limit of nesting levels."""

MANY = 255
ARGUMENTS = {
    "contains": (2, 2), "startswith": (2, 2), "endswith": (2, 2), "format": (1, MANY), "join": (1, 2), "tojson": (1, 1),
    "fromjson": (1, 1), "hashfiles": (1, MANY), "case": (3, MANY), "success": (0, MANY), "failure": (0, MANY),
    "always": (0, 0), "cancelled": (0, 0),
}  # fmt: skip
"""Functions, in lower case because their names have no case, and how many arguments each takes."""

STATUS = ("success", "failure", "always", "cancelled")
"""Functions for the status of earlier jobs or steps."""


class ExpressionError(UsageError):
    """An expression that GitHub would reject, or without a value where it is used."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal value."""

    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A context: `github`, `env`, …"""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function, in lower case, or an operator; `[]` is an element of its operand, and `*` all of them."""

    name: str
    arguments: tuple[Node, ...]


Node = Literal | Name | Call

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>'(?:[^']|'')*+')
    |(?P<operator>&&|\|\||==|!=|<=|>=|[<>!()\[\],*])
    |(?P<name>[A-Za-z_][A-Za-z0-9_-]*)
    |(?P<number>[-+]?(?:[0-9]|\.[0-9])[0-9A-Za-z.+-]*|[-+]Infinity)
    |(?P<dot>\.)""",
    re.VERBOSE,
)
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_BASES = {"0x": 16, "0o": 8}
_BASED = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,22}")
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))
_WORDS = {"true": True, "false": False, "null": None, "NaN": math.nan, "Infinity": math.inf}


def number(text: str) -> float:
    """The number in a text, as GitHub reads it: decimal, `0x…`, `0o…`; NaN if it is not a number."""
    word = text.strip()
    if not word:
        return 0.0
    if _DECIMAL.fullmatch(word):
        return float(word)
    if _BASED.fullmatch(word):
        return float(int(word[2:], _BASES[word[:2]]))
    return {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}.get(word, math.nan)


@functools.lru_cache(maxsize=512)
def parse(expression: str) -> Node:
    """The tree of an expression, without `${{ }}`; ExpressionError says where it cannot be read."""
    if len(expression) > LONGEST:
        raise ExpressionError(f"the expression has {len(expression)} characters; GitHub takes at most {LONGEST}")
    return _Parser(expression).whole()


def calls(node: Node) -> Iterator[str]:
    """The names of all functions in a tree."""
    stack = [node]
    while stack:
        if isinstance(node := stack.pop(), Call):
            yield node.name
            stack += node.arguments


def _tokens(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            hint = "; put text in single quotes" if text[at] in "\"`'" else ""
            raise ExpressionError(f"unexpected {text[at]!r} at character {at + 1} of the expression {text!r}{hint}")
        if token.lastgroup != "space":
            yield token
        at = token.end()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.at = 0
        self.depth = 0

    def whole(self) -> Node:
        if not self.tokens:
            raise ExpressionError("an expression is expected between `${{` and `}}`")
        node = self.binary(0)
        if self.at < len(self.tokens):
            raise self.unexpected()
        return node

    def peek(self) -> str:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        return token.group() if token and token.lastgroup in ("operator", "dot") else ""

    def accept(self, *texts: str) -> str:
        """The next operator, if it is one of these, and step over it."""
        if (text := self.peek()) not in texts:
            return ""
        self.at += 1
        return text

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.unexpected(f", {text!r} is expected")

    def unexpected(self, more: str = "") -> ExpressionError:
        if self.at >= len(self.tokens):
            return ExpressionError(f"the expression {self.text!r} ends too early{more}")
        token = self.tokens[self.at]
        place = f"at character {token.start() + 1} of the expression {self.text!r}"
        return ExpressionError(f"unexpected {token.group()!r} {place}{more}")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError(f"the expression is nested more than {DEEPEST} levels deep; GitHub takes no more")
        yield
        self.depth -= 1

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        node = self.binary(level + 1)
        while operator := self.accept(*_LEVELS[level]):
            node = Call(operator, (node, self.binary(level + 1)))
        return node

    def unary(self) -> Node:
        if not self.accept("!"):
            return self.postfix()
        with self.deeper():
            return Call("!", (self.unary(),))

    def postfix(self) -> Node:
        grouped = self.peek() == "("
        node = self.primary()
        while opening := self.accept(".", "["):
            if isinstance(node, Literal) and not grouped:  # a constant has no elements
                self.at -= 1
                raise self.unexpected()
            key: Node | None = None
            if not self.accept("*"):
                key = self.member() if opening == "." else self.inside()
            if opening == "[":
                self.expect("]")
            node = Call("*", (node,)) if key is None else Call("[]", (node, key))
        return node

    def member(self) -> Node:
        if self.at >= len(self.tokens) or self.tokens[self.at].lastgroup != "name":
            raise self.unexpected(", a name is expected after the dot; another key is written ['key']")
        self.at += 1
        return Literal(self.tokens[self.at - 1].group())

    def inside(self) -> Node:
        with self.deeper():
            return self.binary(0)

    def primary(self) -> Node:
        if self.accept("("):
            node = self.inside()
            self.expect(")")
            return node
        if self.peek() or self.at >= len(self.tokens):
            raise self.unexpected()
        token = self.tokens[self.at]
        self.at += 1
        text = token.group()
        if token.lastgroup == "text":
            return Literal(text[1:-1].replace("''", "'"))
        if token.lastgroup == "number":
            if math.isnan(value := number(text)):
                place = f"at character {token.start() + 1} of the expression {self.text!r}"
                raise ExpressionError(f"{text!r} {place} is not a number")
            return Literal(value)
        if self.accept("("):
            return self.call(text)
        return Literal(_WORDS[text]) if text in _WORDS else Name(text)

    def call(self, text: str) -> Node:
        arguments: list[Node] = []
        while not self.accept(")"):
            if arguments:
                self.expect(",")
            arguments.append(self.inside())
        name = text.lower()
        if name not in ARGUMENTS:
            allowed = "contains, startsWith, endsWith, format, join, toJSON, fromJSON, hashFiles, case"
            raise ExpressionError(f"GitHub has no function {text!r}; it has {', '.join((allowed, *STATUS))}")
        least, most = ARGUMENTS[name]
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}" if most < MANY else f"at least {least}"
            raise ExpressionError(f"{text} takes {wanted} argument(s), and {len(arguments)} are given")
        return Call(name, tuple(arguments))
