"""`mcp`."""

from __future__ import annotations

from pathlib import Path

from seatrial.cli.parser import Arguments, Command, Parser


def mcp_arguments(parser: Parser) -> None:
    """All of `mcp`."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="the project's folder (default: here)"
    )
    parser.add_argument("--allow-run", action="store_true", help="also offer the tools that start and stop runs")


def mcp(arguments: Arguments) -> int:
    """Serve until the client goes away."""
    from seatrial.mcp import serve

    return serve(arguments.folder, allow_run=arguments.allow_run)


COMMANDS = {
    "mcp": Command(
        arguments=mcp_arguments,
        act=mcp,
        more="It speaks the Model Context Protocol on standard input and output, so a client starts it, and not a "
        "person. Without --allow-run it only looks: lists, checks, and reads results. Needs the extra: "
        "pip install 'seatrial[mcp]'.",
        examples=(
            ("mcp", "what a client starts in the folder of a project, to look at it"),
            ("mcp /srv/shop --allow-run", "of another folder, and it may run its scenarios and pipelines"),
        ),
    )
}
