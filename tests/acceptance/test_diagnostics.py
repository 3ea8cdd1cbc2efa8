"""What real nodes tell before they are torn down, after a failure and after Ctrl-C."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.acceptance.harness import Project, only, suite, until, validate

PARTS = {"console", "disk", "network", "power", "processes", "service", "uptime"}
ONE_NODE: dict[str, Any] = {"parameters": {"cluster_size": 1}}


def kept(project: Project) -> dict[str, str]:
    """What the diagnostics of the newest run hold of n11, by the part's name."""
    row = only(project.results()["results"])
    folder = project.runs()[-1] / row["folder"] / row["diagnostics"]["folder"]
    return {file.stem: file.read_text() for file in (folder / "n11").glob("*.txt")}


def test_a_failure_leaves_what_every_node_told_and_the_console_says_where(project: Project) -> None:
    project.write("trial.json", suite("init", "deploy", validate("cluster_degraded"), **ONE_NODE))
    done = project.seatrial("run", "trial.json", "--format", "plain")
    assert done.returncode == 1, done.stdout
    files = kept(project)
    assert set(files) == PARTS
    assert files["power"].startswith("state: running\nreason: running\nboot id: ")
    assert "# df -h" in files["disk"]
    (line,) = [line for line in done.stdout.splitlines() if "diagnostics: " in line]
    assert (Path(line.rpartition("diagnostics: ")[2]) / "n11" / "network.txt").is_file()
    assert "diagnostics: " in project.seatrial("inspect").stdout
    assert project.left() == []


def test_a_run_that_is_interrupted_tells_them_as_well(project: Project) -> None:
    project.write("trial.json", suite("init", "deploy", {"step": "wait", "for": "600s"}, **ONE_NODE))
    process = project.start("run", "trial.json", "--format", "none")
    until(lambda: any(e["data"].get("type") == "wait" for e in project.events()), "the wait")
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    assert set(kept(project)) == PARTS
    assert project.left() == []


def test_a_node_that_is_down_is_told_as_such(project: Project) -> None:
    crash = {"step": "crash_node", "target_node": "n11", "method": "destroy"}
    project.write("trial.json", suite("init", "deploy", crash, validate("cluster_status"), **ONE_NODE))
    assert project.seatrial("run", "trial.json", "--format", "none").returncode == 1
    files = kept(project)
    assert "disk: the node is not running\n" in files["missing"]
    assert files["power"].startswith("state: stopped\nreason: the box was killed\n")
    assert files["console"]
