"""A project for each test, which must be empty when the test ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.acceptance.compose_project import here
from tests.acceptance.harness import Project, processes_of, until

__all__ = ["here", "project"]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    with suppress(AssertionError):  # what was told to end may need a moment
        until(lambda: not processes_of(tmp_path), "the end of all processes", 20)
    left = processes_of(tmp_path)
    for pid, _ in left:  # also when the test failed before its own clean-up
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert left == [], "the test left processes"
