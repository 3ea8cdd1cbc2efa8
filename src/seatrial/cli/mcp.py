"""`mcp`."""

from __future__ import annotations

from pathlib import Path

from seatrial.cli.parser import Arguments, Command, Parser


def mcp_arguments(parser: Parser) -> None:
    """All of `mcp`."""
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="project folder (default: the current one)",
    )
    parser.add_argument("--allow-run", action="store_true", help="also offer tools to start and stop runs")


def mcp(arguments: Arguments) -> int:
    """Serve until the client disconnects."""
    from seatrial.mcp import serve

    return serve(arguments.folder, allow_run=arguments.allow_run)


COMMANDS = {
    "mcp": Command(
        arguments=mcp_arguments,
        act=mcp,
        more="An MCP client starts it and talks to it on standard input and output. Without --allow-run the client can "
        "list and check scenarios and read results, but start nothing. Needs an extra: pip install 'seatrial[mcp]'.",
        examples=(
            ("mcp", "in a project folder, read-only"),
            ("mcp /srv/shop --allow-run", "another project, with permission to run scenarios and pipelines"),
        ),
    )
}
