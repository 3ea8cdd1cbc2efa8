"""Problem matchers, over what the tools really print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.preflight import problem_matchers
from seatrial.preflight.problem_matchers import Problem

BAD = "import os\n\n\ndef size(x: int) -> str:\n    return x\n"
TESTS = """\
import pytest


def helper(x):
    assert x == 2, "helper says"


def test_one():
    assert 1 == 2


def test_two():
    helper(1)


class TestIt:
    def test_three(self):
        raise ValueError("boo")


@pytest.mark.parametrize("a", [1, 2])
def test_four(a):
    assert a == 1


@pytest.fixture
def broken():
    raise OSError("no fixture")


def test_five(broken):
    pass
"""
TSC = """\
src/worker.ts(3,7): error TS2322: Type 'string' is not assignable to type 'number'.
  The expected type comes from property 'x'.
src/other.ts(10,1): error TS2304: Cannot find name 'foo'.
"""
PRETTY = (
    "\x1b[96msrc/worker.ts\x1b[0m:\x1b[93m3\x1b[0m:\x1b[93m7\x1b[0m - \x1b[91merror\x1b[0m\x1b[90m TS2322: \x1b[0m"
    "Type 'string' is not a number.\n\n\x1b[7m3\x1b[0m const x: number = 1\n\nFound 1 error in src/worker.ts:3\n"
)
MIGRATION = """\
Traceback (most recent call last):
  File "/srv/app/manage.py", line 22, in <module>
    main()
  File "/srv/app/.venv/lib/python3.11/site-packages/django/core/management/__init__.py", line 442, in execute
    utility.execute()
  File "/srv/app/notes/migrations/0002_more.py", line 9, in change
    raise RuntimeError("boo")
  File "/srv/app/.venv/lib/python3.11/site-packages/django/db/utils.py", line 91, in __exit__
    raise dj_exc_value
django.db.utils.ProgrammingError: relation "notes" does not exist
LINE 1: SELECT
"""


def printed(folder: Path, *arguments: str) -> str:
    """What a module of this Python prints on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


def lines(text: str, command: str = "", wanted: str = "") -> list[str]:
    return list(map(str, problem_matchers.find(text, command, wanted)))


@pytest.mark.parametrize("form", ["full", "concise"])
def test_ruff(tmp_path: Path, form: str) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    text = printed(tmp_path, "ruff", "check", "--isolated", "--output-format", form)
    assert problem_matchers.find(text, "ruff check") == [Problem("bad.py", 1, "F401 `os` imported but unused", 8)]


