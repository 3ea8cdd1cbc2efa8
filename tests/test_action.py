"""`action.yml` and the page on it: the documented workflow is executed, with this checkout as the action."""

from __future__ import annotations

import io
import json
import re
import shutil
import site
import sys
import zipfile
from pathlib import Path

import pytest

from seatrial.links.forge.workflows.reading import read_action, read_workflow
from seatrial_stand_ins.github import GitHubServer
from seatrial_stand_ins.github.runner import WorkflowRunner

CHECKOUT = Path(__file__).resolve().parent.parent
GUIDES = CHECKOUT / "docs" / "guides"
PAGE = (GUIDES / "github-actions.md").read_text() + (GUIDES / "test-against-github.md").read_text()
ACTION = read_action((CHECKOUT / "action.yml").read_text(), "action.yml")
SUITES = """\
test_suites:
  good:
    provider: local
    parameters: {owner: nobody}
    workflow:
      - step: validate
        checks:
          - command:test -n "$GITHUB_TOKEN"
          - {check: command, command: [echo, "${{ parameters.owner }}"], contains: "the $(whoami) crew"}
  bad:
    provider: local
    workflow:
      - step: validate
        checks: ["file:/nowhere/at/all"]
"""
PIPELINE = 'pipeline: {name: Notes, stages: {build: {checks: {site: {title: Site, run: ["true"]}}}}}\n'


def block(name: str) -> str:
    """A marked piece of the two pages."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- end -->", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def repository(folder: Path, **files: str) -> Path:
    """A project that has this checkout's action at its root."""
    for name in ("action.yml", "pyproject.toml", "README.md", "LICENSE", "src"):
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.slow
def test_the_documented_workflow_installs_the_action_and_shows_the_result(tmp_path: Path) -> None:
    workflow = re.sub(r"your-organisation/seatrial@main.*", "./", block("workflow"))
    # Once is enough to see that it can be installed.
    workflow = workflow.replace("command: preflight\n", "command: preflight\n          install: false\n")
    folder = repository(
        tmp_path / "notes",
        **{".github/workflows/trial.yml": workflow, "e2e.yaml": SUITES, "pipeline.yaml": PIPELINE},
    )
    # What the installation needs is found where these tests have it; pip asks nobody, and builds from the checkout.
    packages = [path for path in sys.path if path.endswith("site-packages")] or site.getsitepackages()
    environment = {
        "PYTHONPATH": ":".join(packages), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }  # fmt: skip
    runner = WorkflowRunner(folder=tmp_path / "jobs", environment=environment, tools=Path(sys.executable).parent)
    with GitHubServer(runner) as server:
        server.add_repository("acme/notes", folder)
        run = server.dispatch("acme/notes", "trial.yml")
        server.wait_for(lambda: run.last.status == "completed", timeout=120)
        jobs = {job.key: job for job in run.last.jobs}
        told = {key: "\n".join(line for step in job.steps for line in step.lines) for key, job in jobs.items()}
        artifacts = {one.name: one.content for one in run.artifacts}
    assert {key: job.conclusion for key, job in jobs.items()} == {"preflight": "success", "trial": "failure"}, told
    assert run.last.conclusion == "failure"
    assert "exit code 1" in told["trial"]

    summaries = {key: "".join(step.summary for step in job.steps) for key, job in jobs.items()}
    assert summaries["preflight"].startswith("## ✅ Preflight Notes: passed\n")
    assert "| good | ✅ passed |" in summaries["trial"]
    assert "| bad | ❌ failed |" in summaries["trial"]
    assert "| `file:/nowhere/at/all` | ❌ failed | `not there` | `there` |" in summaries["trial"]
    assert f"/acme/notes/blob/{run.sha}/e2e.yaml#L13)" in summaries["trial"]
    assert ("e2e.yaml", 13) in [(one.path, one.line) for one in jobs["trial"].annotations]

    assert sorted(artifacts) == ["preflight-report", "seatrial-report"]
    with zipfile.ZipFile(io.BytesIO(artifacts["seatrial-report"])) as archive:
        results = json.loads(archive.read("results.json"))
    assert [row["verdict"] for row in results["results"]] == ["passed", "failed"]


def test_a_cancelled_trial_gives_back_what_it_made_and_keeps_its_report(tmp_path: Path) -> None:
    suite = "test_suites: {slow: {provider: local, workflow: [{step: custom_command, custom_command: [sleep, 64]}]}}\n"
    steps = "[{uses: actions/checkout@v4}, {uses: ./, with: {install: false, documents: slow.yaml}}]"
    workflow = f"on: workflow_dispatch\njobs: {{a: {{runs-on: x, steps: {steps}}}}}\n"
    folder = tmp_path / "notes"
    folder.mkdir()
    shutil.copy(CHECKOUT / "action.yml", folder)
    (folder / "slow.yaml").write_text(suite)
    (folder / ".github" / "workflows").mkdir(parents=True)
    (folder / ".github" / "workflows" / "trial.yml").write_text(workflow)
    runner = WorkflowRunner(
        folder=tmp_path / "jobs",
        tools=Path(sys.executable).parent,
        environment={"XDG_STATE_HOME": str(tmp_path / "state")},
    )
    with GitHubServer(runner) as server:
        server.add_repository("acme/notes", folder)
        run = server.dispatch("acme/notes", "trial.yml")
        server.wait_for(lambda: any("slow on local" in line for line in lines(run)))
        server.cancel(run)
        server.wait_for(lambda: run.last.status == "completed")
        told = "\n".join(lines(run))
        (artifact,) = run.artifacts
    assert run.last.conclusion == "cancelled", told
    assert "Exit code 130" in told or "Exit code 143" in told, told
    with zipfile.ZipFile(io.BytesIO(artifact.content)) as archive:
        results = json.loads(archive.read("results.json"))
    assert (results["totals"]["unknown"], results["left_behind"]) == (1, [])


def lines(run) -> list[str]:
    """All that the jobs of a run have logged so far."""
    return [line for job in run.last.jobs for step in job.steps for line in step.lines]


def test_the_page_names_every_input_and_output_with_its_default() -> None:
    rows = {row[0]: row[1] for row in re.findall(r"^\| `([a-z-]+)` \|([^|]*)\|", PAGE, re.MULTILINE)}
    assert [name for name in rows if name in ACTION.inputs] == list(ACTION.inputs)
    for name, one in ACTION.inputs.items():
        assert rows[name].strip().strip("`") == str(one.default or ""), name
    assert set(ACTION.outputs) <= set(rows)


def test_every_workflow_of_the_examples_is_one_and_gives_the_action_inputs_that_it_has() -> None:
    files = [
        file for file in (CHECKOUT / "examples").glob("*/.github/workflows/*.yml") if "node_modules" not in file.parts
    ]
    assert files
    for file in files:
        found = read_workflow(file.read_text(), str(file.relative_to(CHECKOUT)))
        for step in (step for job in found.jobs.values() for step in job.steps):
            if "/seatrial@" in step.uses:
                assert set(step.with_) <= set(ACTION.inputs), f"{found.path}:{step.line}"


def test_the_python_on_the_page_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("runner"), "test-against-github.md", "exec"), {"__name__": "__main__"})
    conclusion, names = capsys.readouterr().out.splitlines()
    assert conclusion == "success"
    assert "Run docker/login-action@v3" in names
