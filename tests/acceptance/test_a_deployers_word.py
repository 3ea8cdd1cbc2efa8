"""What a deployer says is a report, and what Seatrial sees is a measurement: no report alone makes a suite green."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, only, suite, validate

HERE = "printf 'n11 ansible_connection=local\\n' >inventory.ini"
"""A deployment of one node without a way in."""
INVENTORY = {"file": "inventory.ini"}


def says(value: object) -> str:
    return f"echo '{json.dumps(value)}'"


def remembers(**words: str) -> dict[str, str]:
    """Verbs of a deployer whose `status` is the last word that a verb left."""
    return {verb: f"echo {word} >state" for verb, word in words.items()}


STATE = 'echo "{\\"state\\": \\"$(cat state)\\"}"'
GONE = {"status": STATE, "deploy": f"{HERE}; echo running >state", "destroy": "echo destroyed >state"}
SUMS = {"checks": {"db": {"passed": 1, "failed": 0}, "services": {"active": 3, "failed": 0}}, "issues": []}
SICK = {**SUMS, "issues": [{"type": "service_failed", "host": "n11", "service": "web", "severity": "critical"}]}
WELL, DOWN = says({"n11": {"db": "ok"}}), says({"n11": {"db": "down"}})
HONEST = 'test -e up && echo \'{"n11": {"db": "ok"}}\' || echo \'{"n11": {"db": "down"}}\''


TRUE = {**GONE, "deploy": f"{HERE}; touch up; echo running >state", "health": HONEST,
        "destroy": "rm up; echo destroyed >state"}  # fmt: skip
"""A deployer whose words and deeds agree."""


def system(*steps: Document | str, **settings: Any) -> Document:
    mapping = {"kind": "command", "destroy": "true", "inventory": INVENTORY, "poll": 0.05, **settings}
    return suite(*steps, system=mapping, deadlines=dict.fromkeys(("deploy", "start", "stop"), LONG))


LONG, SHORT = 60, 6
"""Seconds for what comes to be, and for what never does: a look or two on a busy machine."""
Row = tuple[Document, str, str]
ROWS: dict[str, Row] = {
    "measured and well": (
        system("deploy", validate("cluster_status", "all_nodes_running", "database_running"), **TRUE), "passed", ""),
    "a word that nothing confirms": (
        system("deploy", validate("cluster_status"), **GONE), "unknown", "trust: reported"),
    "a word that the document trusts": (
        {**system("deploy", validate("cluster_status"), **GONE), "trust": "reported"}, "passed", ""),
    "a word that the document trusts about the service": (
        {**system("deploy", validate("database_running"), **GONE), "trust": "reported"}, "passed", ""),
    "a word that one check trusts": (
        system("deploy", validate({"check": "cluster_status", "trust": "reported"}), **GONE), "passed", ""),
    "a word that the document trusts beside a node that comes up": (
        {**system({"step": "deploy", "allow_failure": True}, validate("cluster_status"), deploy=HERE,
                  status=says({"state": "running", "nodes": {"n11": "Starting"}}), destroy="rm inventory.ini"),
         "trust": "reported"},
        "unknown", "the deployer's status says n11: Starting"),
    "a word that the document trusts beside a node that nobody knows": (
        {**system({"step": "deploy", "allow_failure": True}, validate("database_running"), deploy=HERE,
                  status=says({"state": "running", "nodes": [{"name": "n11", "state": "unknown"}]}),
                  destroy="rm inventory.ini"),
         "trust": "reported"},
        "unknown", "the deployer's status says n11: unknown"),
    "a node that comes up, though its part answers": (
        system("deploy", validate("cluster_status"), deploy=f"{HERE}; touch up", health=HONEST, destroy="rm up",
               status=says({"state": "running", "nodes": {"n11": "starting"}})),
        "passed", ""),
    "sums that are well": (
        system("deploy", validate("cluster_status"), **GONE, health=says(SUMS), wait_for="link"), "passed", ""),
    "a grave issue beside sums that are well": (
        system("deploy", validate("cluster_status"), **GONE, health=says(SICK), wait_for="link"),
        "failed", "issues: service_failed n11 web"),
    "a destroy after which sums are well": (
        system("deploy", "destroy", **GONE, health=says(SUMS)), "failed", "its health says of db: 1 passed, 0 failed"),
    "a destroy that destroys nothing": (
        system("deploy", "destroy", validate("cluster_status==destroyed"), **{**GONE, "destroy": "true"}, health=WELL),
        "failed", "its status says running"),
    "a destroy that only says so": (
        system("deploy", "destroy", **GONE, health=WELL), "failed", "its health says that db of n11 is ok"),
    "a stop that stops nothing": (
        system("deploy", "stop_cluster", validate("vms_powered_off"), health=WELL, **GONE, **remembers(stop="stopped")),
        "failed", "n11"),
    "a word that contradicts the service": (
        system("deploy", {"step": "custom_command", "custom_command": "echo critical >state"},
               validate("database_running"), health=WELL, **GONE),
        "unknown", "a contradiction: Seatrial measured ok, but the deployer reports critical"),
    "a node whose part answers though it is called off": (
        system({"step": "deploy", "allow_failure": True}, validate("all_nodes_running"), deploy=HERE, health=WELL,
               destroy="rm inventory.ini", status=says({"state": "running", "nodes": {"n11": "terminated"}})),
        "unknown", "a contradiction: Seatrial measured running, but the deployer's status reports that it is stopped"),
    "a deployer that something killed": (system("deploy", **{**TRUE, "deploy": "kill -9 $$"}), "unknown", "SIGKILL"),
    "a deployer that crashed": (system("deploy", **{**TRUE, "deploy": "kill -SEGV $$"}), "failed", "SIGSEGV"),
    "a text of a builtin alone": (system("deploy", **{**TRUE, "deploy": "exit 3"}), "failed", "exit code 3"),
    "an inventory whose command ends badly": (
        system("deploy", **TRUE, inventory={"command": "echo n11; exit 1"}), "unknown", "inventory"),
    "a node that was never made": (
        {**system("deploy", validate("all_nodes_running", "health_status[*].db==ok"), health=WELL, **GONE),
         "parameters": {"cluster_size": 3}},
        "failed", "absent-1"),
    "a node that is terminated": (
        system("deploy", validate("all_nodes_running"), deploy=HERE, destroy="rm inventory.ini",
               status=says({"state": "running", "nodes": {"n11": "terminated"}})),
        "failed", "stopped"),
    "a measuring verb that ends badly": (
        system({"step": "deploy", "allow_failure": True}, validate("cluster_status"), deploy=HERE, health="exit 3"),
        "unknown", "health"),
    "a measuring verb that is killed": (
        system({"step": "deploy", "allow_failure": True}, validate("cluster_status!=running"), deploy=HERE,
               health="kill -9 $$"),
        "unknown", "health"),
    "a good word that a measurement refutes": (
        system({"step": "deploy", "allow_failure": True}, validate("cluster_status"), health=DOWN, **GONE),
        "failed", "the deployer reports running"),
    "a bad state that a good word disputes": (
        system({"step": "deploy", "allow_failure": True}, validate("cluster_critical"), health=DOWN, **GONE),
        "unknown", "a contradiction"),
    "a word of its own while health cannot answer": (
        system({"step": "deploy", "allow_failure": True}, validate("cluster_status"), deploy=HERE, health="exit 3",
               status=says({"state": "deploy_failed"})),
        "failed", "deploy_failed"),
    "down though it never was up": (
        system({"step": "deploy", "allow_failure": True}, validate("database_down"), deploy=HERE,
               health=says({"n11": {"db": "down"}})),
        "unknown", "never answered"),
    "another state before anything is deployed": (
        system("init", validate("cluster_status!=running"), deploy=HERE, status=says({"state": "initialized"})),
        "unknown", "nothing"),
    "an error after init": (
        system("init", validate("cluster_status==initialized"), deploy=HERE, status=says({"state": "error"})),
        "failed", "error"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_the_verdict_rests_on_a_measurement(name: str, project: Project) -> None:
    document, verdict, words = ROWS[name]
    if verdict != "passed":
        document["test_suites"]["trial"]["deadlines"] = dict.fromkeys(("deploy", "start", "stop"), SHORT)
    done = project.seatrial("run", project.write("trial.json", document), "--format", "json")
    row = only(json.loads(done.stdout)["results"])
    assert row["verdict"] == verdict, done.stdout + done.stderr
    assert words in done.stdout


def test_what_nobody_would_measure_is_refused(project: Project) -> None:
    steps = {"step": "deploy", "allow_failure": True}, validate("cluster_critical", "database_down")
    done = project.seatrial("run", project.write("trial.json", system(*steps, deploy=HERE)))
    assert (done.returncode, "neither `health` nor `status` is declared" in done.stderr) == (2, True)


def test_a_deployment_stays_in_the_ledger_until_its_deployer_says_that_it_is_gone(project: Project) -> None:
    """An exit code is no proof: `clean` goes on trying, and is done when status and health say so."""
    destroy = "test ! -e able || { rm -f up; echo destroyed >state; }"
    document = system("deploy", validate("cluster_status"), **{**TRUE, "destroy": destroy}, cwd=".")
    assert project.seatrial("run", project.write("trial.json", document)).returncode == 4
    again = project.seatrial("clean")
    assert (again.returncode, "its status says running" in again.stdout) == (4, True)
    (project.folder / "able").touch()
    assert project.seatrial("clean").returncode == 0
    assert project.left() == []


def test_a_deployment_stays_in_the_ledger_when_nobody_can_say_that_it_is_gone(project: Project) -> None:
    status = f"test ! -e dying || kill -9 $$; {STATE}"
    verbs = {**TRUE, "destroy": "test -e asked || touch dying asked; rm -f up; echo destroyed >state", "status": status}
    document = system("deploy", validate("cluster_status"), **verbs, cwd=".")
    done = project.seatrial("run", project.write("trial.json", document))
    assert (done.returncode, "whether it is gone is not known" in done.stdout) == (4, True), done.stdout
    (project.folder / "dying").unlink()
    assert project.seatrial("clean").returncode == 0
    assert project.left() == []


def test_a_deployer_that_locks_is_asked_once_at_a_time(project: Project) -> None:
    """Checks of one moment share one look; two looks at once would meet the deployer's own lock."""
    checks = ["cluster_status", "health_status[*].db==ok", "database_running", "all_nodes_running"]
    locked = {**TRUE, "health": f"mkdir lock || exit 1; sleep 0.2; rmdir lock; {HONEST}"}
    done = project.seatrial("run", project.write("trial.json", system("deploy", validate(*checks), **locked)))
    assert done.returncode == 0, done.stdout


def test_a_deployer_that_cannot_begin_leaves_no_deployment(project: Project) -> None:
    document = system("deploy", deploy=["no-such-deployer"], destroy=["no-such-deployer", "destroy"])
    done = project.seatrial("run", project.write("trial.json", document))
    assert done.returncode == 3, done.stdout
    assert "no-such-deployer" in done.stdout
    assert project.left() == []


def test_a_suite_in_which_nothing_decided_says_what_it_left_behind(project: Project) -> None:
    document = system({"step": "deploy", "allow_failure": True}, **{**GONE, "destroy": "true"})
    done = project.seatrial("run", project.write("trial.json", document), "--format", "plain")
    assert (done.returncode, "\n! trial  LEFT BEHIND: clean-up" in done.stdout) == (4, True), done.stdout
    assert "1 resource was left behind" in done.stdout
