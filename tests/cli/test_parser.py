"""Reading the words of a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.cli.parser import parser_of
from seatrial.cli.run import options_of, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0.5", 0.5),
        ("0x10", 16),
        ("true", True),
        ("no", "no"),
        ("", None),
        ("null", None),
        ('""', ""),
        ('"5"', "5"),
        ("[1, 2]", [1, 2]),
        ("{a: 1}", {"a": 1}),
        ("n11", "n11"),
        ("two words", "two words"),
        ("http://h:1/x", "http://h:1/x"),
        ("a: b", "a: b"),
        ("x #y", "x #y"),
        ("*", "*"),
        ("%s", "%s"),
        ("- x", "- x"),
        ("--flag", "--flag"),
        ("@home", "@home"),
    ],
)
def test_the_value_of_an_assignment_is_read_as_yaml_would_and_is_text_otherwise(text: str, value: object) -> None:
    read = scalar(text)
    assert read == value
    assert isinstance(read, type(value))
    assert isinstance(read, bool) == isinstance(value, bool)


def test_paths_may_stand_before_between_and_after_options() -> None:
    _, parser = parser_of("run")
    arguments = parser.parse(["a.yaml", "--parallel", "3", "b.yaml", "--fail-fast", "c.yaml"])
    assert arguments.paths == [Path("a.yaml"), Path("b.yaml"), Path("c.yaml")]
    assert arguments.parallel == 3


def test_every_option_of_run_reaches_the_application() -> None:
    _, parser = parser_of("run")
    line = (
        "x.yaml --provider local,sim --on ssh --run-test a --run-test b --parallel 2 --fail-fast --set n=3 --set s=t "
        "--keep failed --keep-for 2h --report-dir out --format json --rerun last --shard 2/5 "
        "--max-nodes 4 --max-memory-gb 1.5 --debug --no-color"
    )
    options = options_of(parser.parse([*line.split(), "--plugin", __file__]))
    assert options.providers == ("local", "sim")
    assert options.on == "ssh"
    assert options.tests == ("a", "b")
    assert (options.parallel, options.fail_fast) == (2, True)
    assert options.overrides == {"n": 3, "s": "t"}
    assert (options.keep, options.keep_seconds) == ("failed", 7200.0)
    assert options.report_dir == Path("out")
    assert (options.format, options.rerun, options.shard) == ("json", "last", (2, 5))
    assert (options.max_nodes, options.max_memory_gb) == (4, 1.5)
    assert options.plugins == (Path(__file__),)
    assert options.debug
    assert options.color is False


def test_what_the_command_line_does_not_say_is_left_to_the_application() -> None:
    from seatrial.app.run_options import RunOptions

    for name in ("run", "demo"):
        _, parser = parser_of(name)
        assert options_of(parser.parse([])) == RunOptions()


def test_one_command_imports_its_own_module_and_no_other() -> None:
    code = (
        "import sys; from seatrial.cli.parser import parser_of; parser_of('run')[1].parse(['x.json', '--set', 'n=n']);"
        "print(*sorted(name for name in sys.modules if name.startswith('seatrial.cli.')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout.split() == ["seatrial.cli.parser", "seatrial.cli.run"]
