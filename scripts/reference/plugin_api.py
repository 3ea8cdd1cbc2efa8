"""The page of the plugin contract: every name of `seatrial.spi` with its members, from their docstrings."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterator
from typing import Any

from scripts.reference.page import Page

from seatrial import spi
from seatrial.loading.docstrings import attribute_docs

ORDER = ("step", "check", "provider", "system", "reporter", "context", "link", "powers")
"""The modules in the order of the page; others follow."""


def plugin_api() -> Page:
    """Every protocol, hook and helper."""
    page = Page(
        "Plugin API",
        "The contract between Seatrial and your plugin: all names of `seatrial.spi`. Each optional hook is a small "
        "protocol: write the method, and Seatrial finds it. The guide is [Plugins](../guides/plugins.md).",
    )
    names: dict[str, list[str]] = {}
    for name in spi.__all__:
        names.setdefault(_module(name), []).append(name)
    for module in sorted(names, key=lambda module: (ORDER.index(module) if module in ORDER else len(ORDER), module)):
        page.heading(f"`seatrial.spi.{module}`")
        for name in sorted(names[module], key=_line):
            _part(page, name, getattr(spi, name))
    return page


def _module(name: str) -> str:
    return str(getattr(spi, name).__module__).removeprefix("seatrial.spi.")


def _line(name: str) -> int:
    return inspect.getsourcelines(getattr(spi, name))[1]


def _part(page: Page, name: str, thing: Any) -> None:
    """A class with its members, or a function."""
    title = name if isinstance(thing, type) else f"{name}{_arguments(thing)}"
    page.heading(f"`{title}`", 3)
    page.say(page.need(inspect.cleandoc(thing.__doc__ or ""), f"seatrial.spi.{name} has no docstring"))
    if isinstance(thing, type):
        page.table(
            ("Member", "Meaning"),
            (
                (f"`{member}`", page.need(text, f"seatrial.spi.{name}: {member} has no docstring"))
                for member, text in _members(thing)
            ),
        )


def _members(cls: type[Any]) -> Iterator[tuple[str, str]]:
    """What a class has itself: attributes, then methods, each with its docstring."""
    docs = attribute_docs(cls)
    if issubclass(cls, enum.Enum):
        yield from ((f"{cls.__name__}.{member.name}", docs.get(member.name) or f"{member.value}.") for member in cls)
        return
    for name in inspect.get_annotations(cls):
        if not name.startswith("_"):
            yield name, docs.get(name, "")
    for name, value in cls.__dict__.items():
        if name.startswith("_"):
            continue
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if isinstance(function, property):
            yield name, inspect.cleandoc(function.__doc__ or "")
        elif inspect.isfunction(function):
            awaited = "await " if inspect.iscoroutinefunction(function) else ""
            yield f"{awaited}{name}{_arguments(function)}", inspect.cleandoc(function.__doc__ or "")


def _arguments(function: Any) -> str:
    """Its signature, with the annotations as they are written and without `self`."""
    signature = inspect.signature(function)
    kept = [value for name, value in signature.parameters.items() if name not in ("self", "cls")]
    return str(signature.replace(parameters=kept)).replace("'", "")
