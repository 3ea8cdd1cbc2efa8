"""`validate`."""

from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, check, within

from seatrial.errors import CannotTell, StepFailed
from seatrial.model.result import Verdict
from seatrial.model.scenario import Retry
from seatrial.steps.validate import Validate


def test_passed_checks_pass_and_what_they_saw_is_an_output(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    retry = Retry(max_attempts=5)
    outputs = within(lambda: Validate(checks=(check("one"), check("two")), retry=retry).run(ctx))
    assert outputs == {"passed": 2, "failed": 0, "unknown": 0, "seen": {"one": "seen by one", "two": "seen by two"}}
    assert ctx.looked[0][1:] == (retry, 32)


def test_a_failed_check_fails_with_what_was_seen_and_expected(tmp_path: Path) -> None:
    bad = (check("one", Verdict.FAILED, why="too slow"), check("two", Verdict.UNKNOWN, why="no tool"), check("three"))
    with pytest.raises(StepFailed) as caught:
        within(lambda: Validate(checks=bad).run(FakeContext(tmp_path)))
    assert str(caught.value) == "one: expected 'good', seen 'seen by one' (too slow)"
    assert caught.value.category == "product"
    assert "unknown: two: could not be measured: no tool" in caught.value.evidence
    assert "passed: three" in caught.value.evidence


def test_the_category_is_the_observations(tmp_path: Path) -> None:
    late = check("one", Verdict.FAILED, category="timeout")
    with pytest.raises(StepFailed) as caught:
        within(lambda: Validate(checks=(late,)).run(FakeContext(tmp_path)))
    assert caught.value.category == "timeout"


def test_an_unknown_check_is_never_green(tmp_path: Path) -> None:
    with pytest.raises(CannotTell, match="two: could not be measured: no tool"):
        within(
            lambda: Validate(checks=(check("one"), check("two", Verdict.UNKNOWN, why="no tool"))).run(
                FakeContext(tmp_path)
            )
        )


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.UNKNOWN])
def test_an_allowed_failure_does_not_decide(tmp_path: Path, verdict: Verdict) -> None:
    checks = (check("one"), check("admin_ui", verdict, why="gone"))
    outputs = within(lambda: Validate(checks=checks, allow_failures=("admin_ui",)).run(FakeContext(tmp_path)))
    assert (outputs["passed"], outputs["failed"], outputs["unknown"]) == (1, 0, 0)


def test_nothing_to_observe_is_refused() -> None:
    assert [key for key, _ in Validate(checks=()).check_fields()] == ["checks"]
