"""`init`: begins a project with settings, a first scenario and its schema; what is there is never overwritten."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from seatrial.app.project import SCHEMA, find
from seatrial.errors import UsageError

SETTINGS = """\
# Settings of this project: these < SEATRIAL_<NAME> in the environment < options of the command.
# `seatrial check -v` shows every setting and where its value came from.

scenarios = ["scenarios"]    # what `seatrial run` takes when it is given no path
parallel = 1                 # suites at a time
keep = "never"               # or "failed", "always": what stays standing at the end
# max_concurrent_nodes = 6   # nodes of all suites at a time
# max_memory_gb = 16         # memory of all suites at a time
# plugins = ["my_steps.py"]  # steps, checks, providers and reporters of your own

# The system under test of suites that name none; without this it is a small record store that comes with Seatrial.
# [system]
# kind = "command"

# Settings of providers that documents should not carry.
# [providers.local]
"""

SCENARIO = """\
# yaml-language-server: $schema=../{schema}
test_suites:
  first:
    provider: local
    test_type: workflow
    description: One node of three crashes; the service degrades, goes on, recovers, and loses nothing
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
        description: Two nodes go on without it
        checks: [cluster_degraded, "node_status:n11:stopped", data_integrity]
        retry: {{max_attempts: 10, delay_seconds: 0.5}}
      - step: start_node
        target_node: n11
      - step: validate
        description: It is back, and no acknowledged record is lost
        checks: [cluster_status, data_integrity]
        retry: {{max_attempts: 20, delay_seconds: 0.5}}
"""

IGNORED = ".seatrial/"


def begin(folder: Path) -> str:
    """Write what is missing into a folder; the text says what was written, what was there, and how to go on."""
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
        raise UsageError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error
    enter = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]
    go_on = [
        ("seatrial check", "is it right? (starts nothing)"),
        ("seatrial run", "run it on this machine"),
        ("seatrial inspect", "what happened"),
    ]
    lines += ["", "next:", *(f"  {one}" for one in enter), *(f"  {command:<20} {what}" for command, what in go_on)]
    return "\n".join(lines) + "\n"


def _write(folder: Path, name: str, text: Callable[[], str]) -> str:
    file = folder / name
    if file.exists() or file.is_symlink():
        return f"kept    {file} (it was there)"
    held = text()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as new:
        new.write(held)
    return f"wrote   {file}"


def _ignore(file: Path) -> str:
    """One line in `.gitignore`, added to what is there."""
    held = file.read_text(encoding="utf-8") if file.exists() else ""
    if any(line.strip().strip("/") == IGNORED.strip("/") for line in held.splitlines()):
        return f"kept    {file} (it names {IGNORED} already)"
    with file.open("a", encoding="utf-8") as ignored:
        ignored.write(("\n" if held and not held.endswith("\n") else "") + IGNORED + "\n")
    return f"{'added' if held else 'wrote':<7} {file}: {IGNORED}"


def schema_text(plugins: Sequence[Path] = (), start: Path | None = None) -> str:
    """The JSON Schema of documents, with the steps and checks of the project's plugins and of these."""
    from seatrial.loading.schema import schema

    return json.dumps(schema(find(start).registry(plugins)), indent=2, ensure_ascii=False) + "\n"
