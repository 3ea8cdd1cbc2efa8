"""The classic workflows and the demo, as their users run them."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import pytest
from tests.acceptance.harness import Project, only, suite, until, validate
from tests.backends import tables

EXAMPLES = Path(__file__).parents[2] / "examples"


def computed() -> float:
    """Seconds that programs of this process have computed: those that other programs took from them do not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_demo_passes_in_time_and_gives_everything_back(project: Project) -> None:
    used = computed()
    done = project.seatrial("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert computed() - used < 20
    report = Path(done.stdout.strip().rpartition("Report: ")[2])
    assert report.is_file()
    assert report == only(project.runs()) / "report.html"
    assert "<html" in report.read_text()
    assert "all resources created by this run were removed" in project.seatrial("inspect").stdout
    checks = {
        check["check"]: check["verdict"]
        for row in project.results()["results"]
        for step in row["workflow_steps"]
        for check in step["validation_results"]
    }
    assert {"cluster_degraded", "cluster_critical", "data_integrity", "cluster_status"} <= set(checks)
    assert set(checks.values()) == {"passed"}
    assert project.left() == []


def test_the_classic_workflows_pass_on_the_sample(project: Project) -> None:
    done = project.seatrial("run", EXAMPLES / "classic" / "classic.json", "--parallel", "2")
    assert done.returncode == 0, done.stdout
    assert project.results()["totals"]["passed"] == 3
    assert project.left() == []


@tables.ON_ENGINES
@pytest.mark.backend("etcd")
def test_the_classic_workflows_pass_on_a_real_etcd(project: Project) -> None:
    done = project.seatrial("run", EXAMPLES / "etcd" / "classic.yaml", "--parallel", "2", timeout=600)
    assert done.returncode == 0, done.stdout
    assert project.results()["totals"]["passed"] == 4
    assert project.left() == []


@pytest.mark.table
@pytest.mark.parametrize("misbehaviour", ["lie_about_health", "lose_writes", "missing_node", "never_up"])
def test_the_classic_workflows_are_red_when_the_sample_misbehaves(project: Project, misbehaviour: str) -> None:
    document = json.loads((EXAMPLES / "classic" / "classic.json").read_text())
    if misbehaviour != "lose_writes":  # the deployment never comes up
        for one in document["test_suites"].values():
            one["deadlines"] = {"deploy": 15}
    project.write("classic.json", document)
    done = project.seatrial("run", "classic.json", "--set", f"misbehave={misbehaviour}", "--parallel", "3")
    assert done.returncode == 1, done.stdout
    totals = project.results()["totals"]
    assert totals["failed"] >= 1
    assert totals["unknown"] == 0
    assert misbehaviour != "lose_writes" or "acknowledged records are lost" in done.stdout
    assert project.left() == []


def test_one_node_alone_is_a_cluster_too(project: Project) -> None:
    checks = ("cluster_status", "database_running", "data_integrity", "admin_ui_accessible")
    document = suite("init", "deploy", validate(*checks, retry={"timeout": "120s"}), parameters={"cluster_size": 1})
    done = project.seatrial("run", project.write("one.json", document))
    assert done.returncode == 0, done.stdout


MAKER = """
import os, time
late = 0.0
for turn in range(100):
    begun = time.monotonic()
    time.sleep(0.01)
    late = max(late, time.monotonic() - begun - 0.01)
    if turn == 70:
        with open("stamp.new", "w") as file:
            file.write(str(time.time()))
        os.rename("stamp.new", "stamp")
with open("late", "w") as file:
    file.write(str(late))
"""


def test_a_wait_notices_within_100_ms_that_it_is_over(project: Project) -> None:
    """A file comes to be at a known time; the check that waits for it has to see it at once: as far as this machine
    lets a program go on when its time is up, which the maker of the file measures beside it."""
    maker = [sys.executable, "-c", MAKER]
    document = suite(
        {
            "step": "parallel",
            "steps": [
                {"step": "custom_command", "custom_command": maker},
                validate({"check": "file", "path": "stamp", "exists": True}, retry={"timeout": "120s"}, id="look"),
            ],
        }
    )
    document["test_suites"]["trial"]["parameters"] = {}
    done = project.seatrial("run", project.write("wait.json", document))
    assert done.returncode == 0, done.stdout
    made = float((project.folder / "stamp").read_text())
    seen = next(event["at"] for event in project.events() if event["kind"] == "check_observed")
    late = float((project.folder / "late").read_text())
    assert 0 <= seen - made < 0.1 + 4 * late, f"noticed after {seen - made:.3f} s; the machine is {late:.3f} s late"


def test_three_flows_of_one_invocation_run_together_and_do_not_meet(project: Project) -> None:
    documents = []
    for name in ("a", "b", "c"):
        document = suite("init", "deploy", validate("cluster_status", "data_integrity"), "destroy")
        document["test_suites"] = {name: document["test_suites"]["trial"]}
        documents.append(project.write(f"{name}.json", document))
    done = project.seatrial("run", *documents, "--parallel", "3")
    assert done.returncode == 0, done.stdout
    events = project.events()
    trials = {event["trial"] for event in events if event["trial"]}
    assert len(trials) == 3
    started = [event["at"] for event in events if event["kind"] == "suite_started"]
    finished = [event["at"] for event in events if event["kind"] == "suite_finished"]
    assert max(started) < min(finished), "they ran one after another"


def test_a_deployment_that_is_kept_stands_until_clean_all(project: Project) -> None:
    project.write("keep.json", suite("init", "deploy"))
    done = project.seatrial("run", "keep.json", "--keep", "always")
    assert done.returncode == 0, done.stdout
    assert any("machine" in one for one in project.left())
    assert "kept until" in project.seatrial("clean").stdout
    assert any("machine" in one for one in project.left())
    assert project.seatrial("clean", "--all").returncode == 0
    until(lambda: project.left() == [], "the end of all that was kept")
