"""`run`, `step` and `demo`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from seatrial.cli.parser import (
    Argument,
    Arguments,
    Command,
    amount,
    argument,
    choice,
    flag,
    group,
    plugin,
    positive,
    repeatable,
    seconds,
    shard,
    words,
)
from seatrial.model.values import FORMATS, KEEP

if TYPE_CHECKING:
    from seatrial.app.preflight import PreflightOptions
    from seatrial.app.run_options import RunOptions

Options = TypeVar("Options", "RunOptions", "PreflightOptions")

_STRUCTURE = re.compile(r":\s|\s#|\n|:$")


def assignment(text: str) -> tuple[str, Any]:
    """A parameter and its value: `cluster_size=5`, `image="5"`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"invalid assignment {text!r}: use NAME=VALUE, for example cluster_size=5")
    return key.strip(), scalar(value)


def scalar(text: str) -> Any:
    """Read a value as YAML; text without a meaning in YAML stays text."""
    quoted = text[:1] in ('"', "'", "[", "{")
    number = text[:1] == "-" and text[1:2] in tuple("0123456789.")
    if not quoted and not number and (text[:1] in tuple("&*!|>%@`#,?-]}") or _STRUCTURE.search(text)):
        return text
    from seatrial.loading.read.positions import Flawed
    from seatrial.loading.read.yaml import parse

    try:
        return parse(f"- {text}")[0]
    except Flawed as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.flaws[0][1]}") from None


def set_argument(noun: str) -> Argument:
    """Parameters of a document."""
    help = f"set a {noun} (repeatable); the value is YAML"
    return repeatable("--set", dest="overrides", type=assignment, metavar="K=V", help=help)


REPORT_DIR = argument("--report-dir", type=Path, metavar="DIR", help="new folder for the report")

SELECTION = (
    argument("paths", nargs="*", type=Path, metavar="PATH",
             help="scenario files or folders (default: the project's scenarios)"),
    *group(
        "selection",
        argument("--provider", dest="providers", type=words, default=(), metavar="P[,P]",
                 help="select only suites of these providers"),
        repeatable("--run-test", dest="tests", metavar="ID",
                   help="select only this suite (repeatable); --list-tests shows ids"),
        argument("--rerun", default="", metavar="RUN",
                 help="select only suites that did not pass in that run (id or `last`)"),
        argument("--shard", type=shard, metavar="I/N",
                 help="select the I-th of N shards, to divide suites among N machines"),
    ),
    *group(
        "overrides",
        argument("--on", default="", metavar="P", help="run all suites on this provider instead of their own"),
        set_argument("parameter"),
        plugin(),
        argument("--parallel", type=positive, metavar="N", help="maximum number of suites to run in parallel"),
        argument("--max-nodes", type=positive, metavar="N",
                 help="maximum number of nodes at a time, for all suites together"),
        argument("--max-memory-gb", type=amount, metavar="GB",
                 help="maximum memory at a time, for all suites together"),
    ),
)  # fmt: skip
"""Paths, selection and overrides: the same for `run`, `list` and `check`."""

OUTPUT = group(
    "output and cleanup",
    choice("--format", FORMATS, metavar="FORMAT",
           help="plain, live, json, github, none or auto (live on a terminal, annotations in GitHub Actions)"),
    flag("-v", "--verbose", help="show the output of commands and deployers as it comes (its file has it in any case)"),
    REPORT_DIR,
    choice("--keep", KEEP, metavar="WHEN", help="keep nodes after the run: never (default), failed or always"),
    argument("--keep-for", dest="keep_seconds", type=seconds, default=argparse.SUPPRESS, metavar="TIME",
             help="how long to keep them (default 4h)"),
)  # fmt: skip
"""The same for `run` and `demo`."""


def options_of(arguments: Arguments) -> RunOptions:
    """The options given on the command line; the application has the defaults."""
    from seatrial.app.run_options import RunOptions

    color = False if arguments.no_color else None
    parameters = dict(getattr(arguments, "overrides", ()))
    return chosen(RunOptions, arguments, overrides=parameters, format=arguments.format or "", color=color)


