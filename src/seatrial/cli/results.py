"""`inspect`, `report`, `shell` and `clean`: the results of a run, and its resources."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from seatrial.cli.parser import FORMAT, Arguments, Command, argument, flag, several_of
from seatrial.errors import UsageError
from seatrial.model.values import REPORTS

RUN = argument("run", nargs="?", default="last", metavar="RUN",
               help="run id, the start of one, `last` (default), or a report folder")  # fmt: skip


def clean(arguments: Arguments) -> int:
    from seatrial.app.clean import CleanOptions, main

    shown = "json" if arguments.format == "json" else "plain"
    return main(
        CleanOptions(
            run=arguments.run,
            forget=arguments.forget,
            all=arguments.all,
            provider=arguments.provider,
            tagged=arguments.tagged,
            expired=arguments.expired,
            dry_run=arguments.dry_run,
            format=shown,
        )
    )


def shell(arguments: Arguments) -> int:
    from seatrial.app.shell import ShellOptions, main

    command = tuple(arguments.command)
    main(ShellOptions(run=arguments.run, node=arguments.node, suite=arguments.suite, command=command))


def report(arguments: Arguments) -> int:
    if len(arguments.format) > 1 and arguments.out is None:
        raise UsageError(
            "seatrial report: several formats need --out FOLDER; only one format can go to standard output"
        )
    from seatrial.app.report import main

    return main(arguments.run, arguments.format, arguments.out)


def inspect(arguments: Arguments) -> int:
    from seatrial.app.inspect import described, seen

    run = seen(arguments.run)
    if arguments.format == "json":
        sys.stdout.write(json.dumps(run.data(), indent=2, ensure_ascii=False, default=str) + "\n")
    else:
        sys.stdout.write(described(run, verbose=arguments.verbose))
    return 0


COMMANDS = {
    "clean": Command(
        act=clean,
        arguments=(
            argument("run", nargs="?", default="", metavar="RUN",
                     help="clean up only this run, or this trial of it: its id, or the start of its id"),
            flag("--all", help="also remove kept resources before their time is over"),
            argument("--forget", default="", metavar="RUN",
                     help="remove nothing, and drop the ledger of this run after you have looked for its resources"),
            argument("--provider", default="", metavar="NAME",
                     help="use the tags of this provider's resources in place of ledgers, also on another machine"),
            argument("--run", dest="tagged", default="", metavar="RUN",
                     help="with --provider: the run, by its whole id"),
            flag("--expired", help="only resources whose tags say that their time is over; needs no ledger"),
            flag("--dry-run", help="show what would be removed, without removing it"),
            FORMAT,
        ),
        more="Skips and lists resources that belong to an active run or another user, or that Seatrial did not create. "
        "Exit code 0 if nothing remains.",
        examples=(
            ("clean", "after a crash"),
            ("clean --dry-run", "show what would be removed"),
            ("clean --all", "also resources kept with --keep"),
            ("clean r01k3", "a single run"),
            ("clean t01k3 --all", "a single trial, by its `E2E_RUN_ID`"),
            ("clean --provider aws --run r1m8p6psvx98v7zh9rdjg3wy", "a run of another machine, by its tags"),
            ("clean --expired", "expired resources in the cloud, for example from cron"),
            ("clean --forget r01k3", "its resources are gone: you have looked"),
        ),
    ),
    "report": Command(
        act=report,
        arguments=(
            RUN,
            argument("--format", type=several_of(REPORTS), default=("html",), metavar="F[,F]",
                     help=f"any of {', '.join(REPORTS)} (default: html)"),
            argument("--out", type=Path, metavar="PATH", help="output folder or file (default: standard output)"),
        ),
        examples=(
            ("report --out report.html", "the last run as one file with a timeline"),
            ("report last --format junit,ctrf --out reports/", "for CI"),
            ("report r01k3 --format console", "the console output of one run"),
        ),
    ),
    "shell": Command(
        act=shell,
        arguments=(
            argument("run", metavar="RUN", help="run id, the start of one, or `last`"),
            argument("node", nargs="?", default="", metavar="NODE", help="its name (default: the only one)"),
            argument("command", nargs="*", default=[], metavar="-- CMD",
                     help="run this there in place of a shell; its exit code is yours"),
            argument("--suite", default="", metavar="NAME", help="where several suites have a node of this name"),
        ),
        more="Works for nodes that were kept (run --keep), while a run is paused (run --pause-on-failure), and while "
        "Python uses them. It takes the node's own way in: SSH, or exec of a container.",
        examples=(
            ("shell last n11", "a shell on the node n11 of the last run"),
            ("shell r01k3 n11 -- journalctl -n 50", "one command"),
            ("shell last n11 --suite failover", "one of several suites"),
        ),
    ),
    "inspect": Command(
        act=inspect,
        arguments=(
            RUN,
            flag("-v", "--verbose", help="also show the steps of suites that passed"),
            FORMAT,
        ),
        examples=(
            ("inspect", "the last run: verdicts, failures, kept resources, logs"),
            ("inspect r01k3 -v", "one run with all its steps"),
            ("inspect t01k3", "one trial, by its `E2E_RUN_ID`"),
            ("inspect report-dir/ --format json", "a report folder, as JSON"),
        ),
    ),
}  # fmt: skip
