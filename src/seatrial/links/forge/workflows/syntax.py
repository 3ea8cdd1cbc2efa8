"""The grammar of GitHub's expressions: text in, a tree out."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from seatrial.errors import UsageError

LONGEST = 21_000
"""Characters of one expression; GitHub takes no more."""

DEEPEST = 50
"""GitHub's limit of nesting levels."""

FEW, MANY = 0, 255
ARGUMENTS = {
    "contains": (2, 2),
    "startswith": (2, 2),
    "endswith": (2, 2),
    "format": (1, MANY),
    "join": (1, 2),
    "tojson": (1, 1),
    "fromjson": (1, 1),
    "hashfiles": (1, MANY),
    "case": (3, MANY),
    "success": (FEW, MANY),
    "failure": (FEW, MANY),
    "always": (0, 0),
    "cancelled": (0, 0),
}
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
class Star:
    """`*` as an index: every element."""


@dataclass(frozen=True, slots=True)
class Index:
    """`of.key`, `of[key]`, `of.*`."""

    of: Node
    key: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function; its name is in lower case."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`!operand`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Operation:
    """`left operator right`."""

    operator: str
    left: Node
    right: Node


Node = Literal | Name | Star | Index | Call | Not | Operation

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>'(?:[^']|'')*+')
    |(?P<operator>&&|\|\||==|!=|<=|>=|[<>!()\[\],*])
    |(?P<name>[A-Za-z_][A-Za-z0-9_-]*)
    |(?P<number>[-+]?(?:[0-9]|\.[0-9])[0-9A-Za-z.+-]*)
    |(?P<signed>[-+]Infinity)
    |(?P<dot>\.)""",
    re.VERBOSE,
)
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_BASES = {"0x": 16, "0o": 8}
_BASED = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,22}")
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))
_WORDS: dict[str, bool | float | None] = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": math.nan,
    "Infinity": math.inf,
}


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


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


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
        match stack.pop():
            case Call(name, arguments):
                yield name
                stack += arguments
            case Index(one, other) | Operation(_, one, other):
                stack += (one, other)
            case Not(one):
                stack.append(one)
            case _:
                pass


def _tokens(text: str) -> Iterator[_Token]:
    at, after_operand = 0, False
    while at < len(text):
        found = _TOKEN.match(text, at)
        kind = found.lastgroup if found else None
        if found is None or kind is None:
            hint = "; put text in single quotes" if text[at] in "\"`'" else ""
            raise ExpressionError(f"unexpected {text[at]!r} at character {at + 1} of the expression {text!r}{hint}")
        # After a value a dot is an access: `a.5` is not a number, and neither is the rest of `a[0].b`.
        if kind == "number" and after_operand and found.group().startswith("."):
            kind, end = "dot", at + 1
        else:
            end = found.end()
        if kind != "space":
            yield _Token(str(kind), text[at:end], at + 1)
            after_operand = kind in ("text", "name", "number") or text[at:end] in (")", "]", "*")
        at = end


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
        return token.text if token and token.kind in ("operator", "dot") else ""

    def take(self) -> _Token:
        if self.at >= len(self.tokens):
            raise ExpressionError(f"the expression {self.text!r} ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, text: str) -> None:
        if self.peek() != text:
            raise self.unexpected(f", {text!r} is expected")
        self.at += 1

    def unexpected(self, more: str = "") -> ExpressionError:
        if self.at >= len(self.tokens):
            return ExpressionError(f"the expression {self.text!r} ends too early{more}")
        token = self.tokens[self.at]
        return ExpressionError(
            f"unexpected {token.text!r} at character {token.column} of the expression {self.text!r}{more}"
        )

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError(f"the expression is nested more than {DEEPEST} levels deep; GitHub takes no more")

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        node = self.binary(level + 1)
        while self.peek() in _LEVELS[level]:
            operator = self.take().text
            node = Operation(operator, node, self.binary(level + 1))
        return node

    def unary(self) -> Node:
        if self.peek() != "!":
            return self.postfix()
        self.deeper()
        self.at += 1
        node = Not(self.unary())
        self.depth -= 1
        return node

    def postfix(self) -> Node:
        node = self.primary()
        while True:
            if self.peek() == ".":
                self.at += 1
                node = Index(node, self.member())
            elif self.peek() == "[":
                self.at += 1
                node = Index(node, self.bracket())
            else:
                return node

    def member(self) -> Node:
        if self.peek() == "*":
            self.at += 1
            return Star()
        if self.at >= len(self.tokens) or self.tokens[self.at].kind != "name":
            raise self.unexpected(", a name is expected after the dot; another key is written ['key']")
        return Literal(self.take().text)

    def bracket(self) -> Node:
        self.deeper()
        if self.peek() == "*":
            self.at += 1
            key: Node = Star()
        else:
            key = self.binary(0)
        self.expect("]")
        self.depth -= 1
        return key

    def primary(self) -> Node:
        if self.peek() == "(":
            self.deeper()
            self.at += 1
            node = self.binary(0)
            self.expect(")")
            self.depth -= 1
            return node
        if self.peek():
            raise self.unexpected()
        token = self.take()
        if token.kind == "text":
            return Literal(token.text[1:-1].replace("''", "'"))
        if token.kind in ("number", "signed"):
            return self.number(token)
        if self.peek() == "(":
            return self.call(token)
        if token.text in _WORDS:
            return Literal(_WORDS[token.text])
        return Name(token.text)

    def number(self, token: _Token) -> Node:
        value = number(token.text)
        if math.isnan(value):
            raise ExpressionError(
                f"{token.text!r} at character {token.column} of the expression {self.text!r} is not a number"
            )
        return Literal(value)

    def call(self, token: _Token) -> Node:
        self.deeper()
        self.at += 1
        arguments: list[Node] = []
        while self.peek() != ")":
            if arguments:
                self.expect(",")
            arguments.append(self.binary(0))
        self.at += 1
        self.depth -= 1
        name = token.text.lower()
        if name not in ARGUMENTS:
            allowed = "contains, startsWith, endsWith, format, join, toJSON, fromJSON, hashFiles, case, " + ", ".join(
                STATUS
            )
            raise ExpressionError(f"GitHub has no function {token.text!r}; it has {allowed}")
        least, most = ARGUMENTS[name]
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}" if most < MANY else f"at least {least}"
            raise ExpressionError(f"{token.text} takes {wanted} argument(s), and {len(arguments)} are given")
        return Call(name, tuple(arguments))
