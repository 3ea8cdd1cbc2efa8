"""Kill tables: tests that kill a run at each of its records or events in turn, of which a sample is run.

Each row is a test of its own with the mark `kill_table`. The sample is drawn from a seed, which the header of the run
and every failure name; a row that is named on the command line is always run.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterable

import pytest

EVERY, SEED = "SEATRIAL_EVERY_KILL", "SEATRIAL_KILL_SEED"
MARK = "kill_table"
ONE_IN = 8
"""How many rows of a table there are for each row that is run."""
LEAST = 2
"""Rows of a table that are run at least, where it has so many."""


def configure() -> None:
    """Draw a seed, unless there is one. It stands in the environment, which is also that of xdist's workers."""
    os.environ.setdefault(SEED, str(random.randrange(10**6)))


def every() -> bool:
    """Whether all rows are run."""
    return bool(os.environ.get(EVERY))


def header() -> str:
    """What is run, and how to run the same again."""
    if every():
        return "kill tables: every row"
    return f"kill tables: one row in {ONE_IN}, drawn by {SEED}={os.environ[SEED]} ({EVERY}=yes runs every row)"


def drawn(tests: Iterable[tuple[str, str]], seed: str) -> set[str]:
    """The ids of the tests that are run, of (table, id) of each."""
    tables: dict[str, list[str]] = defaultdict(list)
    for table, id in tests:
        tables[table].append(id)
    kept: set[str] = set()
    for table, ids in tables.items():
        size = min(len(ids), max(LEAST, round(len(ids) / ONE_IN)))
        kept.update(random.Random(f"{seed} {table}").sample(ids, size))
    return kept


def sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the rows that were not drawn."""
    if every():
        return
    rows = {item.nodeid: item for item in items if item.get_closest_marker(MARK)}
    kept = drawn(((id.partition("[")[0], id) for id in rows), os.environ[SEED])
    kept |= {id for id in rows if any(id == argument or id.endswith(f"/{argument}") for argument in config.args)}
    left_out = [item for id, item in rows.items() if id not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def explain(item: pytest.Item, report: pytest.TestReport) -> None:
    """Have the failure of a row say how to run that row again, and the others of its sample."""
    if report.failed and item.get_closest_marker(MARK):
        also = "" if every() else f"\nall of its sample: {SEED}={os.environ[SEED]} make test"
        report.sections.append(("kill table", f"this row alone: pytest '{item.nodeid}'{also}"))
