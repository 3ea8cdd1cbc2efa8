"""Killed at every record of its ledger a run of one node leaves nothing after `clean`, whatever the provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.containers_project import cache_of_tests, left_in_podman, on_containers, one_container
from tests.acceptance.harness import Lister, Project, kill_and_clean, kill_at_records, suite, validate


def one_node(project: Project) -> Sequence[object]:
    """The sample on one node, from deploy to the end."""
    document = suite("init", "deploy", validate("cluster_status"), parameters={"cluster_size": 1})
    return [project.write("trial.json", document)]


def one_node_in_a_container(project: Project) -> Sequence[object]:
    """A service in one container."""
    on_containers(project)
    return [project.write("trial.json", one_container(validate("cluster_status")))]


@dataclass(frozen=True)
class Row:
    """A provider, how a run on it is written, and who can list what it made."""

    records: int
    """Of its ledger, at least; what comes after them is one test."""
    make: Callable[[Project], Sequence[object]]
    listers: Sequence[Lister]


ON_THE_HOST = Row(16, one_node, [Project.left])
IN_PODMAN = Row(10, one_node_in_a_container, [Project.left, left_in_podman])


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache_of_tests(monkeypatch, tmp_path_factory)


def _parameters(row: Row) -> list[Any]:
    return [(when, record) for when in ("before", "after") for record in range(1, row.records + 2)]


@pytest.mark.slow
@pytest.mark.table
@pytest.mark.parametrize("when, record", _parameters(ON_THE_HOST))
def test_killed_at_any_record_on_this_host_and_cleaned_nothing_is_left(when: str, record: int, tmp_path: Path) -> None:
    _killed(ON_THE_HOST, when, record, tmp_path)


@pytest.mark.slow
@pytest.mark.table
@pytest.mark.backend("podman")
@pytest.mark.parametrize("when, record", _parameters(IN_PODMAN))
def test_killed_at_any_record_in_a_container_and_cleaned_nothing_is_left(
    when: str, record: int, tmp_path: Path
) -> None:
    _killed(IN_PODMAN, when, record, tmp_path)


def _killed(row: Row, when: str, record: int, folder: Path) -> None:
    if record <= row.records:
        assert kill_and_clean(folder, row.make, row.listers, when=when, record=record), "the run was not killed"
    else:
        assert kill_at_records(folder, row.make, row.listers, when=when, first=record) > 0, "no run was killed at all"
