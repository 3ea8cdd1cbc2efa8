"""What all tests of steps share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.steps.fakes import end_programs


@pytest.fixture(autouse=True)
def programs_end() -> Iterator[None]:
    """The programs of a fake trial, and their supervisor, end with the test."""
    yield
    end_programs()