def test_ruff_format(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x  =  1\n")
    text = printed(tmp_path, "ruff", "format", "--isolated", "--check", "--no-cache")
    (one,) = problem_matchers.find(text, [sys.executable, "-m", "ruff", "format"])
    assert one.file == "bad.py"
    assert "reformatted" in one.message


@pytest.mark.parametrize("more", [(), ("--show-column-numbers",), ("--pretty",)])
def test_mypy(tmp_path: Path, more: tuple[str, ...]) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    text = printed(tmp_path, "mypy", "--no-incremental", "--config-file=", *more, "bad.py")
    (one,) = problem_matchers.find(text, "mypy bad.py")
    assert (one.file, one.line, one.severity) == ("bad.py", 5, "error")
    assert one.message.startswith("error: Incompatible return value type")


@pytest.mark.parametrize("style", ["long", "short", "native", "line"])
def test_pytest_tells_each_failure_at_its_line(tmp_path: Path, style: str) -> None:
    (tmp_path / "test_bad.py").write_text(TESTS)
    text = printed(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:seatrial", f"--tb={style}", ".")
    found = problem_matchers.find(text, "pytest -q")
    places = {(Path(one.file).name, one.line) for one in found}
    assert places >= {("test_bad.py", 9), ("test_bad.py", 5), ("test_bad.py", 18), ("test_bad.py", 23)}
    assert len(found) == 5
    said = " ".join(map(str, found))
    for words in ("test_one: ", "test_two: ", "TestIt.test_three: ", "test_four[2]: ", "test_five: ", "helper says"):
        assert words in said


def test_pytest_without_tracebacks_names_the_tests(tmp_path: Path) -> None:
    (tmp_path / "test_bad.py").write_text(TESTS)
    text = printed(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:seatrial", "--tb=no", ".")
    assert "test_bad.py: test_one: assert 1 == 2" in lines(text, "pytest")


def test_pytest_tells_a_file_that_cannot_be_collected_once(tmp_path: Path) -> None:
    (tmp_path / "test_import.py").write_text("import nothing_there\n")
    text = printed(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:seatrial", ".")
    (one,) = problem_matchers.find(text, "pytest")
    assert (one.file, one.line) == ("test_import.py", 1)
    assert "No module named 'nothing_there'" in one.message


def test_tsc_plain_and_pretty() -> None:
    assert problem_matchers.find(TSC, "tsc") == [
        Problem("src/worker.ts", 3, "error TS2322: Type 'string' is not assignable to type 'number'.", 7),
        Problem("src/other.ts", 10, "error TS2304: Cannot find name 'foo'.", 1),
    ]
    assert lines(PRETTY, "node_modules/.bin/tsc --noEmit") == [
        "src/worker.ts:3: error TS2322: Type 'string' is not a number."
    ]


def test_a_traceback_is_told_at_the_last_line_that_is_no_librarys() -> None:
    said = lines(MIGRATION, "python manage.py migrate")
    assert said == [
        '/srv/app/notes/migrations/0002_more.py:9: django.db.utils.ProgrammingError: relation "notes" does not exist'
    ]


@pytest.mark.parametrize(
    "line, told",
    [
        ("app/views.py:45: error: no", "app/views.py:45: error: no"),
        ("./src/main.c:3:7: warning: unused", "src/main.c:3: warning: unused"),
        ("/abs/x.go:10:2: undefined: y", "/abs/x.go:10: undefined: y"),
        ("C:\\src\\x.cs:3: no", "C:\\src\\x.cs:3: no"),
        ("Dockerfile.dev:4 unknown instruction", "Dockerfile.dev:4: unknown instruction"),
        ("12:30: half past twelve", ""),
        ("http://localhost:8000/x:3: no", ""),
        ("error: nothing is at line 3", ""),
        ("value:3: no file", ""),
        ("2026-11-21 10:00:01 app.log: written", ""),
        ("app.py:12:", ""),
    ],
)
def test_a_line_of_any_tool(line: str, told: str) -> None:
    assert lines(line, "make") == ([told] if told else [])


def test_the_matcher_is_told_by_the_command_wherever_the_program_is() -> None:
    text = "x.py:3: note: only a note\nx.py:4: error: no"
    assert lines(text, "cd app && /opt/venv/bin/mypy .") == ["x.py:4: error: no"]
    assert len(lines(text, "make lint")) == 2
    assert lines(text, "make lint", "mypy") == ["x.py:4: error: no"]


def test_of_an_output_without_places_the_last_lines_that_say_something_are_useful() -> None:
    text = "first\n\n=====\n\x1b[31msecond\x1b[0m\n----\nthird   \n\n"
    assert problem_matchers.useful(text) == ["first", "second", "third"]
    assert problem_matchers.useful(text, 1) == ["third"]


@pytest.mark.parametrize("name", problem_matchers.MATCHERS)
def test_no_output_breaks_a_matcher_or_takes_it_long(name: str) -> None:
    import time

    hard = ["a" * 50_000, "a/" * 20_000 + ":1", "(" * 20_000, "_" * 20_000, 'File "' + "x" * 20_000, "E " * 10_000,
            "FAILED " + "a" * 20_000, "Error" * 5_000, "\x00\ud800:1: x", "a.b:1: " + "x" * 50_000]  # fmt: skip
    begun = time.process_time()
    problem_matchers.find("\n".join(hard * 2), "", name)
    assert time.process_time() - begun < 5


ESLINT = """
/srv/app/src/a.js
  1:7   error    'x' is assigned a value but never used  no-unused-vars
  2:1   warning  Unexpected console statement            no-console

\u2716 2 problems (1 error, 1 warning)
"""
VITEST = """
 FAIL  src/a.test.ts > sum > adds
AssertionError: expected 3 to be 4 // Object.is equality

- Expected
+ Received

 \u276f src/a.test.ts:5:18
      3|   it("adds", () => {
      5|     expect(1 + 2).toBe(4)
       |                   ^
      6|   });

 Test Files  1 failed (1)
"""
JEST = """
  \u25cf sum \u203a adds

    expect(received).toBe(expected) // Object.is equality

    Expected: 4
    Received: 3

      at Object.toBe (/srv/app/src/a.test.js:3:19)
      at run (node_modules/jest-circus/build/run.js:1:2)
"""
MOCHA = """
  1) sum
       adds:

      AssertionError [ERR_ASSERTION]: 3 == 4
      at Context.<anonymous> (test/a.js:4:12)
      at processImmediate (node:internal/timers:483:21)
"""
BIOME = """
src/a.ts:1:7 lint/correctness/noUnusedVariables  FIXABLE  \u2501\u2501\u2501\u2501\u2501\u2501\u2501\u2501

  \u00d7 This variable x is unused.
"""
RUSTC = "error[E0308]: mismatched types\n --> src/main.rs:2:18\n  |\n2 |     let x: i32 = 1.0;\n"
SHELLCHECK = """
In check.sh line 3:
rm $x
   ^-- SC2086 (info): Double quote to prevent globbing and word splitting.
"""
BANDIT = """
>> Issue: [B602:subprocess_popen_with_shell_equals_true] subprocess call with shell=True
   Severity: High   Confidence: High
   Location: ./app/a.py:4:4
"""
NODE_TEST = """
not ok 1 - adds
  ---
  failureType: 'testCodeFailure'
  stack: |-
    AssertionError [ERR_ASSERTION]: 3 == 4
        at TestContext.<anonymous> (file:///srv/app/a.test.js:4:10)
"""


@pytest.mark.parametrize("command", ["npm run check", ""])
@pytest.mark.parametrize(
    "text, told",
    [
        (ESLINT, "/srv/app/src/a.js:1: 'x' is assigned a value but never used  no-unused-vars"),
        (VITEST, "src/a.test.ts:5: src/a.test.ts > sum > adds: AssertionError: expected 3 to be 4"),
        (JEST, "/srv/app/src/a.test.js:3: sum \u203a adds: expect(received).toBe(expected)"),
        (MOCHA, "test/a.js:4: sum: AssertionError [ERR_ASSERTION]: 3 == 4"),
        (NODE_TEST, "/srv/app/a.test.js:4: adds: AssertionError [ERR_ASSERTION]: 3 == 4"),
        (BIOME, "src/a.ts:1: lint/correctness/noUnusedVariables: This variable x is unused."),
        (RUSTC, "src/main.rs:2: mismatched types"),
        (SHELLCHECK, "check.sh:3: SC2086 Double quote to prevent globbing"),
        (BANDIT, "app/a.py:4: [B602:subprocess_popen_with_shell_equals_true] subprocess call"),
        (TSC, "src/worker.ts:3: error TS2322"),
        (PRETTY, "src/worker.ts:3: error TS2322"),
    ],
)
def test_a_tool_behind_a_script_is_known_by_its_output(text: str, told: str, command: str) -> None:
    assert lines(text, command)[0].startswith(told)


def test_of_a_long_output_the_errors_are_useful_and_then_its_end() -> None:
    noise = "\n".join(f"[INFO] step {at}" for at in range(1500))
    text = f"{noise}\nERROR in ./src/index.ts: Cannot find module ./nope\n{noise}\n0 errors, 2 failed\nsummary\n"
    found = problem_matchers.useful(text, 8)
    assert "ERROR in ./src/index.ts: Cannot find module ./nope" in found[:2]
    assert found[-1] == "summary"
