"""`run` and `demo`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.cli.parser import (
    Arguments,
    Command,
    Parser,
    amount,
    existing_file,
    one_of,
    positive,
    seconds,
    shard,
    words,
)
from seatrial.model.values import FORMATS, KEEP

if TYPE_CHECKING:
    from seatrial.app.run_options import RunOptions

_STRUCTURE = re.compile(r":\s|\s#|\n|:$")


def selecting_arguments(parser: Parser) -> None:
    """The paths, and what selects and changes suites: the same for `run`, `list` and `check`."""
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="documents, or folders of them (default: the project's scenarios)",
    )
    choose = parser.add_argument_group("which suites")
    choose.add_argument(
        "--provider", type=words, default=(), metavar="P[,P]", help="only the suites of these providers"
    )
    choose.add_argument(
        "--run-test",
        action="append",
        default=[],
        metavar="ID",
        help="only this suite (repeatable); --list-tests shows ids",
    )
    choose.add_argument("--rerun", default="", metavar="RUN", help="only what did not pass in that run (id or `last`)")
    choose.add_argument("--shard", type=shard, metavar="I/N", help="the I-th of N parts, for N machines")
    change = parser.add_argument_group("what is different from the documents")
    change.add_argument("--on", default="", metavar="P", help="run the suites on this provider, whatever they say")
    change.add_argument(
        "--set", type=assignment, action="append", default=[], metavar="K=V",
        help="a parameter (repeatable); the value is read as in YAML",
    )  # fmt: skip
    change.add_argument(
        "--plugin", type=existing_file, action="append", default=[], metavar="FILE", help="load a plugin file"
    )
    change.add_argument("--parallel", type=positive, metavar="N", help="so many suites at a time")
    change.add_argument("--max-nodes", type=positive, metavar="N", help="so many nodes at a time, over all suites")
    change.add_argument("--max-memory-gb", type=amount, metavar="GB", help="so much memory at a time, over all suites")


def reporting_arguments(parser: Parser) -> None:
    """How a run is shown, and what stays of it: the same for `run` and `demo`."""
    show = parser.add_argument_group("what is shown and kept")
    show.add_argument(
        "--format", choices=FORMATS, type=one_of(FORMATS), metavar="FORMAT",
        help="plain, live, json, github, none or auto (live on a terminal, annotations in GitHub Actions)",
    )  # fmt: skip
    show.add_argument("--report-dir", type=Path, metavar="DIR", help="a fresh folder for the report")
    show.add_argument(
        "--keep", choices=KEEP, type=one_of(KEEP), metavar="WHEN", help="leave nodes standing: never, failed, always"
    )
    show.add_argument("--keep-for", type=seconds, default=None, metavar="TIME", help="for so long (default 4h)")


def run_arguments(parser: Parser) -> None:
    """All of `run`."""
    selecting_arguments(parser)
    parser.add_argument("--list-tests", action="store_true", help="print the ids of the selected suites; start nothing")
    parser.add_argument(
        "--fail-fast", action="store_true", help="start no more suites after the first that did not pass"
    )
    reporting_arguments(parser)


def assignment(text: str) -> tuple[str, Any]:
    """A parameter and its value: `cluster_size=5`, `image="5"`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no assignment; write NAME=VALUE, such as cluster_size=5")
    return key.strip(), scalar(value)


def scalar(text: str) -> Any:
    """A value as it would stand in a YAML document; text that YAML would not take for a value stays text."""
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


def options_of(arguments: Arguments) -> RunOptions:
    """What the command line says, for the application; what it does not say is the application's to decide."""
    from seatrial.app.run_options import RunOptions

    given = vars(arguments)
    options: dict[str, Any] = {
        name: given[name]
        for name in (
            "on",
            "rerun",
            "shard",
            "parallel",
            "max_nodes",
            "max_memory_gb",
            "fail_fast",
            "keep",
            "report_dir",
        )
        if name in given
    }
    options["format"] = given.get("format") or ""
    if "provider" in given:
        options["providers"] = given["provider"]
        options["tests"] = tuple(given["run_test"])
        options["overrides"] = dict(given["set"])
        options["plugins"] = tuple(given["plugin"])
    if given.get("keep_for") is not None:
        options["keep_seconds"] = given["keep_for"]
    return RunOptions(**options, debug=arguments.debug, color=False if arguments.no_color else None)


def run(arguments: Arguments) -> int:
    """Plan and run, or list what would run."""
    options = options_of(arguments)
    if arguments.list_tests:
        return _list_tests(arguments.paths, options, as_json=arguments.format == "json")
    from seatrial.app.run import main

    return main(arguments.paths, options)


def _list_tests(paths: list[Path], options: RunOptions, *, as_json: bool) -> int:
    from seatrial.app.run import plan_documents
    from seatrial.errors import NothingSelected

    ids = [suite.test_id for suite in plan_documents(paths, options).suites]
    if not ids:
        raise NothingSelected("no suite was selected; `seatrial list` without options shows what there is")
    sys.stdout.write(json.dumps(ids, indent=2) + "\n" if as_json else "".join(f"{one}\n" for one in ids))
    return 0


def demo(arguments: Arguments) -> int:
    """Run the scenario that comes with Seatrial."""
    from seatrial.app.run import demo as run_demo

    return run_demo(options_of(arguments))


COMMANDS = {
    "run": Command(
        arguments=run_arguments,
        act=run,
        more="Exit code 0 only when every suite passed and nothing was left behind.",
        examples=(
            ("run", "the project's scenarios"),
            ("run failover.yaml --set cluster_size=5", "one document, with another parameter"),
            ("run a.yaml b.yaml c.yaml --parallel 3", "three flows at the same time"),
            ("run --provider libvirt --on local", "the suites for libvirt, on this machine"),
            ("run --rerun last", "what did not pass the last time"),
            ("run --keep failed --keep-for 2h", "leave what failed standing, for a look"),
            ("run --format json >results.json", "one JSON document on standard output"),
        ),
    ),
    "demo": Command(
        arguments=reporting_arguments,
        act=demo,
        more="It needs no root, no network and no account, and gives everything back.",
        examples=(
            ("demo", "watch it"),
            ("demo --format json", "as data"),
            ("demo --report-dir demo-report", "keep the report here"),
        ),
    ),
}
