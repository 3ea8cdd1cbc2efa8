"""Completion scripts, generated from the parsers of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seatrial.cli import COMMANDS
from seatrial.cli.parser import Parser, existing_file, parser_of
from seatrial.errors import ExtraMissing, UsageError


def script(shell: str) -> str:
    """The script of one shell; UsageError if the installed shtab does not support the shell."""
    try:
        import shtab
    except ModuleNotFoundError:
        raise ExtraMissing("completion scripts need shtab: pip install shtab") from None
    if shell not in shtab.SUPPORTED_SHELLS:
        raise UsageError(
            f"shtab {shtab.__version__} does not support {shell}, only {', '.join(shtab.SUPPORTED_SHELLS)}\n"
            "    upgrade it: pip install --upgrade shtab"
        )
    text: str = shtab.complete(whole(shtab.FILE), shell)
    return text if text.endswith("\n") else text + "\n"


def whole(file_completion: Any) -> Parser:
    """One parser with every command below it."""
    parser = Parser(prog="seatrial", description="Sea trials for deployments.")
    parser.add_argument("--version", action="store_true", help="show the version")
    below = parser.add_subparsers(metavar="COMMAND")
    for name, (_, summary) in COMMANDS.items():

        def build(name: str = name, summary: str = summary, **more: Any) -> Parser:
            added: Parser = below.add_parser(name, help=summary, **more)
            return added

        _, command = parser_of(name, build)
        for action in command._actions:
            if action.type in (Path, existing_file):
                action.complete = file_completion  # type: ignore[attr-defined]
    return parser
