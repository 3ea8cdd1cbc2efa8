"""A three-node sample on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.steps.fakes import programs_end
from tests.systems.fakes import FakeContext, Plain, settings

from seatrial.systems.processes import Processes
from seatrial.systems.processes.settings import ProcessSettings

__all__ = ["make", "programs_end"]

Make = Callable[..., FakeContext]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make a context over a `processes` system from a mapping; every process is ended afterwards."""
    made: list[Plain] = []

    def build(mapping, **parameters):
        provider = Plain(tmp_path / "nodes")
        made.append(provider)
        system = Processes(settings(ProcessSettings, mapping), tmp_path)
        return FakeContext(tmp_path / "suite", system, provider, **parameters)

    yield build
    for provider in made:
        provider.end_all()
