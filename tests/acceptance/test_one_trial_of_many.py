"""Flows of one command are trials of one run: each is inspected and cleaned by its own `E2E_RUN_ID`."""

from __future__ import annotations

from tests.acceptance.harness import Project

DEPLOYS = {"step": "deploy"}
FLOWS = {
    "good": [DEPLOYS],
    "bad": [DEPLOYS, {"step": "custom_command", "custom_command": "exit 1"}],
    "lost": [DEPLOYS, {"step": "custom_command", "custom_command": "kill -9 $$"}],
}


def test_one_of_three_flows_is_inspected_and_cleaned_and_the_others_stay(project: Project) -> None:
    words = "test -e up-$SEATRIAL_SUITE && w=running || w=destroyed; echo '{\"status\": \"'$w'\"}'"
    destroy = "rm up-$SEATRIAL_SUITE; echo $SEATRIAL_SUITE >>destroyed"
    system = {"kind": "command", "deploy": "touch up-$SEATRIAL_SUITE", "status": words, "destroy": destroy}
    paths = [project.write(f"{name}.json", {"system": system, "workflow": steps}) for name, steps in FLOWS.items()]
    done = project.seatrial("run", *paths, "--parallel", 3, "--keep", "always")
    assert done.returncode == 1, done.stdout + done.stderr  # of failed and unknown, the failure
    trials = {row["name"]: row["trial_id"] for row in project.results()["results"]}
    assert len(set(trials.values())) == 3
    inspected = project.seatrial("inspect", trials["bad"]).stdout
    assert "local-workflow-bad: failed" in inspected
    assert f"seatrial clean {trials['bad']} --all" in inspected
    assert "local-workflow-lost" not in inspected
    assert "would remove" in project.seatrial("clean", trials["bad"], "--all", "--dry-run").stdout
    assert not (project.folder / "destroyed").exists()
    cleaned = project.seatrial("clean", trials["bad"], "--all")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert (project.folder / "destroyed").read_text().split() == ["bad"]
    assert "all resources created by this trial were removed" in project.seatrial("inspect", trials["bad"]).stdout
    refused = project.seatrial("clean", "t1")
    assert refused.returncode == 2
    assert "matches several trials" in refused.stderr
    assert project.seatrial("clean", "--all").returncode == 0
    assert sorted((project.folder / "destroyed").read_text().split()) == ["bad", "good", "lost"]
    assert project.left() == []
