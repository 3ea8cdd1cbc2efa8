"""Judgements over objects that a real cluster shows only for a moment."""

from __future__ import annotations

import asyncio
import copy
from types import SimpleNamespace
from typing import Any

from seatrial.checks.kubernetes.endpoints import POD, SERVICE, SLICE, Endpoints
from seatrial.checks.kubernetes.resource import Resource
from seatrial.checks.kubernetes.rollout import SET, Rollout
from seatrial.checks.kubernetes.view import NODE, View
from seatrial.model.result import Verdict

DEPLOYMENT = "apps/v1/Deployment"


def view(**kinds: Any) -> View:
    def watch(things: Any) -> Any:
        objects = {("shop", thing["metadata"]["name"]): thing for thing in things}
        return SimpleNamespace(objects=objects, kind=SimpleNamespace(namespaced=True))

    watches: Any = {name: watch(things) for name, things in kinds.items()}
    return View(SimpleNamespace(), "shop", watches)  # type: ignore[arg-type]


def thing(kind: str, name: str, owner: str = "", **more: Any) -> dict[str, Any]:
    owners = [{"controller": True, "uid": owner}] if owner else []
    return {"kind": kind, "metadata": {"name": name, "uid": name, "ownerReferences": owners}, **more}


def pod(name: str, owner: str = "", *, ready: bool = True) -> dict[str, Any]:
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": "main", "ready": ready, "state": {"running": {}}}],
    }
    made = thing("Pod", name, owner, spec={"containers": [{"name": "main"}]}, status=status)
    made["metadata"]["labels"] = {"app": "web"}
    return made


def slice_of(*pods: str) -> dict[str, Any]:
    made = thing("EndpointSlice", "web-1")
    made["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}
    made["endpoints"] = [
        {"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": name}, "addresses": ["10.0.0.1"]}
        for name in pods
    ]
    return made


def judged(check: Any, seen: View) -> Any:
    return asyncio.run(check._judge(seen))


def test_an_endpoint_whose_pod_is_gone_does_not_stand_for_a_new_pod():
    service = thing("Service", "web", spec={"selector": {"app": "web"}})
    pods = [pod("a"), pod("new", ready=False)]
    told = judged(Endpoints(service="web"), view(**{SERVICE: [service], SLICE: [slice_of("a", "gone")], POD: pods}))
    assert told.verdict is Verdict.FAILED
    assert "1 ready endpoints, expected 2; pod new: container main is running, and not ready" in told.why
    told = judged(Endpoints(service="web"), view(**{SERVICE: [service], SLICE: [slice_of("a", "new")], POD: pods}))
    assert told.verdict is Verdict.PASSED


def test_a_paused_deployment_with_a_restart_to_come_is_not_rolled_out():
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
    deployment = thing("Deployment", "web", spec={"paused": True, "replicas": 1, "template": copy.deepcopy(template)})
    deployment["status"] = {"availableReplicas": 1}
    parts = {
        SET: [thing("ReplicaSet", "web-1", "web", spec={"template": template})],
        POD: [pod("a", "web-1")],
        NODE: [],
    }
    assert judged(Rollout(workload="web"), view(**{DEPLOYMENT: [deployment]}, **parts)).verdict is Verdict.PASSED
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-11-30T00:00:00Z"}
    deployment["spec"]["template"]["metadata"]["annotations"] = restarted
    told = judged(Rollout(workload="web"), view(**{DEPLOYMENT: [deployment]}, **parts))
    assert told.verdict is Verdict.FAILED
    assert "it is paused: 0 of 1 pods are new" in told.why


def test_an_expression_over_a_secret_shows_nothing_of_it():
    class Evaluating:
        async def evaluate(self, expression: str, **names: Any) -> object:
            return names["object"]["data"]["password"]

    secret = thing("Secret", "db", data={"password": "aHVzaA=="})
    check = Resource(kind="secret", name="db", that="object.data.password")  # type: ignore[arg-type]
    told = asyncio.run(check._holds(Evaluating(), secret))  # type: ignore[arg-type]
    assert told.verdict is Verdict.UNKNOWN
    assert "aHVzaA==" not in repr(told)
    assert "Secret db is neither true nor false" in told.why


def test_the_condition_that_decides_comes_first_and_no_cut_hides_it():
    class Evaluating:
        async def evaluate(self, expression: str, **names: Any) -> object:
            return False

        def masked(self, text: str) -> str:
            return text

    long = "words " * 200
    conditions = [
        {"type": "StreamsRunning", "status": "False", "reason": "Replaying", "message": long},
        {"type": "TargetReady", "status": "Unknown", "reason": "Progressing", "message": long},
        {"type": "Allowed", "status": "True", "reason": "Allowed", "message": long},
        {"type": "Ready", "status": "False", "reason": "LoginRefused", "message": f"wrong password; {long}"},
    ]

    def told(that: str) -> Any:
        rule = thing("Rule", "quickstart", status={"conditions": conditions})
        check = Resource(kind="rules", name="quickstart", that=that)  # type: ignore[arg-type]
        return asyncio.run(check._holds(Evaluating(), rule))  # type: ignore[arg-type]

    ready = told("status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')")
    assert ready.why.startswith("rules quickstart: Ready=False (LoginRefused): wrong password; ")
    assert "is false; StreamsRunning=False (Replaying)" in ready.why
    assert list(ready.seen["conditions"]) == ["Ready", "StreamsRunning", "TargetReady", "Allowed"]
    both = told("['Allowed', 'TargetReady'].all(t, status.conditions.exists(c, c.type == t && c.status == 'True'))")
    assert both.why.startswith("rules quickstart: TargetReady=Unknown (Progressing): ")
    assert "Allowed=True (Allowed)" in both.why
    none = told("status.observedGeneration == metadata.generation")
    assert none.why.startswith("rules quickstart: StreamsRunning=False (Replaying): ")
    assert "Ready=False (LoginRefused): wrong password" in none.why
