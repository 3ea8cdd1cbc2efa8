"""A check of a port that a file fixes and a trial does not have: another program may answer there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.loading.conftest import Planner

from seatrial.errors import DocumentError

COMPOSE = 'services: {web: {image: web, ports: ["8080:80"]}}\n'


def files(check: Any, ports: str = "leased") -> dict[str, str]:
    system = {"kind": "compose", "ports": ports}
    steps = [{"step": "deploy"}, {"step": "validate", "checks": [check]}]
    document = {"provider": "containers", "system": system, "steps": steps}
    return {"suite.yaml": json.dumps(document), "compose.yaml": COMPOSE}


@pytest.mark.parametrize(
    "check",
    [
        "http:http://localhost:8080/",
        "tcp:127.0.0.1:8080",
        {"check": "tcp", "port": 8080},
        {"check": "http", "url": "http://127.0.0.1:8080/${{ suite.name }}"},
        {"check": "command", "command": "curl http://localhost:8080/"},
    ],
)
def test_a_check_of_the_files_port_is_refused_unless_it_stays(plan_of: Planner, check: Any) -> None:
    with pytest.raises(DocumentError, match=r"port 8080 of this machine is not the trial's(.|\n)*web\.ports\['80'\]"):
        plan_of(files(check))
    assert plan_of(files(check, ports="fixed")).suites


@pytest.mark.parametrize(
    "check",
    [
        "http:http://127.0.0.1:18080/",
        "http:http://10.0.0.1:8080/",
        {"check": "http", "url": "http://localhost:8080/", "connect_to": "10.0.0.1"},
        {"check": "command", "on": "web", "command": "curl http://localhost:8080/"},
    ],
)
def test_another_port_and_another_machine_are_not(plan_of: Planner, check: Any) -> None:
    assert plan_of(files(check)).suites
