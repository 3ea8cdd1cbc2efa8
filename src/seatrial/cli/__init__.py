"""The command line: `main` picks a command, imports its module alone, and turns exceptions into exit codes."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # `--version` does not even import `typing`
if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "demo": ("run", "deploy a three-node service on this machine, break it, watch it recover"),
    "run": ("run", "run scenarios"),
    "step": ("run", "run steps again, on a cluster that was kept"),
    "preflight": ("preflight", "run the checks of a pipeline before you deploy"),
    "list": ("plan", "list the suites in your scenario files"),
    "check": ("plan", "validate scenario and pipeline files without running them"),
    "clean": ("results", "remove resources left behind by dead runs"),
    "report": ("results", "generate reports (HTML, JUnit, CTRF, …) from a finished run"),
    "inspect": ("results", "show a run's results: what failed and why"),
    "shell": ("results", "get into a node that was kept, or while its run is paused"),
    "services": ("services", "list, start and stop the servers that runs share"),
    "mcp": ("setup", "give AI agents access to scenarios, runs and results (MCP)"),
    "doctor": ("setup", "check which providers work here, and how to install the others"),
    "init": ("setup", "create a project: settings, a first scenario, its schema"),
    "schema": ("setup", "print the JSON Schema of scenario or pipeline files"),
    "completion": ("completion", "print a shell completion script"),
}
"""Each command: its module in this package and its summary."""

HEAD = """\
usage: seatrial COMMAND [PATH ...] [OPTION ...]

Deploy your system on real infrastructure, break it on purpose, check that it
still works, and clean up everything afterwards.

"""

TAIL = """
options of all commands:
  --debug           log every decision and show tracebacks
  --no-color        print plain text
  --help            describe the command and its options, with examples
  --version         (alone) print the version

examples:
  seatrial demo                          see it work in seconds, on this machine
  seatrial init && seatrial run          create a project and run its first scenario
  seatrial run failover.yaml --parallel 3
  seatrial inspect last                  see why the last run failed

exit codes:
  0 passed   1 failed   2 invalid usage or document   3 unknown: not measured
  4 resources left behind   5 nothing was selected   129/130/143 interrupted
"""

EARLY = ("--debug", "--no-color")
"""Options allowed before the command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"]):
        from seatrial import __version__

        sys.stdout.write(f"seatrial {__version__}\n")
        return 0
    import gc

    owns_process = argv is None  # otherwise the process, and its garbage collector, belong to the caller
    if owns_process:
        # Imports and plans create many objects and few cycles, so the collector runs rarely (saves 8 ms of 170).
        gc.set_threshold(20_000, 20, 20)
    from seatrial.cli.errors import guarded

    as_json = words[:1] != ["report"] and "--format json" in " ".join(words).replace("=", " ")
    code = guarded(lambda: dispatch(words), debug="--debug" in words, as_json=as_json, owned=owns_process)
    if owns_process:
        gc.freeze()  # no last search for cycles before the process ends (saves 12 ms of 165)
    return code


def dispatch(words: list[str]) -> int:
    """Find the command among the words, build its parser alone and run it."""
    early = []
    while words and words[0] in EARLY:
        early.append(words.pop(0))
    if not words or words[0] in ("-h", "--help", "help"):
        if words[1:] and words[0] == "help":
            return dispatch([words[1], "--help"])
        width = max(map(len, COMMANDS)) + 2
        lines = [f"  {name:<{width}}{summary}\n" for name, (_, summary) in COMMANDS.items()]
        (sys.stdout if words else sys.stderr).write(f"{HEAD}commands:\n{''.join(lines)}{TAIL}")
        return 0 if words else 2
    name = words[0]
    if name not in COMMANDS:
        from seatrial.errors import UsageError, nearest

        what = "option" if name.startswith("-") else "command"
        known = nearest(name, [*EARLY, "--help", "--version"] if what == "option" else COMMANDS, what=f"{what}s")
        raise UsageError(f"unknown {what} {name!r}; {known}\n    seatrial --help lists all of them")
    from seatrial.cli.parser import parser_of

    command, parser = parser_of(name)
    arguments = parser.parse([*words[1:], *early])
    try:
        return command.act(arguments)
    except SystemExit as end:  # from a plugin; `sys.exit(0)` must not count as a pass
        from seatrial.errors import SeatrialError

        raise SeatrialError(f"a plugin called sys.exit({end.code!r})") from end
