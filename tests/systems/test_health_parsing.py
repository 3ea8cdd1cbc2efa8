"""A deployer's health as sums of nodes: each node is known where the sums and the problems leave no choice."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.errors import CannotTell
from seatrial.spi import Finished
from seatrial.systems.command import health_parsing, status_parsing
from seatrial.systems.command.health_parsing import by_node, unplaced
from seatrial.systems.command.settings import HealthSettings, StatusSettings
from seatrial.systems.command.status_parsing import document

NODES = ("n11", "n12", "n13")
OK, NO, UNKNOWN = "ok", "not_ok", "unknown"


def health(part: str, told: dict[str, Any], where: HealthSettings | None = None, nodes=NODES) -> list[str]:
    """The part of each node, in order."""
    parts = by_node(told, where or HealthSettings(), nodes, "service", {})
    return [str(parts[node][part].value) for node in nodes]


def sums(passed: int, failed: int, *problems: str, part: str = "db") -> dict[str, Any]:
    issues = [dict(zip(("type", "host"), problem.split("@"), strict=True)) for problem in problems]
    return {"checks": {part: {"passed": passed, "failed": failed}}, "issues": issues}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        # All alike.
        (sums(3, 0), [OK, OK, OK]),
        (sums(0, 3), [NO, NO, NO]),
        (sums(0, 0), [UNKNOWN, UNKNOWN, UNKNOWN]),
        # The problems name as many nodes as failed.
        (sums(2, 1, "port_unreachable@n12"), [OK, NO, OK]),
        (sums(1, 2, "port_unreachable@n12", "port_unreachable@n13"), [OK, NO, NO]),
        (sums(2, 1, "port_unreachable@n12", "service_failed@n12"), [OK, NO, OK]),
        (sums(2, 1, "port_unreachable@n12-db"), [OK, NO, OK]),
        (sums(2, 1, "db_unreachable@n13", "ui_unreachable@n11"), [OK, OK, NO]),
        # They name more, fewer, or others.
        (sums(2, 1, "port_unreachable@n12", "ui_unreachable@n11"), [UNKNOWN, UNKNOWN, UNKNOWN]),
        (sums(2, 1), [UNKNOWN, UNKNOWN, UNKNOWN]),
        (sums(2, 1, "port_unreachable@n121"), [UNKNOWN, UNKNOWN, UNKNOWN]),
        # Some were not measured.
        (sums(2, 0, "ssh_unreachable@n12"), [UNKNOWN, UNKNOWN, UNKNOWN]),
        (sums(1, 0, "ui_unreachable@n11", "ui_unreachable@n13"), [UNKNOWN, UNKNOWN, UNKNOWN]),
        (sums(2, 0), [UNKNOWN, UNKNOWN, UNKNOWN]),
        (sums(0, 2), [UNKNOWN, UNKNOWN, UNKNOWN]),
        (sums(1, 1, "port_unreachable@n12"), [UNKNOWN, UNKNOWN, UNKNOWN]),
        # More than there are.
        (sums(3, 1, "port_unreachable@n12"), [UNKNOWN, UNKNOWN, UNKNOWN]),
        (sums(1, 3), [UNKNOWN, UNKNOWN, UNKNOWN]),
    ],
)
def test_sums_tell_of_a_node_what_they_cannot_mean_otherwise(told: dict[str, Any], expected: list[str]) -> None:
    assert health("db", told) == expected


def test_numbers_of_other_things_are_no_part_of_a_node() -> None:
    told = {"checks": {"services": {"active": 12, "failed": 0}, "db": {"passed": 3, "failed": 0}}}
    assert "services" not in by_node(told, HealthSettings(), NODES, "service", {})["n11"]
    assert health("service", told) == [OK, OK, OK]
    assert health("service", {"checks": {"services": {"active": 12, "failed": 0}}}) == [UNKNOWN] * 3


def issue(host: str = "", severity: str = "critical", kind: str = "service_failed") -> dict[str, Any]:
    return {"type": kind, **({"host": host} if host else {}), "service": "web.service", "severity": severity}


WELL = {"db": {"passed": 3, "failed": 0}}
FAILED = {"active": 8, "failed": 4}


@pytest.mark.parametrize(
    ("told", "expected", "words"),
    [
        ({"checks": {**WELL, "services": FAILED}, "issues": [issue("n12")]}, [OK, NO, OK], ""),
        ({"checks": {**WELL, "services": FAILED}, "issues": [issue("n12", "warning")]}, [OK, NO, OK], ""),
        ({"checks": {**WELL, "services": FAILED}, "issues": []}, [OK, OK, OK], "services: 4 failed"),
        ({"checks": {"services": FAILED}, "issues": [issue("n11")]}, [NO, UNKNOWN, UNKNOWN], ""),
        ({"checks": WELL, "issues": [issue("n13", kind="disk_full")]}, [OK, OK, NO], ""),
        ({"checks": WELL, "issues": [issue("n13-db", "ERROR")]}, [OK, OK, NO], ""),
        ({"checks": WELL, "issues": [issue("n13", "warning")]}, [OK, OK, OK], ""),
        ({"checks": WELL, "issues": [issue()]}, [OK, OK, OK], "issues: service_failed web.service"),
        ({"n11": {"db": "ok"}, "n12": {"db": "ok"}, "n13": {"db": "ok"}, "issues": [issue("n12")]}, [OK, NO, OK], ""),
        ({"checks": WELL, "status": "degraded"}, [OK, OK, OK], "status: degraded"),
        ({"checks": WELL, "healthy": False}, [OK, OK, OK], "healthy: False"),
        ({"checks": WELL, "status": "issues_detected", "state": "done"}, [OK, OK, OK], ""),
        ({"checks": WELL, "errors": {"ssh": 0, "db": 2}}, [OK, OK, OK], "errors: {'ssh': 0, 'db': 2}"),
        ({"checks": WELL, "errors": {"ssh": 0}, "error": "no error"}, [OK, OK, OK], ""),
        ({"checks": WELL, "overall": {"health": "unhealthy"}}, [OK, OK, OK], "overall.health: unhealthy"),
        ({"checks": {"db": {"passed": 3, "failed": 0, "unreachable": 1}}}, [UNKNOWN, UNKNOWN, UNKNOWN], ""),
    ],
)
def test_a_grave_problem_is_never_forgotten(told: dict[str, Any], expected: list[str], words: str) -> None:
    parts = by_node(told, HealthSettings(), NODES, "service", {})
    worst = [
        {NO if str(one.value) == NO else str(parts[node]["service"].value) for one in parts[node].values()}
        for node in NODES
    ]
    assert [NO if NO in values else min(values) for values in worst] == expected
    assert unplaced(told, HealthSettings(), NODES, {}) == words


@pytest.mark.parametrize(
    "told",
    [
        {"checks": {"db": {"passed": 2, "failed": 1}, "services": FAILED}, "issues": [issue("n12", kind="ssh_lost")]},
        {"checks": {"db": {"passed": 2, "failed": 1}}, "issues": [issue("n12"), issue()], "status": "degraded"},
    ],
)
def test_beside_a_lost_node_failures_of_other_things_are_no_contradiction(told: dict[str, Any]) -> None:
    assert health("db", told) == [OK, NO, OK]
    assert unplaced(told, HealthSettings(), NODES, {}, all_well=False) == ""


def test_an_error_beside_the_chosen_parts_of_a_node_is_its_own_part() -> None:
    nodes = [{"name": name, "db": "ok", "error": "a timeout" * (name == "n12")} for name in NODES]
    parts = by_node(nodes, HealthSettings(parts={"service": "db"}), NODES, "service", {})
    assert [list(parts[name]) for name in NODES] == [["service"], ["service", "error"], ["service"]]
    assert parts["n12"]["error"].why == "error: a timeout"


def test_sums_and_problems_are_found_where_the_settings_say() -> None:
    told = {"all": {"counts": sums(2, 1)["checks"], "trouble": [{"type": "x", "node": "n12"}]}}
    where = HealthSettings(sums="all.counts", problems="all.trouble")
    assert health("db", told, where) == [OK, NO, OK]


def test_a_health_by_node_counts_before_sums() -> None:
    told = {"n11": {"db": "ok"}, "n12": {"db": "no"}, "checks": {"db": {"passed": 3, "failed": 0}}}
    assert health("service", told) == [OK, NO, UNKNOWN]


@pytest.mark.parametrize("name", ["host", "node", "name"])
def test_a_list_of_nodes_is_a_health_by_node(name: str) -> None:
    told = {"hosts": [{name: "n11", "db": True}, {name: "n12", "db": False}, {name: "n13", "db": None}]}
    assert health("db", told, HealthSettings(nodes="hosts")) == [OK, NO, UNKNOWN]


@pytest.mark.parametrize(
    "told",
    [
        {"checks": []},
        {"checks": {"db": 3}},
        {"checks": {"db": {"passed": True, "failed": 0}}},
        {"checks": {"db": {"passed": -1, "failed": 4}}},
        {"issues": "none"},
    ],
)
def test_other_shapes_tell_of_no_node(told: dict[str, Any]) -> None:
    assert health("service", told) == [UNKNOWN] * 3


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (sums(0, 1), "db: 0 passed, 1 failed"),
        (sums(2, 1), "db: 2 passed, 1 failed"),
        (sums(2, 1, "port_unreachable@n12"), ""),
        (sums(0, 3), ""),
        (sums(2, 0), ""),
        ({"n11": {"db": "no"}, "checks": {"db": {"passed": 0, "failed": 1}}}, ""),
        ({"n11": {"db": "ok"}, "n9": {"db": "down"}}, "n9: db is down"),
        ({"n11": {"db": "ok"}, "n9": {"db": "ok"}, "disk": {"space": "low"}, "version": "7"}, ""),
    ],
)
def test_failures_without_a_known_node_are_not_forgotten(told: dict[str, Any], words: str) -> None:
    assert unplaced(told, HealthSettings(), NODES, {}) == words


def test_a_list_of_nodes_has_no_other_things() -> None:
    told = {"nodes": [{"name": "n11", "db": "ok"}, {"name": "n9", "disk": "gone"}]}
    assert unplaced(told, HealthSettings(nodes="nodes"), NODES, {}) == "n9: disk is gone"


@pytest.mark.parametrize(
    "text",
    [
        '{"n1": {"db": "down"}, "n1": {"db": "ok"}}',
        '{"nodes": [{"name": "n1", "db": "down", "db": "ok"}]}',
        '{"name": "n1", "db": "down", "db": "ok"}\n{"name": "n2", "db": "ok"}',
    ],
)
def test_a_name_with_two_values_has_none(text: str) -> None:
    with pytest.raises(CannotTell, match="health did not print JSON"):
        document("health", Finished(exit_code=0, stdout=text, stderr=""))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"status": "ok"}, "ok"),
        ({"status": "ok", "error": None, "errors": []}, "ok"),
        ({"status": "down", "error": "disk full"}, "not_ok"),
        ({"status": "ok", "ok": True}, "ok"),
        ({"status": "ok", "ok": False}, "unknown"),
        ({"ok": True, "state": "stopped"}, "unknown"),
        ({"status": "ok", "error": "disk full"}, "unknown"),
        ({"status": None, "ok": True}, "ok"),
        ({"latency": 3}, "unknown"),
    ],
)
def test_a_part_that_contradicts_itself_tells_nothing(value: dict[str, Any], expected: str) -> None:
    assert str(status_parsing.reading(value, "db", {}).value) == expected


def test_a_node_that_is_listed_twice_has_no_health_and_no_power() -> None:
    twice = [{"name": "n1", "db": "down"}, {"name": "n1", "db": "ok"}]
    with pytest.raises(CannotTell, match="more than one item for 'n1'"):
        health_parsing.listed(twice, HealthSettings())
    states = [{"name": "n1", "state": "stopped"}, {"name": "n1", "state": "running"}]
    with pytest.raises(CannotTell, match="more than one item for 'n1'"):
        status_parsing.powers(states, StatusSettings(), {})
