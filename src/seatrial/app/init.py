"""`init`: creates a project with settings, a first scenario and its schema, without overwriting any file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from seatrial.app.project import SCHEMA, find
from seatrial.errors import UsageError
from seatrial.registry import Registry

SETTINGS = """\
# Settings of this project. SEATRIAL_<NAME> in the environment overrides them, and command-line options override both.
# `seatrial check -v` shows every setting with the source of its value.

scenarios = ["scenarios"]    # files and folders for `seatrial run` without paths
parallel = 1                 # maximum number of suites at a time
keep = "never"               # or "failed", "always": nodes to keep after a run
# max_concurrent_nodes = 6   # maximum for all suites together
# max_memory_gb = 16         # maximum for all suites together
# plugins = ["my_steps.py"]  # your own steps, checks, providers and reporters

# The system under test of suites without one. Default: a small record store included in Seatrial.
# [system]
# kind = "command"

# Settings of a provider, for all documents.
# [providers.local]
"""

SCENARIO = """\
# yaml-language-server: $schema=../{schema}
test_suites:
  first:
    provider: local
    test_type: workflow
    description: One of three nodes crashes; the service degrades, continues, recovers, and loses no data
    parameters:
      cluster_size: 3
    workflow:
      - step: init
      - step: deploy
      - step: validate
        description: Everything is up
        checks: [cluster_status, ssh_connectivity, database_running]
      - step: crash_node
        target_node: n11
        method: destroy
      - step: validate
        description: Two nodes continue without it
        checks: [cluster_degraded, "node_status:n11:stopped", data_integrity]
        retry: {{max_attempts: 10, delay_seconds: 0.5}}
      - step: start_node
        target_node: n11
      - step: validate
        description: The node is back, and no acknowledged record is lost
        checks: [cluster_status, data_integrity]
        retry: {{max_attempts: 20, delay_seconds: 0.5}}
"""

NEXT = """
  seatrial check       validate it (starts nothing)
  seatrial run         run it on this machine
  seatrial inspect     see the results
"""

IGNORED = ".seatrial/"


def begin(folder: Path) -> str:
    """Write the missing files of a project; the text lists written and existing files and the next steps."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, Callable[[], str]] = {
            "seatrial.toml": lambda: SETTINGS,
            "scenarios/first.yaml": lambda: SCENARIO.format(schema=SCHEMA),
            SCHEMA: lambda: schema_text(start=folder),
        }
        lines = [_write(folder, name, text) for name, text in files.items()]
        lines.append(_ignore(folder / ".gitignore"))
    except OSError as error:
        raise UsageError(f"could not write {error.filename or folder}: {error.strerror}") from error
    enter = [] if folder.resolve() == Path.cwd() else [f"  cd {shlex.quote(str(folder))}"]
    return "\n".join([*lines, "", "next:", *enter]) + NEXT


def _write(folder: Path, name: str, text: Callable[[], str]) -> str:
    file = folder / name
    if file.exists() or file.is_symlink():
        return f"kept    {file} (already exists)"
    content = text()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as new:
        new.write(content)
    return f"wrote   {file}"


def _ignore(file: Path) -> str:
    """Add a line to `.gitignore`, unless it has one already."""
    held = file.read_text(encoding="utf-8") if file.exists() else ""
    if any(line.strip().strip("/") == IGNORED.strip("/") for line in held.splitlines()):
        return f"kept    {file} (already contains {IGNORED})"
    with file.open("a", encoding="utf-8") as ignored:
        ignored.write(("\n" if held and not held.endswith("\n") else "") + IGNORED + "\n")
    return f"{'added' if held else 'wrote':<7} {file}: {IGNORED}"


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
