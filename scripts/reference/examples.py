"""The examples of the reference: one for each step, check, system and provider, as they are in their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference" / "examples"
ON = {"compose": "containers", "inject": "containers"}
"""The provider of an example; else `local`."""
FILES = {"step": "steps.yaml", "check": "checks.yaml", "system": "systems.yaml", "provider": "providers.yaml"}


def examples(kind: str) -> Mapping[str, str]:
    """Name to example, with the comments in it."""
    pieces: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (FOLDER / FILES[kind]).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if line and not line.startswith(" "):
            lines = pieces[line.partition(":")[0]] = []
        else:
            lines.append(line[2:])
    return {name: "\n".join(piece).rstrip() + "\n" for name, piece in pieces.items()}


def document(kind: str, name: str) -> str:
    """A whole document around an example."""
    text = examples(kind)[name]
    provider = "cloudstack" if name.startswith("cloudstack") else ON.get(name, "local")
    if kind == "step":
        return _suite(provider, _indented(text, 6))
    if kind == "check":
        return _suite(provider, "      - step: validate\n        checks:\n" + _indented(text, 10))
    if kind == "system":
        return "system:\n" + _indented(text, 2) + _suite(provider, "      - step: deploy\n")
    return _suite(name, "      - step: deploy\n")


def settings(name: str) -> str:
    """The `seatrial.toml` of a provider's example."""
    values = yaml.safe_load(examples("provider")[name] or "{}") or {}
    return "\n".join([f"[providers.{name}]", *(f"{key} = {toml(value)}" for key, value in values.items())]) + "\n"


def toml(value: object) -> str:
    """A value as TOML spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _suite(provider: str, workflow: str) -> str:
    head = f"test_suites:\n  example:\n    provider: {provider}\n    parameters: {{cluster_size: 3, release: latest}}\n"
    return f"{head}    workflow:\n{workflow}"


def _indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" if line else "\n" for line in text.splitlines())
