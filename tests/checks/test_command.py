from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.checks.fakes import FakeContext, look, verdict, well

from seatrial.checks.command import Command
from seatrial.errors import LinkDown, LinkLost, LinkRefused
from seatrial.model.result import Verdict

CASES: list[tuple[dict[str, Any], str]] = [
    ({"command": ("true",)}, "passed"),
    ({"command": ("false",)}, "failed"),
    ({"command": "exit 3", "exit_code": 3}, "passed"),
    ({"command": "exit 3"}, "failed"),
    ({"command": "echo ahoy | tr a-z A-Z", "contains": "AHOY"}, "passed"),
    ({"command": "echo ahoy", "contains": "whale"}, "failed"),
    ({"command": "echo ahoy", "lacks": "whale"}, "passed"),
    ({"command": "echo ahoy", "lacks": "ahoy"}, "failed"),
    ({"command": ("echo", '{"a": [1, 2]}'), "that": "json.a.size() == 2 && exit_code == 0"}, "passed"),
    ({"command": ("echo", '{"a": [1, 2]}'), "that": "json.a.size() == 3"}, "failed"),
    ({"command": ("echo", "no json"), "that": "json.a.size() == 3"}, "unknown"),
    ({"command": ("echo", "no json"), "that": "json != {'a': 1}"}, "unknown"),
    ({"command": ("echo", "null"), "that": "json != {'a': 1}"}, "passed"),
    ({"command": ("echo", "3"), "that": "stdout"}, "unknown"),
    ({"command": "echo ahoy; echo err >&2", "that": "stdout == 'ahoy' && stderr == 'err'"}, "passed"),
    ({"command": "echo ahoy", "that": "stdout != 'ahoy'"}, "failed"),
    ({"command": "cat", "input": "ahoy", "contains": "ahoy"}, "passed"),
    ({"command": "echo $CARGO", "env": {"CARGO": "crates"}, "contains": "crates"}, "passed"),
    ({"command": ("no-such-program-here",)}, "unknown"),
    ({"command": "no-such-program-here"}, "unknown"),
    ({"command": "exit 127", "exit_code": 127}, "passed"),
    # A missing program answers no question: `!` and `if` turn its end around.
    ({"command": "! no-such-program-here --flag"}, "unknown"),
    ({"command": "true && ! no-such-program-here"}, "unknown"),
    ({"command": "! echo ahoy | no-such-program-here"}, "unknown"),
    ({"command": "if no-such-program-here; then exit 1; fi"}, "unknown"),
    ({"command": "! no-such-program-here", "shell": "bash -e"}, "unknown"),
    ({"command": "no-such-program-here || true"}, "passed"),
    ({"command": "! false"}, "passed"),
]


@pytest.mark.parametrize("fields, expected", CASES)
def test_how_it_ends_decides_on_this_host(fields, expected) -> None:
    assert verdict(Command(**fields), FakeContext()) == expected


@pytest.mark.parametrize("fields, expected", CASES)
def test_how_it_ends_decides_on_a_node(fields, expected) -> None:
    assert verdict(Command(**fields, on="n11"), FakeContext(n11=well())) == expected


def test_it_runs_in_the_documents_folder_with_the_trials_environment(tmp_path: Path) -> None:
    check = Command(command='pwd; echo "$E2E_RUN_ID"', contains=f"{tmp_path}\ntrial\n")
    assert look(check, FakeContext(tmp_path)).verdict == "passed"


def test_what_takes_too_long_fails_as_a_matter_of_time() -> None:
    for on, ctx in (("", FakeContext()), ("n11", FakeContext(n11=well()))):
        seen = look(Command(command="sleep 60", timeout=0.2, on=on), ctx)  # type: ignore[arg-type]
        assert (seen.verdict, seen.category) == ("failed", "timeout")


@pytest.mark.parametrize(
    "trouble, expected", [(LinkDown("down"), "failed"), (LinkLost("lost"), "failed"), (LinkRefused("key"), "unknown")]
)
def test_a_node_that_does_not_answer_fails_and_one_that_refuses_us_is_unknown(trouble, expected) -> None:
    ctx = FakeContext(n11=well(), n12=well(), trouble={"n12": trouble})
    seen = look(Command(command=("true",), on="*"), ctx)
    assert seen.verdict == expected
    assert seen.why.startswith("n12: ")


def test_all_nodes_of_the_selector_and_no_others_must_pass() -> None:
    ctx = FakeContext(n11=well(), n12=well(), n13=well())
    seen = look(Command(command="true", that='node != "n12"', on="n11,n12"), ctx)  # type: ignore[arg-type]
    assert seen.verdict == "failed"
    assert seen.why.startswith("n12")
    assert ctx.links["n13"].ran == []


def test_no_nodes_are_unknown_and_a_destroyed_one_fails() -> None:
    assert verdict(Command(command="true", on="*"), FakeContext(state="initialized")) == "unknown"
    assert verdict(Command(command="true", on="n11"), FakeContext(state="destroyed")) == "failed"


def test_it_says_how_it_ended_and_what_it_printed() -> None:
    seen = look(Command(command="echo the hull leaks >&2; exit 4"), FakeContext())
    assert (seen.seen, seen.expected) == (4, 0)
    assert "the hull leaks" in seen.why


def test_text_is_a_command_for_the_shell() -> None:
    assert Command.from_text(": test -f /etc/passwd") == {"command": "test -f /etc/passwd"}
    with pytest.raises(ValueError, match="command:COMMAND"):
        Command.from_text(": ")


def test_an_empty_command_is_found_before_anything_runs() -> None:
    assert [key for key, _ in Command(command=()).check_fields()] == ["command"]
    assert not list(Command(command="true").check_fields())


def test_no_judgement_rests_on_output_whose_middle_was_dropped(tmp_path: Path) -> None:
    long = "yes ok | head -c 1200000"
    command = f"{long}; echo FATAL; {long}"
    fields: list[dict[str, Any]] = [{"lacks": "FATAL"}, {"contains": "FATAL"}, {"that": "true"}]
    for field in fields:
        seen = asyncio.run(Command(command=command, **field).observe(FakeContext(tmp_path)))  # type: ignore[arg-type]
        assert seen.verdict is Verdict.UNKNOWN
        assert "bytes from the middle" in seen.why
