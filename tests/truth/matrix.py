"""The matrix: what was planted in each kind of system, and how it came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.truth.case import Case, Outcome, Planted
from tests.truth.running import Judgement, Result

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "truth-table.md"
BEGIN, END = "<!-- matrix: begin (`make truth TRUTH_ARGS=--write`) -->", "<!-- matrix: end -->"

OUTCOMES = (Outcome.PASSED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOTHING, Outcome.LEFT, Outcome.REFUSED)
WRONG = (Judgement.GREEN, Judgement.RED, Judgement.WEAK)


def matrix(results: Sequence[Result]) -> str:
    """A line for each system and each kind of plant: how many rows it has, how they came out, and the wrong ones."""
    rows = [["system", "planted", "rows", *OUTCOMES, *WRONG]]
    for system in sorted({result.case.system for result in results}):
        for planted in Planted:
            some = [one for one in results if (one.case.system, one.case.planted) == (system, planted)]
            if some:
                rows.append([system, planted, *_counted(some)])
    rows.append(["all", "", *_counted(results)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(_line(row, widths) for row in rows)


def _counted(results: Sequence[Result]) -> list[str]:
    outcomes, worth = Counter(one.outcome for one in results), Counter(one.judgement for one in results)
    counts = [len(results), *(outcomes[one] for one in OUTCOMES), *(worth[one] for one in WRONG)]
    return [str(count) for count in counts]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) + " |"


def wrong(result: Result) -> str:
    """What came of a row, what had to come, and where it is."""
    case = result.case
    known = f"\n    known: {case.known}" if case.known else ""
    return (
        f"{result.judgement}: {case.id}\n    came: {result.outcome}: {result.said}\n"
        f"    ought: {' or '.join(case.outcomes)}\n    in {result.folder}{known}"
    )


def page(text: str, results: Sequence[Result]) -> str:
    """The page of the docs with this matrix."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{matrix(results)}\n{END}{rest.split(END)[1]}"


def counted_in(text: str) -> dict[tuple[str, str], int]:
    """How many rows the page has, by system and plant."""
    lines = text.split(BEGIN)[1].split(END)[0].strip().splitlines()[2:-1]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(system, planted): int(rows) for system, planted, rows, *_ in cells}


def counted(cases: Sequence[Case]) -> dict[tuple[str, str], int]:
    """How many rows the table has, by system and plant."""
    return dict(Counter((case.system, str(case.planted)) for case in cases))
