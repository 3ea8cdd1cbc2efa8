"""Killed at every record of its ledger a run of one node leaves nothing after `clean`, whatever the provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.acceptance.containers_project import cache_of_tests, left_in_podman, on_containers, one_container
from tests.acceptance.harness import EVERY, ContractFixture, Lister, kill_at_records, suite, validate

PARTS = [(1, 6), (7, None)]
"""The records that each test kills at, so that they can run at the same time; the last part goes on to the end."""


def one_node(harbour: ContractFixture) -> Sequence[object]:
    """The sample on one node, from deploy to the end."""
    document = suite("init", "deploy", validate("cluster_status"), parameters={"cluster_size": 1})
    return [harbour.write("trial.json", document)]


def one_node_in_a_container(harbour: ContractFixture) -> Sequence[object]:
    """A service in one container."""
    on_containers(harbour)
    return [harbour.write("trial.json", one_container(validate("cluster_status")))]


@dataclass(frozen=True)
class Row:
    """A provider, how a run on it is written, and who can list what it made."""

    provider: str
    make: Callable[[ContractFixture], Sequence[object]]
    listers: Sequence[Lister]


IN_PODMAN = Row("containers", one_node_in_a_container, [ContractFixture.left, left_in_podman])
ROWS = [
    pytest.param(Row("local", one_node, [ContractFixture.left]), id="local"),
    pytest.param(IN_PODMAN, id="containers", marks=pytest.mark.backend("podman")),
]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache_of_tests(monkeypatch, tmp_path_factory)


@pytest.mark.slow
@pytest.mark.parametrize("first, last", PARTS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("row", ROWS)
def test_killed_at_any_record_and_cleaned_nothing_is_left(
    row: Row, when: str, first: int, last: int | None, tmp_path: Path
) -> None:
    killed = kill_at_records(tmp_path, row.make, row.listers, when=when, first=first, last=last, step=EVERY)
    assert killed > 0, "no run was killed at all"
