"""Seatrial in a job of GitHub Actions that deploys by another workflow of the same repository: both really run."""

from __future__ import annotations

import io
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from seatrial_stand_ins.github import GitHubServer
from seatrial_stand_ins.github.records import RunRecord
from seatrial_stand_ins.github.runner import WorkflowRunner

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DEPLOY = """\
name: Deploy
run-name: Deploy ${{ inputs.correlation_id }}
on: {workflow_dispatch: {inputs: {workers: {type: number}, correlation_id: }}}
concurrency: deploy-${{ github.repository }}
jobs:
  provision:
    runs-on: ubuntu-latest
    steps:
      - run: echo '{"web_ip":"10.0.0.${{ inputs.workers }}"}' > provision-output.json
      - {uses: actions/upload-artifact@v4, with: {name: provision-output, path: provision-output.json}}
"""
TRIAL = """\
name: Trial
on: workflow_dispatch
concurrency: GROUP
permissions: {actions: write, contents: read}
jobs:
  trial:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: ./
        with: {install: false, documents: e2e.yaml}
        env: {GITHUB_TOKEN: "${{ secrets.GITHUB_TOKEN }}"}
"""
SUITE = """\
test_suites:
  deployed:
    provider: local
    parameters: {workers: 7}
    workflow:
      - step: dispatch_workflow
        id: deploy
        workflow: deploy.yml
        inputs: {workers: "${{ parameters.workers }}"}
        artifacts: [provision-output]
        token: "${{ secrets.GITHUB_TOKEN }}"
        deadlines: {queue: 120, run: 120, download: 120}
      - step: validate
        checks: [{check: command, command: [echo, "${{ steps.deploy.outputs.web_ip }}"], contains: "10.0.0.7"}]
"""


def trial(folder: Path, group: str) -> tuple[RunRecord, list[RunRecord], str, str]:
    """The run of the trial in this concurrency group, the deployments that it started, its log, its report."""
    source = folder / "notes"
    (source / ".github" / "workflows").mkdir(parents=True)
    shutil.copy(CHECKOUT / "action.yml", source)
    (source / "e2e.yaml").write_text(SUITE)
    (source / ".github" / "workflows" / "deploy.yml").write_text(DEPLOY)
    (source / ".github" / "workflows" / "trial.yml").write_text(TRIAL.replace("GROUP", group))
    runner = WorkflowRunner(
        folder=folder / "jobs",
        tools=Path(sys.executable).parent,
        environment={"XDG_STATE_HOME": str(folder / "state")},
    )
    with GitHubServer(runner) as server:
        server.add_repository("acme/notes", source, variables={"ZONE": "north"})
        run = server.dispatch("acme/notes", "trial.yml")
        server.wait_for(lambda: run.status == "completed", timeout=300)
        told = "\n".join(line for job in run.last.jobs for step in job.steps for line in step.lines)
        report = ""
        for artifact in run.artifacts:
            with zipfile.ZipFile(io.BytesIO(artifact.content)) as archive:
                report = archive.read("events.jsonl").decode()
        return run, server.runs("acme/notes", "deploy.yml"), told, report


def test_a_job_deploys_by_another_workflow_and_has_what_it_made(tmp_path: Path) -> None:
    run, (deployed,), told, report = trial(tmp_path, "trial-${{ github.repository }}")
    assert (run.conclusion, deployed.conclusion) == ("success", "success"), told
    assert deployed.title.startswith("Deploy ")
    assert "passed" in told
    assert "cannot decide" not in report


@pytest.mark.parametrize(
    "group", ["deploy-${{ github.repository }}", "Deploy-acme/${{ github.event.repository.name }}"]
)
def test_a_job_in_the_group_of_the_workflow_that_it_would_dispatch_is_refused(tmp_path: Path, group: str) -> None:
    run, deployed, told, _ = trial(tmp_path, group)
    assert (run.conclusion, deployed) == ("failure", []), told
    assert "would wait for ever: it asks for the concurrency group 'deploy-acme/notes'" in told
    assert f"rename one of the groups, for example in .github/workflows/trial.yml, line 3: `e2e-{group}`" in told
    assert "Process completed with exit code 2." in told


def test_a_group_that_cannot_be_told_beforehand_is_a_warning(tmp_path: Path) -> None:
    run, deployed, told, report = trial(tmp_path, "deploy-${{ vars.ZONE }}")
    assert (run.conclusion, len(deployed)) == ("success", 1), told
    assert "may be one, but Seatrial cannot decide it: vars.ZONE" in report
