"""Tables: slow tests with many rows alike (a kill at each record, a planted fault), of which a sample is run.

Each row is a test of its own with the mark `table`; tests of several names are rows of one table by `table(of=NAME)`.
The sample is drawn from a seed, which the header of the run and every failure name; a row that is named on the command
line is always run.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterable

import pytest

EVERY, MORE, SEED = "SEATRIAL_EVERY_ROW", "SEATRIAL_MORE_ROWS", "SEATRIAL_ROW_SEED"
MARK = "table"
ON_MACHINES = pytest.mark.table(of="virtual machines", one_in=4)
"""The mark of a test that takes many seconds because its virtual machines are emulated."""
ON_ENGINES = pytest.mark.table(of="container engines and real servers", one_in=2)
"""The mark of a test that takes many seconds because of what it starts in a real engine, or of a real server."""
ONE_IN = 8
"""How many rows of a table there are for each row that is run, where its mark does not say: `table(one_in=4)`."""
LEAST = 2
"""Rows of a table that are run at least, where it has so many."""


def configure() -> None:
    """Draw a seed, unless there is one. It stands in the environment, which is also that of xdist's workers."""
    os.environ.setdefault(SEED, str(random.randrange(10**6)))


def every() -> bool:
    """Whether all rows are run."""
    return bool(os.environ.get(EVERY))


def more() -> bool:
    """Whether twice as many rows are run as otherwise."""
    return bool(os.environ.get(MORE))


def header() -> str:
    """What is run, and how to run the same again."""
    if every():
        return "tables: every row"
    size = "a larger sample" if more() else "a sample"
    return f"tables: {size} of their rows, drawn by {SEED}={os.environ[SEED]} ({EVERY}=yes runs every row)"


def part(table: str, rows: Iterable[str], one_in: int = ONE_IN) -> set[str]:
    """The sample of a table that is inside of one test: some of its rows, or all where every row is run."""
    return set(rows) if every() else drawn(((table, row, one_in) for row in rows), os.environ[SEED])


def drawn(tests: Iterable[tuple[str, str, int]], seed: str) -> set[str]:
    """The ids of the tests that are run, of (table, id, one in how many) of each."""
    tables: dict[tuple[str, int], list[str]] = defaultdict(list)
    for table, id, one_in in tests:
        tables[table, one_in].append(id)
    kept: set[str] = set()
    for (table, one_in), ids in tables.items():
        wanted = len(ids) / max(1, one_in // 2 if more() else one_in)
        size = min(len(ids), max(LEAST, round(wanted)))
        kept.update(random.Random(f"{seed} {table}").sample(ids, size))
    return kept


def sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the rows that were not drawn."""
    if every():
        return
    rows = {item.nodeid: (item, mark) for item in items if (mark := item.get_closest_marker(MARK))}
    kept = drawn(
        (
            (mark.kwargs.get("of") or id.partition("[")[0], id, mark.kwargs.get("one_in", ONE_IN))
            for id, (_, mark) in rows.items()
        ),
        os.environ[SEED],
    )
    kept |= {id for id in rows if any(id == argument or id.endswith(f"/{argument}") for argument in config.args)}
    left_out = [item for id, (item, _) in rows.items() if id not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def explain(item: pytest.Item, report: pytest.TestReport) -> None:
    """Have the failure of a row say how to run that row again, and the others of its sample."""
    if report.failed and item.get_closest_marker(MARK):
        which = f"{MORE}=yes {SEED}={os.environ[SEED]}" if more() else f"{SEED}={os.environ[SEED]}"
        also = "" if every() else f"\nall of its sample: {which} make test"
        report.sections.append(("table", f"this row alone: pytest '{item.nodeid}'{also}"))
