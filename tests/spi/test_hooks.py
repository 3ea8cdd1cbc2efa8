"""The hooks of plugins are declared in `seatrial.spi`, and asked for by these declarations alone."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import seatrial
from seatrial import spi
from seatrial.spi import (
    CheckTraits,
    NeedsPowers,
    Powers,
    ProviderTraits,
    ReadsText,
    StepTraits,
    SystemTraits,
    known_nodes,
    own_powers,
    traits,
)

SOURCE = Path(seatrial.__file__).parent
HOME = SOURCE / "spi" / "traits.py"
PLUGINS = {"provider", "system", "factory", "plugin", "reporter", "_provider", "_system"}
"""Names that hold a plugin or its class."""

DECLARED = [thing for name in spi.__all__ if inspect.isclass(thing := getattr(spi, name))]
HOOKS = {member for thing in DECLARED for member in (*vars(thing), *vars(thing).get("__annotations__", ()))}


def asked_by_name(text: str) -> Iterator[tuple[int, str]]:
    """The calls of getattr and hasattr that ask a plugin, with their lines."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("getattr", "hasattr"):
            continue
        words = ast.unparse(node.args[0])
        name = str(node.args[1].value) if isinstance(node.args[1], ast.Constant) else ""
        if name.startswith("__"):
            continue  # the registry's own mark
        held = words.rpartition(".")[2] in PLUGINS or "registry.get(" in words
        if held or (name in HOOKS and words not in ("self", "error", "last")):
            yield node.lineno, ast.unparse(node)


def test_nobody_asks_a_plugin_for_an_attribute_by_its_name() -> None:
    found = [
        f"{file.relative_to(SOURCE)}:{line}: {call}"
        for file in sorted(SOURCE.rglob("*.py"))
        if file != HOME
        for line, call in asked_by_name(file.read_text())
    ]
    assert found == [], "declare a protocol or a trait in seatrial.spi, and ask isinstance, issubclass or traits()"


@pytest.mark.parametrize(
    "line",
    [
        'getattr(ctx.system, "role", None)',
        'hasattr(kind.factory, "node_names")',
        'getattr(registry.get("provider", name), "on_this_host", False)',
        'getattr(made, "check_fields", tuple)',
        "getattr(trial.provider, word)",
    ],
)
def test_the_test_above_sees_what_it_looks_for(line: str) -> None:
    assert [call for _, call in asked_by_name(line)]


def test_every_declaration_says_what_it_is_for() -> None:
    silent = [
        thing.__name__ for thing in DECLARED if not thing.__doc__ or thing.__doc__.startswith(thing.__name__ + "(")
    ]
    for thing in DECLARED:
        members = [member for name, member in vars(thing).items() if not name.startswith("_")]
        silent += [f"{thing.__name__}.{one.__name__}" for one in members if inspect.isfunction(one) and not one.__doc__]
    assert silent == []


def test_the_optional_protocols_are_small() -> None:
    long = {
        thing.__name__: len(inspect.getsource(thing).splitlines())
        for thing in DECLARED
        if thing.__name__ not in ("Context", "Provider", "System")
    }
    assert {name: lines for name, lines in long.items() if lines > 40} == {}


def test_traits_have_defaults_and_are_read_from_a_class_or_an_instance() -> None:
    class Bare: ...

    class Near:
        on_this_host = True
        why_missing: ClassVar = {Powers.CRASH: "no API"}

    assert traits(Bare(), ProviderTraits) == ProviderTraits()
    assert traits(Near, ProviderTraits) == traits(Near(), ProviderTraits)
    assert traits(Near, ProviderTraits).why_missing == {Powers.CRASH: "no API"}
    assert traits(Bare, StepTraits) == StepTraits(expression_names=(), child_names=(), sets_variables=False)
    assert traits(Bare, CheckTraits).expression_names is None
    assert traits(Bare, SystemTraits).template_names == ()


def test_a_class_that_has_a_hook_needs_no_base_class() -> None:
    class Cuts:
        def needs_powers(self) -> frozenset[Powers]:
            return frozenset({Powers.CRASH})

    assert issubclass(Cuts, NeedsPowers)
    assert not issubclass(Cuts, ReadsText)


def test_a_system_that_says_nothing_of_powers_and_nodes_has_none() -> None:
    class Small: ...

    assert own_powers(Small, None) == frozenset()
    assert known_nodes(Small, None, {}) == ()
