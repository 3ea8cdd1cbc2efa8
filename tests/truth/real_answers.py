"""Rows of the system `command`: answers as real tools print them (Patroni, etcd, Kubernetes, Docker, MongoDB), each
with one fault that only one place of the answer shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.acceptance.harness import Document, validate
from tests.truth.case import Case
from tests.truth.deployers import NODES, files, health, status, system, turn
from tests.truth.documents import LETTERS, says

ONE = {"inventory.ini": "n11 ansible_connection=local\n"}
NOBODY = {"status.sh": says({"state": "destroyed"}), "health.sh": says({"message": "nothing is deployed"})}


def _of(tool: dict[str, Any], **of: dict[str, Any]) -> list[dict[str, Any]]:
    """An item for each node, some with other values."""
    return [json.loads(json.dumps(tool).replace("NODE", name)) | of.get(name, {}) for name in NODES]


def _lines(*items: dict[str, Any]) -> str:
    return "cat <<'END'\n" + "".join(f"{json.dumps(one)}\n" for one in items) + "END\n"


def _pods(**of: dict[str, Any]) -> str:
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return says({"kind": "List", "items": _of({"metadata": {"name": "NODE"}, "status": ready}, **of)})


PATRONI = {"Member": "NODE", "Role": "Replica", "State": "streaming", "Lag in MB": 0}
ETCD = {"endpoint": "NODE", "health": True, "took": "1ms", "Status": {"state": "ok", "leader": 1}}
DOCKER = {"Names": "NODE", "State": "running", "Status": "Up 5 minutes (healthy)", "Health": ""}
MONGO = {"name": "NODE", "stateStr": "SECONDARY"}

SPRING: dict[str, Any] = {"status": "UP", "components": {
    "db": {"status": "UP", "details": {"database": "PostgreSQL"}}, "diskSpace": {"status": "UP"}}}  # fmt: skip
PROFILE: dict[str, Any] = {"status": "UP", "checks": [{"name": "disk", "status": "UP", "data": {"free": 12}}]}

STREAMING: Document = {"states": {"streaming": "running"}}
MEMBERS: Document = {"health_json": {"name": "Member", "parts": {"service": "State"}}, **STREAMING}
ENDPOINTS: Document = {"health_json": {"name": "endpoint", "parts": {"service": "health"}}}
PODS: Document = {"health_json": {"nodes": "items", "name": "metadata.name", "parts": {"service": "status.phase"}}}
CONTAINERS: Document = {"health_json": {"name": "Names", "parts": {"service": "State"}}}
SET: Document = {"health_json": {"nodes": "members", "name": "name", "parts": {"service": "stateStr"}},
                 "states": {"SECONDARY": "ok"}}  # fmt: skip

NOT_READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
LEADERLESS = {"Status": {"state": "ok", "errors": ["etcdserver: no leader"]}}
EVERY = {name: {"db": "ok"} for name in NODES}

HEALTHS: dict[str, tuple[Document, str, str, str]] = {
    "Patroni: nothing": (MEMBERS, says(_of(PATRONI)), says(_of(PATRONI)), "P"),
    "Patroni: a member failed to start": (
        MEMBERS, says(_of(PATRONI)), says(_of(PATRONI, n12={"State": "start failed"})), "F"),
    "etcd: nothing": (ENDPOINTS, says(_of(ETCD)), says(_of(ETCD)), "P"),
    "etcd: an endpoint with an error": (
        ENDPOINTS, says(_of(ETCD)), says(_of(ETCD, n12={"Error": "etcdserver: no space"})), "X"),
    "etcd: an endpoint without a leader": (ENDPOINTS, says(_of(ETCD)), says(_of(ETCD, n12=LEADERLESS)), "X"),
    "Kubernetes: nothing": (PODS, _pods(), _pods(), "P"),
    "Kubernetes: a running pod is not ready": (PODS, _pods(), _pods(n12={"status": NOT_READY}), "X"),
    "Docker: nothing": (CONTAINERS, _lines(*_of(DOCKER)), _lines(*_of(DOCKER)), "P"),
    "Docker: a running container is unhealthy": (
        CONTAINERS, _lines(*_of(DOCKER)), _lines(*_of(DOCKER, n12={"Status": "Up 5 minutes (unhealthy)"})), "X"),
    "Docker: a running container has the health unhealthy": (
        CONTAINERS, _lines(*_of(DOCKER)), _lines(*_of(DOCKER, n12={"Health": "unhealthy"})), "X"),
    "MongoDB: nothing": (SET, says({"members": _of(MONGO), "ok": 1}), says({"members": _of(MONGO), "ok": 1}), "P"),
    "MongoDB: the whole is not ok": (
        SET, says({"members": _of(MONGO), "ok": 1}), says({"members": _of(MONGO), "ok": 0}), "X"),
    "health has the status yellow": ({}, health(), says({**EVERY, "status": "yellow"}), "X"),
    "health has the state not ok": ({}, health(), says({**EVERY, "state": "NOT OK"}), "X"),
    "health has failed nodes": ({}, health(), says({**EVERY, "failed_nodes": ["n12"]}), "X"),
    "Spring Boot: nothing": ({}, says({**EVERY, **SPRING}), says({**EVERY, **SPRING}), "P"),
    "Spring Boot: a component is down": (
        {}, says({**EVERY, **SPRING}), says({**EVERY, **SPRING, "components": {"db": {"status": "DOWN"}}}), "X"),
    "Spring Boot: a component inside another is down": (
        {}, says({**EVERY, **SPRING}),
        says({**EVERY, **SPRING, "components": {"db": {"status": "UP", "components": {"r": {"status": "DOWN"}}}}}),
        "X"),
    "MicroProfile: nothing": ({}, says({**EVERY, **PROFILE}), says({**EVERY, **PROFILE}), "P"),
    "MicroProfile: a check is down": (
        {}, says({**EVERY, **PROFILE}), says({**EVERY, **PROFILE, "checks": [{"name": "a", "status": "DOWN"}]}), "X"),
    "health+json: a measurement fails": (
        {}, says({**EVERY, "status": "pass", "checks": {"disk": [{"status": "pass"}]}}),
        says({**EVERY, "status": "pass", "checks": {"disk": [{"status": "pass"}, {"status": "fail"}]}}), "X"),
    "health has a check that failed": ({}, health(), says({**EVERY, "status": "ok", "checks": {"a": "failed"}}), "X"),
    "health has a check that is false": ({}, health(), says({**EVERY, "status": "ok", "checks": {"disk": False}}), "X"),
    "health has a check that is critical": ({}, health(), says({**EVERY, "checks": [{"status": "critical"}]}), "X"),
    "health has checks that are well": (
        {}, health(), says({**EVERY, "checks": {"a": "ok", "load": 0.4, "tls": True, "note": "no disk failed"}}), "P"),
    "health has no quorum": ({}, health(), says({**EVERY, "hasQuorum": False}), "X"),
    "health has a sum of failures, none": (
        {}, health(), says({**EVERY, "failed": 0, "overall": "3 passed, 0 failed", "degraded": False}), "P"),
}  # fmt: skip

WELL_NODES = dict.fromkeys(NODES, "running")
TRUSTING: dict[str, Any] = {"more": {"trust": "reported"}, "health": None}
STATUSES: dict[str, tuple[Document, str, str]] = {
    "Patroni as status: a member failed to start": (
        {"status_json": {"name": "Member", "node_state": "State"}, **STREAMING},
        says(_of(PATRONI, n12={"State": "start failed"})), "X"),
    "status says running, and a node is in another key's bad state": (
        {"status_json": {"node_state": "condition"}},
        says({"state": "running", "nodes": _of({"name": "NODE", "condition": "on"}, n12={"condition": "crashed"})}),
        "X"),
    "status says running and lists no node, it is trusted": (TRUSTING, says({"state": "running", "nodes": []}), "X"),
    "status says running and lists two of three nodes, it is trusted": (
        TRUSTING, says({"state": "running", "nodes": {"n11": "running", "n13": "running"}}), "X"),
    "status says running and lists nodes by other names, it is trusted": (
        TRUSTING, says({"state": "running", "nodes": {"i-1": "running", "i-2": "running"}}), "P"),
    "status says running and lists two of three nodes, health is well": (
        {}, says({"state": "running", "nodes": {"n11": "running", "n13": "running"}}), "P"),
}  # fmt: skip


def _row(what: str, letter: str, document: Document, **worlds: Any) -> Case:
    planted, right = LETTERS[letter]
    return Case(system="command", what=what, look="cluster_status", planted=planted, right=right,
                document=document, files=files(**worlds))  # fmt: skip


def _rows() -> Iterator[Case]:
    steps = ("deploy", turn("planted"), validate("cluster_status"))
    says_running = status("running")
    for what, (settings, before, after, letter) in HEALTHS.items():
        well, planted = ({"status.sh": says_running, "health.sh": text} for text in (before, after))
        yield _row(what, letter, system(*steps, **settings), well=well, planted=planted, gone=NOBODY)
    for what, (settings, text, letter) in STATUSES.items():
        yield _row(what, letter, system(*steps, **settings), planted={"status.sh": text})
    for state, letter in (("running", "P"), ("exited", "F")):
        one, line = _of(DOCKER)[0], {**_of(DOCKER)[0], "State": state}
        row = _row(f"Docker: the line of one container, {state}", letter, system(*steps, status=None, **CONTAINERS),
                   well={"health.sh": _lines(one)}, planted={"health.sh": _lines(line)},
                   gone={"health.sh": "true"})  # fmt: skip
        yield Case(**{**vars(row), "files": {**row.files, **ONE}})


CASES = [*_rows()]
