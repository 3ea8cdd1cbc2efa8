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
    assert verdict(Process(matching="printf|CLK_TCK", count=0), FakeContext(n11=well())) == "passed"


def test_a_user_that_the_node_does_not_have_cannot_be_told() -> None:
    seen = look(Process(name="sh", user="nobody-of-this-name"), FakeContext(n11=well()))
    assert seen.verdict == "unknown"
    assert "nobody-of-this-name" in seen.why


def test_zombies_our_shell_and_its_children_are_left_out() -> None:
    text = (
        "self 50 100 1000.0\n"
        "10\t1\tS\t0\t90000\t/usr/bin/etcd --name n11\n"
        "11\t1\tZ\t0\t90000\t/usr/bin/etcd\n"
        "50\t9\tS\t0\t99999\tsh -c etcd\n"
        "51\t50\tS\t0\t99999\ttr etcd\n"
    )
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
    assert [key for key, _ in Process(matching="(", count=-1).check_fields()] == ["matching", "count"]
