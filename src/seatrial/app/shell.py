"""`shell`: into a node: kept, of a paused run, or in use from Python."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from seatrial.app.inspect import Seen, seen
from seatrial.app.report import Events
from seatrial.errors import ToolMissing, UsageError, nearest

INTERACTIVE = "-it"
"""The option of container engines for a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellOptions:
    """The options of `shell`."""

    run: str
    node: str = ""
    suite: str = ""
    command: tuple[str, ...] = field(default=())
    """Empty: an interactive shell."""


def main(options: ShellOptions) -> NoReturn:
    """Replace this process by the shell, or the command: its exit code is that of the command."""
    argv = command_of(way_in(options), options.command, terminal=sys.stdin.isatty())
    if shutil.which(program := _program(argv)) is None:
        raise ToolMissing(f"{program} is not installed, and the way into this node is: {shlex.join(argv)}")
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def _program(argv: Sequence[str]) -> str:
    """The program of a command, also behind `env NAME=VALUE`."""
    if argv[0] != "env":
        return argv[0]
    return next((word for word in argv[1:] if "=" not in word), argv[0])


def way_in(options: ShellOptions) -> list[str]:
    """The recorded command of a shell on the node; UsageError with the nodes that can be entered."""
    run = seen(options.run)
    suites = _ways(run)
    if options.suite:
        suites = {name: nodes for name, nodes in suites.items() if name == options.suite}
    if not suites:
        raise UsageError(_why_none(run, options.suite))
    known = [f"{node} ({name})" if len(suites) > 1 else node for name, nodes in suites.items() for node in nodes]
    chosen = {name: nodes[options.node] for name, nodes in suites.items() if options.node in nodes}
    if not options.node and len(known) == 1:
        chosen = {name: next(iter(nodes.values())) for name, nodes in suites.items()}
    if len(chosen) > 1:
        raise UsageError(f"several suites have a node {options.node!r}: choose one with --suite {'|'.join(chosen)}")
    if not chosen:
        what = f"no node {options.node!r} to enter in run {run.results['run_id']}" if options.node else "which node?"
        raise UsageError(f"{what}; {nearest(options.node, known, what='nodes')}")
    return shlex.split(next(iter(chosen.values())))


def command_of(way: Sequence[str], command: Sequence[str], *, terminal: bool) -> list[str]:
    """The way in, for a command in place of a shell; without a terminal no program asks for one."""
    words = list(way)
    if INTERACTIVE in words and not terminal:
        words[words.index(INTERACTIVE)] = "-i"
    if not command:
        return words
    if words[0] == "ssh":
        return [*words, "--", shlex.join(command)]
    return [*words[:-1], *command]  # an engine's `exec … sh`, or a shell on this machine


def _ways(run: Seen) -> dict[str, dict[str, str]]:
    """The ways into nodes that still exist, by suite and node."""
    names = {row["trial_id"]: row["name"] for row in run.results["results"]}
    ended = {row["trial_id"] for row in run.results["results"] if row["status"] not in ("running", "pending")}
    standing = {row["trial"] for row in run.out if row.get("op") == "kept"}
    ways: dict[str, dict[str, str]] = {}
    for event in Events(run.folder):
        if event.kind == "access" and (event.trial in standing or (run.living and event.trial not in ended)):
            nodes = event.data["nodes"]
            assert isinstance(nodes, dict)
            ways[names.get(event.trial, event.trial)] = nodes
    return ways


def _why_none(run: Seen, suite: str) -> str:
    id = run.results["run_id"]
    whose = f"the suite {suite!r} of run {id}" if suite else f"run {id}"
    if run.living:
        return f"{whose} is at work: its nodes can be entered while it is paused (run --pause-on-failure), or once kept"
    hint = "keep them: seatrial run --keep failed, or look at once: seatrial run --pause-on-failure"
    return f"{whose} has no nodes to enter: none were kept, or they were removed\n    {hint}"
