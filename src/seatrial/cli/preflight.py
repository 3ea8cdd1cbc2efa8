"""`preflight`."""

from __future__ import annotations

from pathlib import Path

from seatrial.cli.parser import Arguments, Command, argument, choice, flag, group, positive, repeatable
from seatrial.cli.run import REPORT_DIR, chosen, set_argument
from seatrial.model.values import EXECUTORS, PIPELINE_FORMATS


def preflight(arguments: Arguments) -> int:
    """Run the checks, or list them."""
    from seatrial.app.preflight import PreflightOptions, main, show
    from seatrial.app.run_options import RunOptions
    from seatrial.errors import UsageError

    if arguments.changed_since == "":
        raise UsageError("seatrial preflight: --changed-since needs a branch, a tag or a commit")
    color, parameters = False if arguments.no_color else None, dict(arguments.overrides)
    run = RunOptions(
        format=arguments.format or "",
        report_dir=arguments.report_dir,
        debug=arguments.debug,
        color=color,
        verbose=arguments.verbose,
    )
    options = chosen(PreflightOptions, arguments, changed_since=arguments.changed_since or "", parameters=parameters,
                     executor=arguments.executor or "",
                     cache=not arguments.no_cache, run=run)  # fmt: skip
    if arguments.host and arguments.executor:
        raise UsageError("seatrial preflight: --host and --executor exclude each other: --host uses no image")
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
        act=preflight,
        arguments=(
            argument("document", nargs="?", type=Path, metavar="PIPELINE",
                     help="pipeline file (default: the project's, else the nearest pipeline.yaml upward)"),
            *group(
                "selection",
                repeatable("--only", metavar="STAGE[/CHECK]", help="run only this stage or check (repeatable)"),
                argument("--from", dest="from_", default="", metavar="STAGE", help="run this stage and all later ones"),
                argument("--changed-since", metavar="REF",
                         help="run only checks affected by changes since the branch left REF, or not committed yet"),
                flag("--list", help="print the selected checks without running them"),
            ),
            *group(
                "execution",
                flag("--watch", help="re-run whenever inputs or the pipeline file change; stop with Ctrl-C"),
                flag("--fail-fast", help="stop at the first check that does not pass"),
                flag("--host", help="run every check on this machine, including checks that specify an image"),
                choice("--executor", EXECUTORS, metavar="EXECUTOR",
                       help="where checks with an image run: containers or dagger (default: as the pipeline says)"),
                argument("--parallel", type=positive, metavar="N",
                         help="maximum number of checks to run in parallel (default: the number of cores)"),
                set_argument("pipeline parameter"),
            ),
            *group(
                "result cache",
                flag("--no-cache", help="run every check and save no result"),
                flag("--explain", help="explain for each check why its cached result was used or not"),
                flag("--trace-inputs", help="run every check and list the undeclared files it reads"),
            ),
            *group(
                "output",
                choice("--format", PIPELINE_FORMATS, metavar="FORMAT",
                       help="plain, live, json, compact (only failures, for agents), github, none or auto"),
                flag("-v", "--verbose", help="show the output of checks as it comes (their logs have it in any case)"),
                REPORT_DIR,
            ),
        ),
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
}  # fmt: skip
