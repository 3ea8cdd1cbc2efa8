"""The command line: `main` picks a command, imports its module alone, and turns what it raises into an exit code."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # not even `typing` is imported before the version is told
if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "demo": ("run", "deploy a three-node service here, break it, watch it recover"),
    "run": ("run", "run scenario documents"),
    "preflight": ("preflight", "say whether a deploy would succeed: run the checks of a pipeline"),
    "list": ("plan", "list the suites that documents hold"),
    "check": ("plan", "check documents and show the plan; starts nothing"),
    "clean": ("results", "give back what dead runs left behind"),
    "report": ("results", "write reports of a run that was: HTML, JUnit, CTRF, …"),
    "inspect": ("results", "show what a run saw, and what failed why"),
    "mcp": ("mcp", "let agents list, check, run, watch and read results (MCP)"),
    "doctor": ("setup", "say what can work on this machine, and what brings the rest"),
    "init": ("setup", "begin a project: settings, a first scenario, its schema"),
    "schema": ("setup", "print the JSON Schema of scenario documents"),
    "completion": ("setup", "print the completion script of a shell"),
}
"""Each command: its module here, and what it is for."""

EARLY = ("--debug", "--no-color")
"""Options of every command that may stand before it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"]):
        from seatrial import __version__

        sys.stdout.write(f"seatrial {__version__}\n")
        return 0
    import gc

    ours = argv is None  # the whole process; else it belongs to whoever called us, and so does its collector
    if ours:
        # Imports and plans make many objects and hardly a cycle: the collector looks seldom (measured: 8 ms of 170).
        gc.set_threshold(20_000, 20, 20)
    from seatrial.cli.errors import guarded

    as_json = words[:1] != ["report"] and "--format json" in " ".join(words).replace("=", " ")
    code = guarded(lambda: dispatch(words), debug="--debug" in words, as_json=as_json)
    if ours:
        gc.freeze()  # all that lives goes with the process: no last search for cycles in it (measured: 12 ms of 165)
    return code


def dispatch(words: list[str]) -> int:
    """Find the command among the words, build its parser alone and run it."""
    early = []
    while words and words[0] in EARLY:
        early.append(words.pop(0))
    if not words or words[0] in ("-h", "--help", "help"):
        from seatrial.cli.overview import overview

        if words[1:] and words[0] == "help":
            return dispatch([words[1], "--help"])
        (sys.stdout if words else sys.stderr).write(overview())
        return 0 if words else 2
    name = words[0]
    if name not in COMMANDS:
        from seatrial.errors import UsageError, nearest

        what = "option" if name.startswith("-") else "command"
        known = nearest(name, [*EARLY, "--help", "--version"] if what == "option" else COMMANDS, what=f"{what}s")
        raise UsageError(f"unknown {what} {name!r}; {known}\n    seatrial --help shows all of them")
    from seatrial.cli.parser import parser_of

    command, parser = parser_of(name)
    arguments = parser.parse([*words[1:], *early])
    try:
        return command.act(arguments)
    except SystemExit as end:  # not ours: we never end a process that way, and `sys.exit(0)` is no pass
        from seatrial.errors import SeatrialError

        raise SeatrialError(f"a plugin ended the process: sys.exit({end.code!r})") from end
