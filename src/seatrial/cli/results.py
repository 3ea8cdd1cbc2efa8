"""`inspect`, `report` and `clean`: what is left of a run, on disk and in the world."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from seatrial.cli.parser import Arguments, Command, Parser, format_argument, several_of
from seatrial.errors import UsageError

REPORTS = (
    "html", "junit", "ctrf", "json", "github", "annotations", "console", "preflight", "preflight_json", "compact"
)  # fmt: skip
"""The formats that a report can be made in later; the application has the same list, which is not imported for help."""


def clean_arguments(parser: Parser) -> None:
    """All of `clean`."""
    parser.add_argument(
        "run", nargs="?", default="", metavar="RUN", help="only this run: its id, or the beginning of it"
    )
    parser.add_argument("--all", action="store_true", help="also what was kept on purpose and whose time is not up")
    parser.add_argument("--dry-run", action="store_true", help="say what would be given back; touch nothing")
    format_argument(parser)


def clean(arguments: Arguments) -> int:
    """Give back what is due."""
    from seatrial.app.clean import CleanOptions, main

    shown = "json" if arguments.format == "json" else "plain"
    return main(CleanOptions(run=arguments.run, all=arguments.all, dry_run=arguments.dry_run, format=shown))


def report_arguments(parser: Parser) -> None:
    """All of `report`."""
    parser.add_argument(
        "run", nargs="?", default="last", metavar="RUN", help="id, its beginning, `last` (default) or folder"
    )
    parser.add_argument(
        "--format", type=several_of(REPORTS), default=("html",), metavar="F[,F]",
        help=f"any of {', '.join(REPORTS)} (default: html)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="PATH", help="a folder, or a file (default: standard output)")


def report(arguments: Arguments) -> int:
    """Write reports from a run's events."""
    if len(arguments.format) > 1 and arguments.out is None:
        raise UsageError("seatrial report: several formats need --out FOLDER; standard output takes one")
    from seatrial.app.report import main

    return main(arguments.run, arguments.format, arguments.out)


def inspect_arguments(parser: Parser) -> None:
    """All of `inspect`."""
    parser.add_argument(
        "run", nargs="?", default="last", metavar="RUN", help="id, its beginning, `last` (default) or folder"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="the steps of suites that passed, too")
    format_argument(parser)


def inspect(arguments: Arguments) -> int:
    """Show a run."""
    from seatrial.app.inspect import described, seen

    run = seen(arguments.run)
    if arguments.format == "json":
        sys.stdout.write(json.dumps(run.data(), indent=2, ensure_ascii=False, default=str) + "\n")
    else:
        sys.stdout.write(described(run, verbose=arguments.verbose))
    return 0


COMMANDS = {
    "clean": Command(
        arguments=clean_arguments,
        act=clean,
        more="It leaves alone what a living run, another user or nobody of ours owns, and says so. "
        "Exit code 0 when nothing remains.",
        examples=(
            ("clean", "after a crash, or when in doubt"),
            ("clean --dry-run", "only look"),
            ("clean --all", "also what was kept with --keep"),
            ("clean r01k3", "one run"),
        ),
    ),
    "report": Command(
        arguments=report_arguments,
        act=report,
        examples=(
            ("report --out report.html", "the last run, one file with a timeline"),
            ("report last --format junit,ctrf --out reports/", "for CI"),
            ("report r01k3 --format console", "one run, as its console showed it"),
        ),
    ),
    "inspect": Command(
        arguments=inspect_arguments,
        act=inspect,
        examples=(
            ("inspect", "the last run: verdicts, what failed and why, what is kept, where logs are"),
            ("inspect r01k3 -v", "one run, with all its steps"),
            ("inspect report-dir/ --format json", "a report folder, as data"),
        ),
    ),
}
