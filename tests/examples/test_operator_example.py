"""The example of an operator: three flows at once, and flows that are killed, fail, or take long beside others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.acceptance.harness import until
from tests.backends.kubernetes_project import InCluster, left_of
from tests.backends.operator_project import (
    GO,
    LONG,
    MARKS,
    Steps,
    ended,
    flow,
    held,
    operator_in,
    repositories,
    row,
    services,
)

pytestmark = MARKS

SERVICES = {"gitea", "prometheus", "events", "targets", "api"}


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = operator_in(tmp_path / "operator", cluster, tool)
    yield made
    ended(made)


def test_three_flows_at_once_pass_and_leave_nothing(project: InCluster) -> None:
    flows = ("full.yaml", "quickstart-helm.yaml", "quickstart-manifest.yaml")
    assert project.seatrial("check", "--isolation").returncode == 0
    ran = project.seatrial("run", *flows, "--parallel", 3, timeout=LONG)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert project.results()["totals"]["passed"] == 3
    assert left_of(project) == []
    assert repositories(project) == []
    assert {name for name, one in services(project).items() if one["state"] == "healthy"} == SERVICES


def with_another_tide(steps: Steps) -> None:
    """A flow that fails: it wants what the operator does not publish."""
    published = next(step for step in steps[::-1] if step["step"] == "validate")
    next(one for one in published["checks"] if isinstance(one, dict) and one["check"] == "git")["contains"] = (
        "Low water"
    )


def test_a_killed_a_failing_and_a_slow_flow_do_not_disturb_others(project: InCluster) -> None:
    slow, killed = flow(project, "slow", held("slow", GO)), flow(project, "killed", held("killed", "sleep 900"))
    failing = flow(project, "failing", with_another_tide)
    with (
        project.start("run", slow, "quickstart-helm.yaml", "--parallel", 2) as good,
        project.start("run", killed) as dying,
        project.start("run", failing) as bad,
    ):
        try:
            for name in ("slow", "killed"):
                until((project.folder / f"here-{name}").exists, f"the flow {name}", seconds=LONG)
            keepers = {name: one["keeper"] for name, one in services(project).items()}
            os.kill(dying.pid, signal.SIGKILL)
            out, _ = bad.communicate(timeout=LONG)
            assert bad.returncode == 1, out
            failed = row(project, "failing")
            assert (failed["category"], failed["left_behind"]) == ("product", [])
            assert "Low water" in failed["error"]
            dead, alive = row(project, "killed")["trial_id"], row(project, "slow")["trial_id"]
            assert [line for line in left_of(project) if dead in line], "the killed flow has left nothing to clean"

            cleaned = project.seatrial("clean", timeout=LONG)
            assert cleaned.returncode == 0, cleaned.stdout
            left = left_of(project)
            assert [line for line in left if dead in line] == []
            assert not [name for name in repositories(project) if dead in name]
            kinds = {line.split()[0] for line in left if alive in line}
            assert kinds >= {"Namespace", "Deployment", "ValidatingWebhookConfiguration", "CustomResourceDefinition"}
            assert [name for name in repositories(project) if alive in name]
        finally:
            (project.folder / "go").touch()
        out, _ = good.communicate(timeout=LONG)
        assert good.returncode == 0, out
    after = services(project)
    assert {name: one["keeper"] for name, one in after.items()} == keepers, "the services live on"
    assert {one["state"] for one in after.values()} == {"healthy"}
    assert left_of(project) == []
