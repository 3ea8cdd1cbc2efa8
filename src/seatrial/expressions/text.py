"""Parses texts with `${{ }}`: the literal parts, the expressions and their names."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from seatrial.model.frozen import frozen

WORDS = {"true": True, "false": False, "null": None}
TYPES = frozenset({"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "optional"})
SHORT = {"deployment_dir": "deploy_dir", "provider": "suite.provider"}
"""The expressions for `$deployment_dir` and `$provider` of older documents."""

_HOLE = re.compile(
    r"""\$\{\{((?>'[^']*'|"[^"]*"|(?!\}\}).)*+)\}\}|\$(?:(deployment_dir|provider)\b|\{(deployment_dir|provider)\})""",
    re.DOTALL,
)
_ANY = re.compile(r"\$(?=\{\{|\{?(?:deployment_dir|provider)\b)")
"""The `$` of anything to fill in."""
_PATH = re.compile(r"""[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\]|\['[^'\\\]]*'\]|\["[^"\\\]]*"\])*""")
_PART = re.compile(r"""\.?([A-Za-z_]\w*)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
_TOKEN = re.compile(
    r"""[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|[A-Za-z_]\w*|\d[\w.]*|//[^\n]*|\S""",
    re.DOTALL,
)
_NUMBERS = (int, float)
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,(?:\s*([A-Za-z_]\w*)\s*,)?")

DOLLAR = "'$'"
"""The expression for a literal `$`."""

Path = tuple[str | int, ...]
"""A root and the names and indices under it."""


@frozen(kw_only=False)
class Hole:
    """A place to fill in within a text."""

    expression: str
    written: str
    """The source text, with `${{ }}`."""

    @property
    def braced(self) -> bool:
        """Whether it is `${{ }}`, not `$deployment_dir` or `$provider`."""
        return self.written.startswith("${{")


@frozen(kw_only=False)
class Text:
    """A parsed text."""

    parts: tuple[str | Hole, ...]
    alone: Hole | None
    """The only `${{ }}`, without text around it: it keeps the type of its value."""
    unclosed: int
    """Position of a `${{` without `}}`; -1: none."""

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Its expressions, in their order."""
        return tuple(part for part in self.parts if isinstance(part, Hole))


class Deferred(str):
    """A text with some names to fill in later; all other expressions are filled in before, their values quoted."""

    names: tuple[str, ...] = ()


def deferred(text: str, *names: str) -> str:
    """The text, its expressions over these names deferred; the same object if it has none."""
    if not any(path[0] in names for hole in read(text).holes for path in references(hole.expression)):
        return text
    made = Deferred(text)
    made.names = names
    return made


@functools.lru_cache(maxsize=4096)
def read(text: str) -> Text:
    """The parts of a text."""
    parts: list[str | Hole] = []
    last, unclosed = 0, -1
    for match in _HOLE.finditer(text):
        between = text[last : match.start()]
        if unclosed < 0 and "${{" in between:
            unclosed = last + between.index("${{")
        short = match[2] or match[3]
        expression = SHORT[short] if short else match[1].strip()
        parts += [*([between] if between else []), Hole(expression, match[0])]
        last = match.end()
    rest = text[last:]
    if unclosed < 0 and "${{" in rest:
        unclosed = last + rest.index("${{")
    holes = [part for part in parts if isinstance(part, Hole) and part.braced]
    alone = holes[0] if len(holes) == 1 and text.strip() == holes[0].written else None
    return Text((*parts, rest) if rest else tuple(parts), alone, unclosed)


def templated(value: object) -> bool:
    """Whether anything in a string or a structure is filled in later."""
    if isinstance(value, str):
        return "$" in value and _ANY.search(value) is not None
    if value is None or isinstance(value, _NUMBERS):  # before the slower questions
        return False
    if isinstance(value, Mapping):
        return any(map(templated, value.values())) or any(map(templated, value))
    return isinstance(value, list | tuple) and any(map(templated, value))


def quoted(text: str) -> str:
    """Data as part of a text to fill in later: the result has it unchanged."""
    return _ANY.sub(f"${{{{ {DOLLAR} }}}}", text) if "$" in text else text


def texts(value: Any) -> Iterator[str]:
    """Every string within a structure, including keys and fields of dataclasses."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from texts(inner)
    elif is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            yield from texts(getattr(value, one.name))


def names_in(value: object) -> set[Path]:
    """The names used by the expressions within a structure."""
    return {path for text in texts(value) for hole in read(text).holes for path in references(hole.expression)}


def uses(expression: str, name: str) -> bool:
    """Whether an expression reads a name, such as `json`."""
    return any(path[0] == name for path in references(strip(expression)))


def strip(expression: str) -> str:
    """The expression itself: `if` and similar keys work with or without `${{ }}`."""
    text = expression.strip()
    whole = read(text).alone if text.startswith("${{") else None
    return whole.expression if whole else text


def expressions(text: str) -> Iterator[str]:
    """The expressions within a string."""
    if "${{" in text:
        yield from (hole.expression for hole in read(text).holes if hole.braced)


@functools.lru_cache(maxsize=4096)
def plain_path(text: str) -> Path | None:
    """The parts of a plain path; None for any other expression."""
    if not _PATH.fullmatch(text) or text in WORDS:
        return None
    parts: list[str | int] = []
    for name, index, single, double in _PART.findall(text):
        parts.append(int(index) if index else name or single or double)
    return tuple(parts)


@functools.lru_cache(maxsize=4096)
def references(expression: str) -> tuple[Path, ...]:
    """Every root in an expression, each with the names and indices directly under it."""
    text = strip(expression)
    path = plain_path(text)
    if path:
        return (path,)
    bound = {name for match in _MACRO.finditer(text) for name in match.groups() if name}
    tokens = [token for token in _TOKEN.findall(text) if not token.startswith("//")]
    paths: list[Path] = []
    at = 0
    while at < len(tokens):
        token, before, after = tokens[at], tokens[at - 1] if at else "", tokens[at + 1] if at + 1 < len(tokens) else ""
        at += 1
        if not token.isidentifier() or before == "." or after == "(" or token in {*WORDS, "in"} or token in bound:
            continue
        if token in TYPES and after != ".":
            continue
        parts: list[str | int] = [token]
        at = _under(tokens, at, parts)
        paths.append(tuple(parts))
    return tuple(dict.fromkeys(paths))


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
