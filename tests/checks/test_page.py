"""The reference in `docs/guides/checks.md` is made from the checks: `WRITE_DOCS=1 pytest tests/checks/test_page.py`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from seatrial.loading.fields import Field, Nested, described
from seatrial.loading.shapes import OneOf, Shape
from seatrial.registry import Registry

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "checks.md"

MARK = "## All checks\n"


def within(shape: Shape) -> Iterator[type[Any]]:
    """The classes of the mappings that a field may hold."""
    if isinstance(shape, Nested):
        yield shape.factory
    for inner in shape.shapes if isinstance(shape, OneOf) else [getattr(shape, "item", None)]:
        if inner is not None:
            yield from within(inner)


def table(fields: Iterable[Field]) -> list[str]:
    rows = [f"| `{one.key}` | {'must' if one.required else ''} | {one.doc.replace('|', '&#124;')} |" for one in fields]
    return ["| key | | what |", "| --- | --- | --- |", *rows, ""]


def page() -> str:
    """What is written by hand, and the reference."""
    registry, lines = Registry(), [PAGE.read_text().partition(MARK)[0] + MARK]
    for name in registry.names("check"):
        lines += [f"### `{name}`", "", registry.mark("check", name).description, ""]
        fields = described(registry.get("check", name))
        lines += table(fields.values()) if fields else []
        for one in fields.values():
            for factory in dict.fromkeys(within(one.shape)):
                inner = described(factory)
                own = {key: field for key, field in inner.items() if key not in fields or field.doc != fields[key].doc}
                # A key that is the check's own as well is named only.
                besides = ", besides " + ", ".join(f"`{key}`" for key in inner if key not in own)
                lines += [f"In `{one.key}`{besides if len(own) < len(inner) else ''}:", "", *table(own.values())]
    return "\n".join(lines).rstrip() + "\n"


def test_the_page_in_the_docs_is_what_the_checks_say_of_themselves() -> None:
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "write it anew: WRITE_DOCS=1 pytest tests/checks/test_page.py"


def test_every_key_of_every_check_says_what_it_is() -> None:
    registry = Registry()
    asked = [registry.get("check", name) for name in registry.names("check")]
    asked += [inner for one in asked for field in described(one).values() for inner in within(field.shape)]
    silent = [f"{one.__name__}.{field.key}" for one in asked for field in described(one).values() if not field.doc]
    assert silent == []
