"""A harbour for each test, which must be empty when the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.harness import Harbour, processes_of


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path)
    yield harbour
    assert processes_of(tmp_path) == [], "the test left processes"
