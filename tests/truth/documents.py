"""Short forms for the documents of the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.acceptance.harness import Document, suite, validate
from tests.truth.case import Case, Outcome, Planted

LETTERS: Mapping[str, tuple[Planted, tuple[Outcome, ...]]] = {
    "P": (Planted.CLEAN, (Outcome.PASSED,)),
    "F": (Planted.PRODUCT, (Outcome.FAILED,)),
    "U": (Planted.TOOL, (Outcome.UNKNOWN,)),
    "N": (Planted.NOTHING, (Outcome.NOTHING,)),
    "L": (Planted.LEAK, (Outcome.LEFT,)),
    "R": (Planted.TOOL, (Outcome.REFUSED,)),
    "X": (Planted.PRODUCT, (Outcome.FAILED, Outcome.UNKNOWN)),
}
"""A letter for each right outcome. P also where an outage is expected and there; X where two sources contradict each
other: failed or unknown, never passed. R: refused before anything
begins."""


def says(value: object) -> str:
    """A line of shell that prints JSON."""
    return f"echo '{json.dumps(value)}'"


def command(text: str | list[str], **more: Any) -> Document:
    """A step that runs a command."""
    return {"step": "custom_command", "custom_command": text, **more}


def crossed(
    system: str, worlds: Mapping[str, tuple[Any, str]], looks: Mapping[str, Any], build: Any, **more: Any
) -> Iterator[Case]:
    """A row for each world and each look at it, by a line of letters; `-`: no row."""
    for what, (world, letters) in worlds.items():
        line = letters.replace(" ", "")
        assert len(line) == len(looks), f"{what}: {len(line)} letters for {len(looks)} looks"
        for letter, (look, check) in zip(line, looks.items(), strict=True):
            if letter != "-":
                planted, right = LETTERS[letter]
                yield Case(system=system, what=what, look=look, planted=planted, right=right,
                           **{**build(world, check), **more})  # fmt: skip


__all__ = ["LETTERS", "command", "crossed", "says", "suite", "validate"]
