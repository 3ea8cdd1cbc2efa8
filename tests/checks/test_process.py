from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.checks.fakes import FakeContext, look, verdict, well

from seatrial.checks.process import Process, read
from seatrial.errors import CannotTell, LinkDown, LinkRefused
from seatrial.model.values import Pattern


@pytest.fixture
def program(tmp_path: Path) -> Iterator[str]:
    """A program of a name that nobody else has, running."""
    name = f"seatrial-{os.getpid()}"
    (tmp_path / name).symlink_to("/bin/sleep")
    running = subprocess.Popen([tmp_path / name, "300"])
    yield name
    running.kill()
    running.wait()


def test_what_runs_decides(program: str) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"name": program}, "passed"),
        ({"matching": f"{program} 300$"}, "passed"),
        ({"name": program, "matching": "301"}, "failed"),
        ({"name": program, "count": 1}, "passed"),
        ({"name": program, "count": 2}, "failed"),
        ({"name": program, "count": 0}, "failed"),
        ({"name": program, "at_least": 1}, "passed"),
        ({"name": program, "at_least": 2}, "failed"),
        ({"name": program, "younger_than": 3600.0}, "passed"),
        ({"name": program, "younger_than": -1.0}, "failed"),
        ({"name": f"{program}-other"}, "failed"),
        ({"name": f"{program}-other", "count": 0}, "passed"),
        ({"name": program, "user": "root" if os.geteuid() == 0 else str(os.geteuid())}, "passed"),
        ({"name": program, "user": "daemon"}, "failed"),
        ({"name": program, "running_for": 0.0}, "passed"),
        ({"name": program, "running_for": 3600.0}, "failed"),
    ]
    for fields, expected in cases:
        assert verdict(Process(**fields), FakeContext(n11=well())) == expected, fields


def test_the_look_itself_is_no_process_that_matches() -> None:
    assert verdict(Process(matching=Pattern("seatrial looks at"), count=0), FakeContext(n11=well())) == "passed"


def test_a_user_that_the_node_does_not_have_cannot_be_told() -> None:
    seen = look(Process(name="sh", user="nobody-of-this-name"), FakeContext(n11=well()))
    assert seen.verdict == "unknown"
    assert "nobody-of-this-name" in seen.why


def test_zombies_our_shell_and_its_children_are_left_out() -> None:
    stats = [(10, 1, "S"), (11, 1, "Z"), (12, 2, "S"), (50, 9, "S"), (51, 50, "S"), (60, 9, "S")]
    text = "self 50 100 1000.0\n=stat\n"
    text += "".join(f"{pid} (a) b) {state} {parent} {'0 ' * 17}90000 0\n" for pid, parent, state in stats)
    text += "=uid\n" + "".join(f"/proc/{pid}/status:Uid:\t0\t0\t0\t0\n" for pid, _, _ in stats)
    lines = {10: "/usr/bin/etcd\0--name\0n11\0", 11: "", 12: "", 50: "sh\0-c\0etcd", 51: "cat\0etcd"}
    lines[60] = "sh\0-c\0: seatrial looks at processes etcd"
    text += "=line\n" + "\n".join(f"==> /proc/{pid}/cmdline <==\n{line}" for pid, line in lines.items())
    _, running = read(text)
    assert [(one.pid, one.program, one.seconds) for one in running] == [(10, "etcd", 100.0)]


def test_a_list_that_is_none_cannot_be_told() -> None:
    with pytest.raises(CannotTell, match="cannot be read"):
        read("hello")


@pytest.mark.parametrize("trouble, expected", [(LinkDown("down"), "failed"), (LinkRefused("key"), "unknown")])
def test_a_node_that_does_not_answer_fails_even_where_none_may_run(trouble, expected) -> None:
    assert verdict(Process(name="x", count=0), FakeContext(n11=well(), trouble={"n11": trouble})) == expected


def test_the_short_form_names_program_and_nodes() -> None:
    assert Process.from_text("[n11]:etcd") == {"name": "etcd", "on": "n11"}
    with contextlib.suppress(ValueError):
        Process.from_text(":")
        pytest.fail("an empty name was taken")


def test_fields_that_cannot_be_are_refused() -> None:
    assert [key for key, _ in Process().check_fields()] == ["name"]
    assert [key for key, _ in Process(matching=Pattern("x"), count=-1).check_fields()] == ["count"]
    assert [key for key, _ in Process(name="x", count=1, at_least=1).check_fields()] == ["at_least"]
