"""The second look at failed tests: what fails alone too is broken, what passes is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pathlib, pytest

@pytest.mark.xdist_group("some-group")
@pytest.mark.parametrize("word", ["a b", "c@d"])
def test_flaky(word):
    file = pathlib.Path(word)
    before = file.exists()
    file.touch()
    assert before

@pytest.mark.parametrize("number", range({broken}))
def test_broken(number):
    assert False
"""


@pytest.mark.parametrize(("broken", "code", "said"), [
    (0, 0, "FLAKY: test_it.py::test_flaky[c@d] failed beside"),
    (1, 1, "1 failed, 2 passed"),
    (7, 1, "9 failures are not looked at again"),
])  # fmt: skip
def test_what_passes_alone_is_flaky_and_what_fails_again_is_broken(
    broken: int, code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text(TESTS.format(broken=broken))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "pytest", "-n", "1", "--dist", "loadgroup", "-q", "-W", "ignore"]
    first = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 1, first.stdout
    words = [sys.executable, "-m", "scripts.second_look"]
    second = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert second.returncode == code, second.stdout
    assert said in second.stdout


def test_without_a_failed_test_something_else_is_wrong(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "scripts.second_look"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
