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
        help="pipeline file (default: the project's, else the nearest pipeline.yaml upward)",
    )  # fmt: skip
    choose = parser.add_argument_group("selection")
    choose.add_argument(
        "--only", action="append", default=[], metavar="STAGE[/CHECK]", help="run only this stage or check (repeatable)"
    )
    choose.add_argument("--from", dest="from_", default="", metavar="STAGE", help="run this stage and all later ones")
    choose.add_argument(
        "--changed-since", default=None, metavar="REF",
        help="run only checks affected by changes since the branch left REF, or not committed yet",
    )  # fmt: skip
    choose.add_argument("--list", action="store_true", help="print the selected checks without running them")
    how = parser.add_argument_group("execution")
    how.add_argument(
        "--watch", action="store_true", help="re-run whenever inputs or the pipeline file change; stop with Ctrl-C"
    )
    how.add_argument("--fail-fast", action="store_true", help="stop at the first check that does not pass")
    how.add_argument(
        "--host", action="store_true", help="run every check on this machine, including checks that specify an image"
    )
    how.add_argument(
        "--parallel",
        type=positive,
        metavar="N",
        help="maximum number of checks to run in parallel (default: the number of cores)",
    )
    how.add_argument(
        "--set", type=assignment, action="append", default=[], metavar="K=V",
        help="set a pipeline parameter (repeatable); the value is YAML",
    )  # fmt: skip
    keep = parser.add_argument_group("result cache")
    keep.add_argument("--no-cache", action="store_true", help="run every check and save no result")
    keep.add_argument(
        "--explain", action="store_true", help="explain for each check why its cached result was used or not"
    )
    keep.add_argument(
        "--trace-inputs", action="store_true", help="run every check and list the undeclared files it reads"
    )
    show = parser.add_argument_group("output")
    show.add_argument(
        "--format", choices=PIPELINE_FORMATS, type=one_of(PIPELINE_FORMATS), metavar="FORMAT",
        help="plain, live, json, compact (only failures, for agents), github, none or auto",
    )  # fmt: skip
    show.add_argument("--report-dir", type=Path, metavar="DIR", help="new folder for the report")


def preflight(arguments: Arguments) -> int:
    """Run the checks, or list them."""
    from seatrial.app.preflight import PreflightOptions, main, show
    from seatrial.app.run_options import RunOptions
    from seatrial.errors import UsageError

    if arguments.changed_since == "":
        raise UsageError("seatrial preflight: --changed-since needs a branch, a tag or a commit")
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
        raise UsageError("seatrial preflight: --list and --watch exclude each other: --list runs no check")
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
        more="Exit codes: 0 every check passed, 1 a check failed, 2 the pipeline file is invalid or a secret is "
        "missing, 3 a check could not be judged (for example because a tool is missing).",
        examples=(
            ("preflight", "the nearest pipeline.yaml"),
            ("preflight --list", "the selected checks"),
            ("preflight --only quality/mypy", "a single check"),
            ("preflight --from quality --fail-fast", "from a stage on, until the first failure"),
            ("preflight --watch", "while you work: re-run the checks affected by each change"),
            ("preflight --changed-since origin/main", "only the checks affected by this branch"),
            ("preflight --format compact", "only failures and the next step, for agents"),
            ("preflight --format json >preflight.json", "one JSON document on standard output"),
        ),
    )
}
