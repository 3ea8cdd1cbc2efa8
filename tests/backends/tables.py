"""Samples: of tests that take seconds, and of tables, whose rows are alike (a kill at each record, a planted fault).

Each row of a table is a test of its own with the mark `table`; tests of several names are rows of one table by
`table(of=NAME)`. The samples are drawn from a seed, which the header of the run and every failure name; a test that is
named on the command line is always run, and of what is chosen there by its file or words all slow tests.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterable

import pytest

EVERY, SLOW, SEED = "SEATRIAL_EVERY_ROW", "SEATRIAL_SLOW_ONE_IN", "SEATRIAL_ROW_SEED"
MARK = "table"
ON_MACHINES = pytest.mark.table(of="virtual machines", one_in=4)
"""The mark of a test that takes many seconds because its virtual machines are emulated."""
ON_ENGINES = pytest.mark.table(of="container engines and real servers", one_in=2)
"""The mark of a test that takes many seconds because of what it starts in a real engine, or of a real server."""
ONE_IN = 8
"""How many rows of a table there are for each row that is run, where its mark does not say: `table(one_in=4)`."""
LEAST = 2
"""Rows of a table that are run at least, where it has so many."""
SLOW_ONE_IN = 12
"""How many slow tests there are for each that `make test` runs, so that it takes less than ten minutes."""
SLOW_MARKS = ("slow", "backend", MARK)
SLOW_FOLDERS = ("tests/acceptance/", "tests/examples/", "tests/providers/")


def configure(config: pytest.Config) -> None:
    """Draw a seed and choose the sample, unless it is chosen. Both stand in the environment, which is also that of
    xdist's workers."""
    os.environ.setdefault(SEED, str(random.randrange(10**6)))
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS or config.option.keyword or config.option.markexpr
    os.environ[SLOW] = os.environ.get(SLOW) or ("1" if chosen or every() else str(SLOW_ONE_IN))


def every() -> bool:
    """Whether all rows are run."""
    return bool(os.environ.get(EVERY))


def slow_one_in() -> int:
    """How many slow tests there are for each that is run."""
    return int(os.environ[SLOW])


def header() -> str:
    """What is run, and how to run the same again."""
    slow = "every slow test" if slow_one_in() == 1 else f"one in {slow_one_in()} slow tests ({SLOW}=1 runs all)"
    if every():
        return f"tests: {slow}, every row of each table"
    rows = f"a sample of the rows of tables ({EVERY}=yes runs every row)"
    return f"tests: {slow}, {rows}, drawn by {SEED}={os.environ[SEED]}"


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
        size = min(len(ids), max(LEAST, round(len(ids) / one_in)))
        kept.update(random.Random(f"{seed} {table}").sample(ids, size))
    return kept


def sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that were not drawn."""
    named = {item.nodeid for item in items if any(_names(argument, item.nodeid) for argument in config.args)}
    rows = {item.nodeid: mark for item in items if (mark := item.get_closest_marker(MARK))}
    left_out = set[str]()
    if not every():
        tables = [
            (mark.kwargs.get("of") or id.partition("[")[0], id, mark.kwargs.get("one_in", ONE_IN))
            for id, mark in rows.items()
        ]
        left_out |= set(rows) - drawn(tables, os.environ[SEED])
    slow = [item.nodeid for item in items if is_slow(item) and item.nodeid not in left_out]
    left_out |= set(slow) - drawn((("slow tests", id, slow_one_in()) for id in slow), os.environ[SEED])
    if left_out := left_out - named:
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
        items[:] = [item for item in items if item.nodeid not in left_out]


def is_slow(item: pytest.Item) -> bool:
    """Whether it takes seconds: by its mark, or by its folder."""
    return item.nodeid.startswith(SLOW_FOLDERS) or any(map(item.get_closest_marker, SLOW_MARKS))


def _names(argument: str, id: str) -> bool:
    return id == argument or id.endswith(f"/{argument}")


def explain(item: pytest.Item, report: pytest.TestReport) -> None:
    """Have the failure of a row say how to run that row again, and the others of its sample."""
    if report.failed and item.get_closest_marker(MARK):
        which = f"{SLOW}={slow_one_in()} {SEED}={os.environ[SEED]}"
        also = "" if every() else f"\nall of its sample: {which} make test"
        report.sections.append(("table", f"this row alone: pytest '{item.nodeid}'{also}"))
