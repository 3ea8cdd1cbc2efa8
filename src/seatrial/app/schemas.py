"""The JSON Schemas of a project's documents, for editors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from seatrial.app.project import find
from seatrial.registry import Registry


def schema_text(plugins: Sequence[Path] = (), start: Path | None = None, *, of: str = "scenario") -> str:
    """The JSON Schema of scenarios, pipelines or settings; for scenarios and settings with the classes of the project's
    plugins and of these."""
    from seatrial.loading.schema import schema, schema_of, schema_of_settings

    if of == "pipeline":
        from seatrial.preflight.document import Pipeline

        made = schema_of(Registry(), "pipeline", Pipeline)
    else:
        project = find(start)
        registry, system = project.registry(plugins), project.settings.value("system") or {}
        made = schema_of_settings(registry) if of == "settings" else schema(registry, system.get("kind", "processes"))
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