def chosen(factory: type[Options], arguments: Arguments, **more: Any) -> Options:
    """Options made from the arguments with the names of their fields, and from `more`."""
    given: dict[str, Any] = vars(arguments) | more
    tuples: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return factory(**{field.name: tuples[field.name] for field in fields(factory) if field.name in tuples})


def run(arguments: Arguments) -> int:
    """Run the suites, or list them."""
    options = options_of(arguments)
    if arguments.list_tests:
        return _list_tests(arguments.paths, options, as_json=arguments.format == "json")
    if arguments.watch:
        from seatrial.app.run_watch import main as watch

        return watch(arguments.paths, options)
    from seatrial.app.run import main

    return main(arguments.paths, options)


def _list_tests(paths: list[Path], options: RunOptions, *, as_json: bool) -> int:
    from seatrial.app.planning import plan_documents
    from seatrial.errors import NothingSelected

    ids = [suite.test_id for suite in plan_documents(paths, options).suites]
    if not ids:
        raise NothingSelected("no suite was selected; `seatrial list` shows all suites")
    sys.stdout.write(json.dumps(ids, indent=2) + "\n" if as_json else "".join(f"{test_id}\n" for test_id in ids))
    return 0


def step(arguments: Arguments) -> int:
    from seatrial.app.step_again import StepOptions, main

    steps = tuple(arguments.steps)
    return main(StepOptions(run=arguments.run, steps=steps, suite=arguments.suite, options=options_of(arguments)))


def demo(arguments: Arguments) -> int:
    from seatrial.app.run import DEMO, main

    return main([DEMO], options_of(arguments))


COMMANDS = {
    "run": Command(
        act=run,
        arguments=(
            *SELECTION,
            flag("--list-tests", help="print the ids of the selected suites without running them"),
            flag("--fail-fast", help="start no more suites after the first one that does not pass"),
            flag("--watch", help="run again whenever a document, or a file that it names, changes"),
            flag("--pause-on-failure", help="ask on the terminal after a step that did not pass"),
            *OUTPUT,
        ),
        more="Exit code 0 only if every suite passed and all resources were removed.",
        examples=(
            ("run", "the project's scenarios"),
            ("run failover.yaml --set cluster_size=5", "one file, with another parameter"),
            ("run a.yaml b.yaml c.yaml --parallel 3", "three suites at the same time"),
            ("run --provider libvirt --on local", "the libvirt suites, on this machine"),
            ("run --rerun last", "the suites that did not pass last time"),
            ("run --keep failed --keep-for 2h", "keep failed nodes for two hours, to look at them"),
            ("run failover.yaml --watch", "while you write: run again after each change"),
            ("run --pause-on-failure", "look at the system at the moment of a failure"),
            ("run --format json >results.json", "one JSON document on standard output"),
        ),
    ),
    "step": Command(
        act=step,
        arguments=(
            argument("run", metavar="RUN", help="run id, the start of one, or `last`"),
            argument("steps", nargs="+", metavar="N", help="4, 4.. (and all behind it), 4..6, or a step's id"),
            argument("--suite", default="", metavar="NAME", help="where the run kept several clusters"),
            plugin(),
            flag("--pause-on-failure", help="ask on the terminal after a step that did not pass"),
            choice("--format", FORMATS, metavar="FORMAT", help="as for `run`"),
            flag("-v", "--verbose", help="show the output of commands and deployers as it comes"),
            choice("--keep", KEEP, metavar="WHEN", help="keep it after the steps: always (default), failed, never"),
        ),
        more="The steps are those of the document as it is now: change them and try again. The cluster stays until the "
        "time that its run set. The report is in the folder `again-N` of the run, whose own results stay as they are.",
        examples=(
            ("step last 4..", "step 4 and all behind it"),
            ("step last check_data --keep never", "one step by its id; then clean up"),
        ),
    ),
    "demo": Command(
        act=demo,
        arguments=OUTPUT,
        more="Needs no root, no network and no account. All resources are removed at the end.",
        examples=(
            ("demo", "watch it run"),
            ("demo --format json", "as JSON"),
            ("demo --report-dir demo-report", "keep the report here"),
        ),
    ),
}
