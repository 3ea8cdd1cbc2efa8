"""The truth table as tests: a sample of its rows; and its page in the docs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.backends import session
from tests.truth.case import Case, Outcome, Planted
from tests.truth.cases import CASES, missing
from tests.truth.matrix import PAGE, counted, counted_in, wrong
from tests.truth.running import Judgement, judge, run


def _row(case: Case) -> object:
    marks = [pytest.mark.backend(case.backend)] if case.backend in session.KNOWN else []
    known = [pytest.mark.xfail(reason=case.known)] if case.known else []
    return pytest.param(case, id=case.id.replace(" ", "-"), marks=[*marks, *known])


@pytest.mark.slow
@pytest.mark.table(one_in=20)
@pytest.mark.parametrize("case", [_row(case) for case in CASES])
def test_what_is_planted_has_its_outcome(case: Case, tmp_path: Path) -> None:
    if why := missing(case):
        pytest.skip(why)
    result = run(case, tmp_path / "row")
    assert result.judgement is Judgement.RIGHT, wrong(result)


def test_no_two_rows_have_one_name() -> None:
    assert [id for id, times in Counter(case.id for case in CASES).items() if times > 1] == []


def test_the_page_counts_the_rows_of_the_table() -> None:
    assert counted_in(PAGE.read_text()) == counted(CASES), "measure it anew: make truth TRUTH_ARGS=--write"


def test_the_page_names_each_row_that_is_known_to_be_wrong() -> None:
    text = PAGE.read_text()
    assert [case.id for case in CASES if case.known and case.id not in text] == []


PASSED = '{"results": [{"verdict": "passed"}]}'
LEFT = '{"results": [{"verdict": "passed", "left_behind": [{"kind": "node"}]}]}'


@pytest.mark.parametrize(
    ("planted", "code", "out", "stays", "judgement"),
    [
        (Planted.CLEAN, 0, PASSED, [], Judgement.RIGHT),
        (Planted.PRODUCT, 0, PASSED, [], Judgement.GREEN),
        (Planted.TOOL, 0, PASSED, [], Judgement.GREEN),
        (Planted.PRODUCT, 3, PASSED, [], Judgement.GREEN),
        (Planted.PRODUCT, 0, '{"results": [{"verdict": "failed"}]}', [], Judgement.GREEN),
        (Planted.PRODUCT, 3, '{"results": [{"verdict": "unknown"}]}', [], Judgement.WEAK),
        (Planted.CLEAN, 1, '{"results": [{"verdict": "failed"}]}', [], Judgement.RED),
        (Planted.TOOL, 1, '{"results": [{"verdict": "failed"}]}', [], Judgement.RED),
        (Planted.CLEAN, 0, PASSED, ["sleep 100"], Judgement.GREEN),
        (Planted.CLEAN, 4, LEFT, [], Judgement.RED),
        (Planted.LEAK, 4, LEFT, [], Judgement.RIGHT),
        (Planted.LEAK, 0, PASSED, [], Judgement.GREEN),
        (Planted.CLEAN, 2, "", [], Judgement.OTHER),
        (Planted.NOTHING, 5, '{"results": [{"verdict": ""}]}', [], Judgement.RIGHT),
    ],
)
def test_an_outcome_is_judged(
    planted: Planted, code: int, out: str, stays: list[str], judgement: Judgement, tmp_path: Path
) -> None:
    case = Case(system="local", what="a plant", look="a look", planted=planted, document={})
    result = judge(case, tmp_path, code, out, "", stays)
    assert result.judgement is judgement, result
    assert result.outcome is not Outcome.BROKEN or code == 3 or "failed" in out
