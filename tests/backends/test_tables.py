"""The samples of tables and of slow tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.backends import tables

ROOT = Path(__file__).resolve().parents[2]
TABLES = [
    (table, f"{table}[{row}]", one_in)
    for table, rows, one_in in (("long", 64, tables.ONE_IN), ("dense", 64, 2), ("short", 3, 8), ("one", 1, 8))
    for row in range(rows)
]


def test_a_seed_draws_the_same_rows_again_and_another_seed_others() -> None:
    first, again, other = (tables.drawn(TABLES, seed) for seed in ("1", "1", "2"))
    assert first == again
    assert first != other


def test_of_each_table_some_rows_are_drawn_and_over_many_seeds_all_of_them() -> None:
    seen: set[str] = set()
    for seed in range(200):
        kept = tables.drawn(TABLES, str(seed))
        counts = [sum(id.startswith(table) for id in kept) for table in ("long", "dense", "short", "one")]
        assert counts == [64 // tables.ONE_IN, 32, tables.LEAST, 1]
        seen |= kept
    assert seen == {id for _, id, _ in TABLES}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of 40 rows, of which each fails."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    table(of, one_in): a row\n    backend: a back end\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.table\n"
        "@pytest.mark.parametrize('row', range(40))\n"
        "def test_it(row): assert False\n"
    )
    return tmp_path


def run(folder: Path, *arguments: str, **more: str) -> str:
    left_out = {tables.SEED, tables.EVERY, tables.SLOW, "SEATRIAL_REQUIRE_BACKENDS"}
    env = {name: value for name, value in os.environ.items() if name not in left_out} | {tables.SLOW: "1"}
    argv = [sys.executable, "-m", "pytest", "-p", "tests.backends.fixtures", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        argv, cwd=folder, env={**env, "PYTHONPATH": str(ROOT), **more}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def rows(out: str) -> set[str]:
    return set(re.findall(r"^FAILED (\S+\[\d+\])", out, re.MULTILINE))


def test_the_seed_in_the_header_and_in_each_failure_draws_the_same_rows_again_on_all_workers(table: Path) -> None:
    out = run(table, "-n2")
    (seed,) = set(re.findall(r"SEATRIAL_ROW_SEED=(\d+)", out))
    assert "tests: every slow test, a sample of the rows of tables" in out
    assert "5 failed" in out
    assert f"all of its sample: SEATRIAL_SLOW_ONE_IN=1 SEATRIAL_ROW_SEED={seed} make test" in out
    assert rows(run(table, "-n0", SEATRIAL_ROW_SEED=seed)) == rows(out)


def test_every_row_is_run_when_asked_for_and_one_that_is_named_always(table: Path) -> None:
    out = run(table, "-n0", SEATRIAL_EVERY_ROW="yes")
    assert "tests: every slow test, every row of each table" in out
    assert "40 failed" in out
    named = [f"test_it.py::test_it[{number}]" for number in range(4)]
    assert set(named) <= rows(run(table, "-n0", *named))
    assert f"this row alone: pytest '{named[0]}'" in out


def test_tests_of_several_names_can_be_rows_of_one_table(table: Path) -> None:
    mark = "@pytest.mark.table(of='slow ones', one_in=3)\n"
    tests = "".join(f"{mark}def test_{number}(): assert False\n" for number in range(9))
    (table / "test_it.py").write_text(f"import pytest\n{tests}")
    assert "3 failed, 6 deselected" in run(table, "-n0", SEATRIAL_ROW_SEED="1")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Twenty slow tests by their mark, twenty by their folder, and four quick ones."""
    folder = tmp_path / "tests" / "acceptance"
    folder.mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\ntestpaths = tests\nmarkers =\n    table: a row\n    backend: x\n    slow: y\n"
    )
    each = (
        "import pytest\n{mark}@pytest.mark.parametrize('number', range({count}))\ndef test_it(number): assert False\n"
    )
    (folder / "test_promise.py").write_text(each.format(mark="", count=20))
    (folder.parent / "test_marked.py").write_text(each.format(mark="@pytest.mark.slow\n", count=20))
    (folder.parent / "test_quick.py").write_text(each.format(mark="", count=4))
    return tmp_path


def test_of_slow_tests_a_sample_is_run_and_of_quick_ones_all(slow: Path) -> None:
    out = run(slow, "-n2", SEATRIAL_SLOW_ONE_IN="8", SEATRIAL_ROW_SEED="3")
    assert "tests: one in 8 slow tests (SEATRIAL_SLOW_ONE_IN=1 runs all)" in out
    assert len({row for row in rows(out) if "quick" not in row}) == 5
    assert "9 failed" in out
    assert "44 failed" in run(slow, "-n0")


@pytest.mark.parametrize("chosen", [["tests/acceptance"], ["-k", "promise"], ["tests/acceptance/test_promise.py"]])
def test_what_is_chosen_by_its_file_or_words_is_run_whole(slow: Path, chosen: list[str]) -> None:
    assert "20 failed" in run(slow, "-n0", *chosen, SEATRIAL_SLOW_ONE_IN="")
