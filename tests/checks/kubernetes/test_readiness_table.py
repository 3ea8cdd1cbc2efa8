"""The readiness table, on a real API server and real kubelets: the right verdict for the right reason, in time."""

from __future__ import annotations

import pytest
from tests.checks.kubernetes.driving import LIMIT, Phase, prepare
from tests.checks.kubernetes.objects import container, pod, webhook, workload
from tests.checks.kubernetes.rows import PROXIED, ROWS, WEB, has, puts
from tests.checks.kubernetes.webhook_server import webhook_server

pytestmark = pytest.mark.backend("a cluster of its own")


def refuses(**client):
    """A webhook that refuses what is red."""
    red = pod("raft", labels={"color": "red"})
    painted = workload("Deployment", "web")
    painted["spec"]["template"]["metadata"]["labels"]["color"] = "red"
    asked = {"check": "webhook_answers", "name": "refuses"}
    return (
        Phase(check={**asked, "object": pod("raft")}, act=puts(webhook("refuses", "refuses", **client))),
        Phase(check={**asked, "object": red}, fails=("red is out of stock",)),
        Phase(check={**asked, "object": red, "refuses": "out of stock"}),
        Phase(check=WEB, act=puts(painted), knows=has("deployments", "ReplicaFailure"),
              fails=("denied the request: red is out of stock",)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(scene):
    """All rows at once: the times of kubelet and controllers pass together."""
    with webhook_server(scene.programs.plane.gateway) as (url, bundle):
        return scene.drive({**ROWS, "refuses": refuses(url=url, caBundle=bundle)}, proxied=PROXIED)


@pytest.mark.parametrize("row", [*ROWS, "refuses"])
def test_the_verdict_and_its_reason(run, row):
    run.require(row)


def test_changes_are_noticed_within_200_ms_of_the_api_s_own_knowledge(run):
    assert len(run.delays()) > 25
    run.require_notices()


def test_a_container_that_crashes_a_moment_later_does_not_settle(scene):
    later = container(command=["sh", "-c", "sleep 6; exit 3"])

    async def act(cluster):
        await prepare(cluster, "settles")
        await cluster.apply(workload("Deployment", "stays"), namespace="settles")
        await cluster.apply(workload("Deployment", "crashes", later), namespace="settles")

    scene.with_cluster(act)
    result = scene.check("rollout", "settles", workload="crashes", within=LIMIT)
    assert (result["verdict"], result["why"]) == ("passed", "without a readiness probe, ready is whatever runs: main")
    result = scene.check("rollout", "settles", workload="crashes", settled="8s")
    assert result["verdict"] == "failed", result
    assert "have ended meanwhile" in result["why"] or "new pods are ready" in result["why"], result
    result = scene.check("rollout", "settles", workload="stays", settled="1s", within=LIMIT)
    assert result["verdict"] == "passed", result


def test_a_long_answer_of_a_registry_is_said_once(run):
    why = run.told["image"][0].result["why"]
    assert why.count("connection refused") == 1, why
