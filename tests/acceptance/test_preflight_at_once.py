"""A check that ended is told at once, whatever else of its stage is still running."""

from __future__ import annotations

from tests.acceptance.harness import Project, until


def test_a_failure_is_told_before_the_slow_check_beside_it_ends(project: Project) -> None:
    slow = "n=0; while [ ! -e go ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done"
    checks = {"fast": {"run": "echo 'a.py:3: error: bad'; exit 1"}, "good": {"run": "true"}, "slow": {"run": slow}}
    project.write("pipeline.json", {"pipeline": {"stages": {"s": {"checks": checks}}, "budget": {"parallel": 3}}})
    out = project.folder / "out.txt"
    with out.open("w") as file:
        process = project.start("preflight", stdout=file, stderr=file)
        try:
            until(lambda: "s/fast" in out.read_text() and "s/good" in out.read_text(), "the lines of the quick checks")
            before = out.read_text()
        finally:
            (project.folder / "go").touch()
            assert process.wait(timeout=60) == 1
    assert "✗ s/fast failed (" in before
    assert "): a.py:3: error: bad\n" in before
    assert "✓ s/good passed (" in before
    assert "S Stage" not in before
    assert "s/slow" not in out.read_text().partition("S Stage")[0]


def test_the_attempts_of_a_check_are_told(project: Project) -> None:
    run = "test -e once || { touch once; exit 1; }"
    project.write("pipeline.json", {"pipeline": {"stages": {"s": {"checks": {"a": {"run": run, "retry": 3}}}}}})
    assert "✓ a (attempt 2)" in project.seatrial("preflight").stdout
