"""The reference in `docs/checks.md` is generated from the checks: `WRITE_DOCS=1 pytest tests/checks/test_page.py`."""

from __future__ import annotations

import os
from pathlib import Path

from seatrial.loading.fields import described
from seatrial.registry import Registry

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"

MARK = "## All checks\n"


def page() -> str:
    """What is written by hand, and the reference."""
    registry, lines = Registry(), [PAGE.read_text().partition(MARK)[0] + MARK]
    for name in registry.names("check"):
        lines += [f"### `{name}`", "", registry.mark("check", name).description, ""]
        fields = described(registry.get("check", name))
        if fields:
            lines += ["| key | | what |", "| --- | --- | --- |"]
            lines += [
                f"| `{one.key}` | {'must' if one.required else ''} | {one.doc.replace('|', '&#124;')} |"
                for one in fields.values()
            ]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def test_the_page_in_the_docs_is_what_the_checks_say_of_themselves() -> None:
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "write it anew: WRITE_DOCS=1 pytest tests/checks/test_page.py"


def test_every_key_of_every_check_says_what_it_is() -> None:
    registry = Registry()
    silent = [
        f"{name}.{one.key}"
        for name in registry.names("check")
        for one in described(registry.get("check", name)).values()
        if not one.doc
    ]
    assert silent == []
