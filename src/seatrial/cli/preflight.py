"""`preflight`."""

from __future__ import annotations

from pathlib import Path

from seatrial.cli.parser import Arguments, Command, Parser, one_of, positive
from seatrial.cli.run import assignment
from seatrial.model.values import PIPELINE_FORMATS


def preflight_arguments(parser: Parser) -> None:
    """All of `preflight`."""
    parser.add_argument(
        "document", nargs="?", type=Path, metavar="PIPELINE",
        help="the document (default: the project's, else the nearest pipeline.yaml upward)",
    )  # fmt: skip
    choose = parser.add_argument_group("which checks")
    choose.add_argument(
        "--only", action="append", default=[], metavar="STAGE[/CHECK]", help="only this stage or check (repeatable)"
    )
    choose.add_argument(
        "--from", dest="from_", default="", metavar="STAGE", help="this stage and those after it in the document"
    )
    choose.add_argument(
        "--changed-since", default=None, metavar="REF",
        help="only what the changes since the branch left REF (and those not committed) can affect",
    )  # fmt: skip
    choose.add_argument("--list", action="store_true", help="print what would run; start nothing")
    how = parser.add_argument_group("how they run")
    how.add_argument("--watch", action="store_true", help="again whenever inputs or the document change, until Ctrl-C")
    how.add_argument("--fail-fast", action="store_true", help="stop at the first check that did not pass")
    how.add_argument("--host", action="store_true", help="run all on this machine, also what names an image")
    how.add_argument(
        "--parallel", type=positive, metavar="N", help="so many checks at a time (default: as many as cores)"
    )
    how.add_argument(
        "--set", type=assignment, action="append", default=[], metavar="K=V",
        help="a parameter of the pipeline (repeatable); the value is read as in YAML",
    )  # fmt: skip
    keep = parser.add_argument_group("the cache of results")
    keep.add_argument("--no-cache", action="store_true", help="run every check, and keep no result")
    keep.add_argument(
        "--explain", action="store_true", help="say of each check why it was, or was not, taken from the cache"
    )
    keep.add_argument(
        "--trace-inputs", action="store_true", help="run every check; tell which files it reads and does not declare"
    )
    show = parser.add_argument_group("what is shown and kept")
    show.add_argument(
        "--format", choices=PIPELINE_FORMATS, type=one_of(PIPELINE_FORMATS), metavar="FORMAT",
        help="plain, live, json, compact (only what failed, for agents), github, none or auto",
    )  # fmt: skip
    show.add_argument("--report-dir", type=Path, metavar="DIR", help="a fresh folder for the report")


def preflight(arguments: Arguments) -> int:
    """Run the checks, or list them."""
    from seatrial.app.preflight import PreflightOptions, main, show
    from seatrial.app.run_options import RunOptions
    from seatrial.errors import UsageError

    if arguments.changed_since == "":
        raise UsageError("seatrial preflight: --changed-since names no commit; write a branch, a tag or a commit")
    run = RunOptions(
        format=arguments.format or "",
        report_dir=arguments.report_dir,
        debug=arguments.debug,
        color=False if arguments.no_color else None,
    )
    options = PreflightOptions(
        document=arguments.document,
        only=tuple(arguments.only),
        from_=arguments.from_,
        changed_since=arguments.changed_since or "",
        fail_fast=arguments.fail_fast,
        host=arguments.host,
        parallel=arguments.parallel,
        parameters=dict(arguments.set),
        cache=not arguments.no_cache,
        explain=arguments.explain,
        trace_inputs=arguments.trace_inputs,
        run=run,
    )
    if arguments.list and arguments.watch:
        raise UsageError("seatrial preflight: --list starts nothing, so there is nothing to watch")
    if arguments.list:
        return show(options)
    if arguments.watch:
        from seatrial.app.preflight_watch import main as watch

        return watch(options)
    return main(options)


COMMANDS = {
    "preflight": Command(
        arguments=preflight_arguments,
        act=preflight,
        more="Exit code 0 only when every check passed: 1 a check failed, 3 one could not be judged (a tool is "
        "missing, say), 2 the document is wrong or a secret is missing.",
        examples=(
            ("preflight", "the nearest pipeline.yaml"),
            ("preflight --list", "what would run"),
            ("preflight --only quality/mypy", "one check alone"),
            ("preflight --from quality --fail-fast", "from a stage on, until something fails"),
            ("preflight --watch", "while you work: only what a change affects runs again"),
            ("preflight --changed-since origin/main", "only what this branch can have broken"),
            ("preflight --format compact", "only what failed, and how to go on: for agents"),
            ("preflight --format json >preflight.json", "one JSON document on standard output"),
        ),
    )
}
