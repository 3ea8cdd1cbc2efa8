"""What an answer of a deployer says of trouble beside its states: real tools have many words for it."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.systems.command import complaints, status_parsing
from seatrial.systems.command.health_parsing import by_node, unplaced
from seatrial.systems.command.settings import HealthSettings, StatusSettings

NODES = ("n11", "n12")


@pytest.mark.parametrize(
    "word",
    ["FAIL", "start failed", "update_rollback_failed", "NotReady", "not ok", "not-healthy", "yellow", "unavailable",
     "Up 5 minutes (unhealthy)", "timed out", "quorum lost", "CRITICAL"],
)  # fmt: skip
def test_a_word_of_trouble_is_one_in_any_spelling(word: str) -> None:
    assert complaints.is_unwell("status", word, {})
    assert not complaints.is_unwell("status", word, {word: "running"})


@pytest.mark.parametrize(
    "word",
    ["ok", "no error", "not degraded", "3 passed, 0 failed", "without failure", "Up 5 minutes (healthy)", "completed",
     "failed over to n12", "issues_detected", "the last of its checks has failed", ""],
)  # fmt: skip
def test_other_words_are_no_trouble(word: str) -> None:
    assert not complaints.is_unwell("status", word, {})


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"ok": 0}, ["ok: 0"]),
        ({"ok": 1, "ready": 3, "passed": 0}, []),
        ({"hasLeader": False}, ["hasLeader: False"]),
        ({"failed_nodes": ["n12"], "failedNodes": []}, ["failed_nodes: ['n12']"]),
        ({"timed_out": True, "failed": 0, "degraded": False, "failures": {}}, ["timed_out: True"]),
        ({"errMsg": "not primary"}, ["errMsg: not primary"]),
        ({"State": {"Status": "running", "Health": {"Status": "unhealthy"}}}, ["State.Health.Status: unhealthy"]),
    ],
)
def test_keys_of_real_tools_are_read_in_their_spelling(told: dict[str, Any], said: list[str]) -> None:
    assert list(complaints.of(told, {})) == said


def test_what_a_node_says_beside_its_chosen_parts_is_not_forgotten() -> None:
    where = HealthSettings(name="name", parts={"service": "status.phase"})
    pods = [{"name": name, "status": {"phase": "Running", "conditions": []}} for name in NODES]
    assert unplaced(pods, where, NODES, {}) == ""
    pods[1]["status"] |= {"conditions": [{"type": "Ready", "status": "False"}]}  # type: ignore[operator]
    assert unplaced(pods, where, NODES, {}) == "n12: status.Ready is False"
    assert unplaced(pods, where, NODES, {}, all_well=False) == ""


def test_one_line_is_the_list_of_one_node() -> None:
    line = {"Names": "n11", "State": "exited"}
    parts = by_node(line, HealthSettings(name="Names", parts={"service": "State"}), ["n11"], "service", {})
    assert parts["n11"]["service"].why == "service is exited"
    assert status_parsing.nodes_of(line, StatusSettings(name="Names", node_state="State")) == [line]
    by_name = {"n11": {"name": "the first", "db": "ok"}}
    assert by_node(by_name, HealthSettings(name="name"), ["n11"], "service", {})["n11"]["db"].ok


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ({"n11": "running"}, "its nodes lack n12"),
        ([{"name": "n11", "state": "running"}], "its nodes lack n12"),
        ([], "its nodes lack n11, n12"),
        ({"i-1": "running"}, ""),
        (None, ""),
    ],
)
def test_a_list_of_nodes_without_a_known_one_is_trouble_where_nothing_else_speaks(nodes: Any, said: str) -> None:
    told = {"state": "running", "nodes": nodes}
    assert status_parsing.trouble(told, StatusSettings(), {}, NODES) == said
    assert status_parsing.trouble(told, StatusSettings(), {}) == ""


def test_the_state_of_a_node_is_read_where_the_settings_say() -> None:
    told = {"state": "running", "nodes": [{"name": "n12", "condition": "start failed"}]}
    where = StatusSettings(node_state="condition")
    assert status_parsing.trouble(told, where, {}) == "n12: start failed"
    assert status_parsing.trouble(told, where, {"start failed": "running"}) == ""


@pytest.mark.parametrize(
    "word",
    ["unknown", "starting", "Pending", "maintenance", "n/a", "", None, "rebooting", "Ready,SchedulingDisabled",
     "Up 3 seconds (health: starting)"],
)  # fmt: skip
def test_a_reported_state_needs_each_node_well(word: str | None) -> None:
    """Where only the deployer speaks, a node that it does not call well is one against the whole."""
    told = {"state": "running", "nodes": {"n11": "running", "n12": word}}
    assert "n12: " in status_parsing.trouble(told, StatusSettings(), {}, NODES)
    assert "n12: " in status_parsing.trouble(told, StatusSettings(), {}, ())  # no inventory names the nodes
    listed = {"state": "running", "nodes": [{"name": "n11", "state": "on"}, {"name": "n12", "state": word}]}
    assert "n12: " in status_parsing.trouble(listed, StatusSettings(), {}, NODES)
    assert status_parsing.trouble(told, StatusSettings(), {}) == ""  # its parts were measured
    assert not word or status_parsing.trouble(told, StatusSettings(), {word: "running"}, NODES) == ""


@pytest.mark.parametrize("word", ["leader", "in-sync", "POWERED_ON", "passing", "Up 5 minutes (healthy)", "Up 2 hours"])
def test_words_of_nodes_that_are_well(word: str) -> None:
    told = {"state": "running", "nodes": {"n11": "running", "n12": word}}
    assert status_parsing.trouble(told, StatusSettings(), {}, NODES) == ""


def test_a_list_of_names_says_nothing_of_states() -> None:
    told = {"state": "running", "nodes": {"n11": {"ip": "10.0.0.11"}, "n12": {"ip": "10.0.0.12"}}}
    assert status_parsing.trouble(told, StatusSettings(), {}, NODES) == ""


@pytest.mark.parametrize("word", ["passing", "green", "SERVING", "alive"])
def test_words_of_well_known_tools_are_well(word: str) -> None:
    assert status_parsing.reading(word, "db", {}).ok
