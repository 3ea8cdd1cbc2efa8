"""What comes before a command: the version, the overview, names that are wrong, and what an error looks like."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial import __version__
from seatrial.cli import COMMANDS, main
from seatrial.cli.errors import guarded
from seatrial.errors import CannotTell, DocumentError, LeftBehind, NothingSelected, Problem

Output = pytest.CaptureFixture[str]


def test_the_version_is_told_without_importing_argparse_or_any_other_module_of_ours() -> None:
    code = (
        "import sys; before = set(sys.modules); from seatrial.cli import main; code = main(['--version']);"
        "print(code, *sorted(set(sys.modules) - before))"
    )
    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=30)
    version, rest = said.stdout.splitlines()
    assert version == f"seatrial {__version__}"
    assert rest.split() == ["0", "__future__", "seatrial", "seatrial.cli"]


def test_help_lists_every_command_with_what_it_is_for(capsys: Output) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name} " in said
        assert summary in said
    for planned in ("serve", "history"):
        assert f"  {planned} " not in said


def test_no_command_at_all_is_bad_usage_and_shows_the_commands(capsys: Output) -> None:
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "commands:" in said.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_that_its_own_parser_takes(name: str, capsys: Output) -> None:
    from seatrial.cli.parser import parser_of

    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    command, parser = parser_of(name)
    assert command.examples
    for line, _ in command.examples:
        assert f"seatrial {line}" in said
        words = line.split(" && ")[0].split(" >")[0].split()
        assert words[0] == name
        if "my_steps.py" not in words:  # the only example that names a file which must exist
            parser.parse(words[1:])


def test_help_of_a_command_can_be_asked_for_in_front_of_it(capsys: Output) -> None:
    assert main(["help", "clean"]) == 0
    assert "usage: seatrial clean" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu", "x.yaml"], "unknown command 'rnu'; did you mean 'run'?"),
        (["--parallel", "3"], "unknown option '--parallel'"),
        (["run", "--paralel", "3"], "seatrial run: unknown option '--paralel'; did you mean '--parallel'?"),
        (["run", "--par", "3"], "seatrial run: unknown option '--par'"),
        (["check", "--fomat=json"], "did you mean '--format'?"),
        (["clean", "r1", "r2"], "unexpected argument 'r2'"),
        (["run", "--keep", "alway"], "--keep: unknown value 'alway'; did you mean 'always'?"),
        (["run", "--format", "jsn"], "did you mean 'json'?"),
        (["run", "--shard", "3/2"], "use I/N with 1 <= I <= N"),
        (["run", "--shard", "0/2"], "use I/N with 1 <= I <= N"),
        (["run", "--parallel", "0"], "'0' is not a positive whole number"),
        (["run", "--max-memory-gb", "nan"], "'nan' is not a positive number"),
        (["run", "--keep-for", "soon"], "invalid duration 'soon'"),
        (["run", "--set", "cluster_size"], "use NAME=VALUE"),
        (["run", "--set", 'x="half'], "--set: '\"half': invalid YAML"),
        (["run", "--provider", ","], "expected one or more names separated by commas"),
        (["run", "--plugin", "nowhere.py"], "nowhere.py: no such file"),
        (["run", "--set"], "expected one argument"),
        (["report", "--format", "pdf"], "unknown value 'pdf'"),
        (["report", "--format", "html,junit"], "several formats need --out"),
        (["completion", "bsh"], "did you mean 'bash'?"),
        (["completion"], "the following arguments are required: SHELL"),
    ],
)
def test_wrong_words_are_bad_usage_and_the_right_ones_are_named(words: list[str], told: str, capsys: Output) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert told in said.err


def test_options_of_every_command_may_stand_before_it(capsys: Output) -> None:
    assert main(["--no-color", "--debug", "run", "--help"]) == 0
    assert "usage: seatrial run" in capsys.readouterr().out


def refuse(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (
            CannotTell("the tool is gone", evidence="line 1\nline 2"),
            3,
            "error: the tool is gone\n    line 1\n    line 2\n",
        ),
        (LeftBehind("a volume"), 4, "error: a volume\n"),
        (NothingSelected("no suite"), 5, "error: no suite\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_an_error_is_told_on_standard_error_and_has_its_exit_code(
    error: BaseException, code: int, told: str, capsys: Output
) -> None:
    assert guarded(lambda: refuse(error), debug=False) == code
    assert capsys.readouterr() == ("", told)


def test_every_problem_of_a_document_is_a_block_and_they_are_counted(capsys: Output) -> None:
    problems = [Problem("a.yaml", 3, 1, "unknown step 'x'", "did you mean 'y'?"), Problem("b.yaml", 1, 1, "empty")]
    assert guarded(lambda: refuse(DocumentError(problems)), debug=False) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: a.yaml:3:1: unknown step 'x'",
        "    did you mean 'y'?",
        "error: b.yaml:1:1: empty",
        "2 problems in 2 files; nothing was started",
    ]


def test_on_a_terminal_long_errors_break_between_words_and_places_stay_whole(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "a-folder/with-a-long-name/and-a-document.yaml"
    problem = Problem(place, 3, 1, "unknown step 'x', and " + "more " * 20, "allowed: " + "one_or_two, " * 20)

    def wrong() -> int:
        raise DocumentError([problem])

    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert guarded(wrong, debug=False) == 2
    said = capsys.readouterr().err
    assert max(map(len, said.splitlines())) <= 60
    assert said.startswith(f"error: {place}:3:1:")
    assert " ".join(said.split()).startswith(" ".join(str(f"error: {problem}").split()))


def test_our_own_mistake_is_unknown_and_shows_a_traceback_only_when_asked(capsys: Output) -> None:
    assert guarded(lambda: refuse(ZeroDivisionError("by zero")), debug=False) == 3
    short = capsys.readouterr().err
    assert guarded(lambda: refuse(ZeroDivisionError("by zero")), debug=True) == 3
    long = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in short
    assert "Traceback" not in short
    assert "Traceback" in long


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("doctor", "--format", "json")])
def test_a_reader_who_goes_away_is_met_with_silence(words: tuple[str, ...], project: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "seatrial", *words],
            cwd=project, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
