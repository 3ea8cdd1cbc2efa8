"""What a pod's own status says, without a cluster: the states that a kubelet seldom shows."""

from __future__ import annotations

import pytest

from seatrial.links.kubernetes.readiness.pods import counts, is_ready, sentence, trouble


def pod(
    *, phase="Running", ready="True", containers=({"ready": True, "state": {"running": {}}},), spec=None, **metadata
):
    named = [{"name": f"c{at}", "image": "image:1", **one} for at, one in enumerate(containers)]
    conditions = [{"type": "Ready", "status": ready}, {"type": "PodScheduled", "status": "True"}]
    return {
        "metadata": {"name": "web", **metadata},
        "spec": {"nodeName": "n1", "containers": [{"name": one["name"]} for one in named], **(spec or {})},
        "status": {"phase": phase, "conditions": conditions, "containerStatuses": named},
    }


def test_a_pod_is_ready_by_its_condition_its_containers_and_its_node():
    assert is_ready(pod())
    assert trouble(pod()) == ""
    assert not is_ready(pod(), down={"n1"})
    assert "its condition Ready is True, and its node n1 is not ready" in sentence(pod(), {"n1"})


@pytest.mark.parametrize("changes", [
    {"deletionTimestamp": "now"}, {"phase": "Succeeded"}, {"phase": "Failed"}, {"phase": "Pending"}, {"ready": "False"},
    {"ready": "Unknown"}, {"containers": ({"ready": False, "state": {"running": {}}},)}, {"containers": ()},
])  # fmt: skip
def test_anything_else_is_not_ready(changes):
    changed = pod(**changes)
    if changes == {"containers": ()}:
        changed["spec"]["containers"] = [{"name": "c0"}]
    assert not is_ready(changed)


@pytest.mark.parametrize(("changes", "counted"), [
    ({}, True), ({"ready": "False"}, True), ({"deletionTimestamp": "now"}, False), ({"phase": "Failed"}, False),
])  # fmt: skip
def test_terminating_and_ended_pods_do_not_count(changes, counted):
    assert counts(pod(**changes)) is counted


def waiting(reason, message="", **more):
    return {"ready": False, "state": {"waiting": {"reason": reason, "message": message}}, **more}


@pytest.mark.parametrize(("changes", "words"), [
    ({"deletionTimestamp": "now", "finalizers": ["a/b"]}, "held by the finalizer a/b"),
    ({"ready": "False", "containers": (waiting("ErrImagePull", "no such host"),)}, "image:1 cannot be pulled"),
    ({"ready": "False", "containers": (waiting("CreateContainerConfigError", 'secret "s" not found'),)}, 'secret "s"'),
    ({"ready": "True", "containers": ({"ready": False, "state": {"running": {}}},)}, "contradict each other"),
    ({"ready": "False"}, "is not ready although its containers are"),
    ({"ready": "False", "spec": {"readinessGates": [{"conditionType": "lb"}]}}, "its readiness gate lb is not true"),
    (
        {"ready": "False", "containers": ({"ready": False, "started": False, "state": {"running": {}}},)},
        "its startup probe has not passed",
    ),
    (
        {"ready": "False", "containers": (waiting("CrashLoopBackOff", restartCount=4, lastState={
            "terminated": {"exitCode": 137, "reason": "OOMKilled"}}),)},
        "4 restarts, the last with exit code 137 (OOMKilled)",
    ),
])  # fmt: skip
def test_the_reason_is_named(changes, words):
    assert words in trouble(pod(**changes))
