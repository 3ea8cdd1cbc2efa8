"""`completion`: scripts generated from the parsers of the command line."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from seatrial import cli
from seatrial.cli.parser import Arguments, Command, Parser, choice, existing_file, parser_of
from seatrial.errors import ExtraMissing, UsageError


def completion(arguments: Arguments) -> int:
    """Print the script of a shell; UsageError if the installed shtab does not support it."""
    shell = arguments.shell
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
    sys.stdout.write(text.rstrip("\n") + "\n")
    return 0


def whole(file_completion: Any) -> Parser:
    """One parser with every command below it."""
    parser = Parser(prog="seatrial", description="Sea trials for deployments.")
    parser.add_argument("--version", action="store_true", help="show the version")
    below = parser.add_subparsers(metavar="COMMAND")
    for name, (_, summary) in cli.COMMANDS.items():
        _, command = parser_of(name, partial(below.add_parser, name, help=summary))
        for action in command._actions:
            if action.type in (Path, existing_file):
                action.complete = file_completion  # type: ignore[attr-defined]
    return parser


COMMANDS = {
    "completion": Command(
        act=completion,
        arguments=(choice("shell", ("bash", "zsh", "fish", "tcsh"), metavar="SHELL", help="bash, zsh, fish or tcsh"),),
        examples=(
            ("completion bash >~/.local/share/bash-completion/completions/seatrial", "for new shells"),
            ("completion zsh >~/.zfunc/_seatrial", "with ~/.zfunc in fpath"),
            ("completion fish >~/.config/fish/completions/seatrial.fish", "for all shells, immediately"),
        ),
    )
}
