"""Texts for the ledger: secrets and environment variables stay templates until cleanup; everything else is filled in
now and quoted, so no part of it is evaluated at cleanup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from seatrial.errors import CannotTell
from seatrial.expressions.evaluate import Names, evaluate, fill_but
from seatrial.expressions.text import DOLLAR, Hole, quoted, read, references

T = TypeVar("T")

ROOTS = ("secrets", "env")
"""Roots never written to the ledger: the environment has their values at cleanup."""

NONE: Mapping[str, str] = {}

SHORTEST = 3
"""Minimum length of a secret to search for in other values: the journal masks from the same length."""


def variable(hole: Hole) -> str:
    """The name of the environment variable if the hole is nothing else; empty: another expression."""
    root, _, name = hole.expression.partition(".")
    return name if root in ROOTS and name.isidentifier() else ""


def keep(value: T, names: Names, hidden: Mapping[str, str] = NONE) -> T:
    """A string or a structure for the ledger. `hidden`: secrets by name, see `quote`."""

    def kept(text: str) -> Any:
        alone = read(text).alone
        if alone is not None and not variable(alone):
            given = evaluate(alone.expression, names)
            return _mapped(given, lambda data: quote(data, hidden))
        return fill_but(text, names, lambda hole: bool(variable(hole)), lambda data: quote(data, hidden))

    made: T = _mapped(value, kept)
    return made


def quote(data: str, hidden: Mapping[str, str] = NONE) -> str:
    """Data for the ledger. A secret within it, for example through a variable, becomes its template."""
    # The longest first: a secret may be part of another.
    for name, secret in sorted(hidden.items(), key=lambda item: -len(item[1])):
        if len(secret) >= SHORTEST and secret in data:
            return f"${{{{ secrets.{name} }}}}".join(quote(part, hidden) for part in data.split(secret))
    return quoted(data)


def mixed(text: str) -> bool:
    """Whether a secret is part of a longer expression, so its value would be in the ledger."""
    inner = [hole.expression for hole in read(text).holes if not variable(hole)]
    return any(path[0] == "secrets" for expression in inner for path in references(expression))


def fill(value: T, environment: Mapping[str, str], seen: Callable[[str], None] = lambda value: None) -> T:
    """A structure from the ledger with its secrets and environment variables filled in, and nothing else; CannotTell
    when one is not set. `seen` gets every value."""

    def find(part: str | Hole) -> str:
        if isinstance(part, str):
            return part
        if part.expression == DOLLAR:
            return "$"
        name = variable(part)
        if not name:
            return part.written
        if name not in environment:
            why = f"the environment variable {name} is needed for the clean-up: set it and run `seatrial clean`"
            raise CannotTell(why)
        seen(environment[name])
        return environment[name]

    filled: T = _mapped(value, lambda text: "".join(map(find, read(text).parts)))
    return filled


def template_of(value: str, environment: Mapping[str, str]) -> str:
    """The template of the environment variable with this value, to write in its place. Empty: no variable has it."""
    name = next((name for name, held in environment.items() if value and held == value and name.isidentifier()), "")
    return f"${{{{ secrets.{name} }}}}" if name else ""


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(one, change) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(one, change) for one in value]
    return value
