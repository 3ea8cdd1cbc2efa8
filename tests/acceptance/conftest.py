"""A harbour for each test, which must be empty when the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.harness import ContractFixture, processes_of


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[ContractFixture]:
    harbour = ContractFixture(tmp_path)
    yield harbour
    assert processes_of(tmp_path) == [], "the test left processes"
