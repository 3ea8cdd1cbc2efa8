"""All pages of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scripts.reference import (
    commands,
    documents,
    environment,
    events,
    exit_codes,
    expressions,
    files,
    parts,
    plugin_api,
)
from scripts.reference.page import Page

from seatrial.registry import Registry

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"


def book() -> Mapping[str, Page]:
    """File name to page."""
    registry = Registry()
    return {
        "commands.md": commands.commands(),
        "documents.md": documents.documents(registry),
        "steps.md": parts.steps(registry),
        "checks.md": parts.checks(registry),
        "systems.md": parts.systems(registry),
        "providers.md": parts.providers(registry),
        "settings.md": documents.settings(),
        "pipelines.md": documents.pipelines(),
        "expressions.md": expressions.expressions(registry),
        "environment.md": environment.environment(),
        "exit-codes.md": exit_codes.exit_codes(),
        "events.md": events.events(),
        "files.md": files.files(),
        "plugin-api.md": plugin_api.plugin_api(),
    }
