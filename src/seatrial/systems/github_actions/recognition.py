"""Deployments by GitHub Actions: a workflow that deploys, and one that removes."""

from __future__ import annotations

import json
from pathlib import Path

from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.workflow import Workflow
from seatrial.links.forge.workflows.yaml_tree import WorkflowError
from seatrial.spi import Recognised

FOLDER = Path(".github/workflows")
DEPLOY = ("deploy",)
TEARDOWN = ("teardown", "destroy", "undeploy", "remove", "cleanup")

UPLOAD = "actions/upload-artifact"

NO_TEARDOWN = "a workflow that removes what the deploy workflow made, as `teardown: {workflow: teardown.yml}`"
NO_NODES = "the addresses of the machines, as `nodes: {web: ADDRESS}`; keys of JSON artifacts are ${{ outputs.KEY }}"


def recognise(folder: Path, way: str) -> Recognised | None:
    """The workflows of a folder; None: none deploys."""
    deploy = _named(folder, DEPLOY)
    if not deploy:
        return None
    teardown = _named(folder, TEARDOWN)
    workflow = _read(folder, deploy)
    lines = ["deploy:", f"  workflow: {deploy}", *_inputs(workflow)]
    if artifacts := _artifacts(workflow):
        lines.append(f"  artifacts: {json.dumps(artifacts)}")
    if teardown:
        lines += ["teardown:", f"  workflow: {teardown}", *_inputs(_read(folder, teardown))]
    else:
        lines.append(f"# needed: {NO_TEARDOWN}")
    lines += [
        f"# needed: {NO_NODES}",
        '# ssh: {user: root, key: "${{ env.SSH_KEY_FILE }}"} # without it, no check looks inside',
        '# health: {http: "http://${{ node.address }}/"} # how your service on a node is asked',
    ]
    files = tuple(str(FOLDER / name) for name in (deploy, teardown) if name)
    return Recognised(files=files, settings="\n".join(lines) + "\n")


def _named(folder: Path, names: tuple[str, ...]) -> str:
    files = (f"{name}{ending}" for name in names for ending in (".yml", ".yaml"))
    return next((file for file in files if (folder / FOLDER / file).is_file()), "")


def _read(folder: Path, name: str) -> Workflow:
    try:
        return read_workflow((folder / FOLDER / name).read_text(encoding="utf-8"), name)
    except (OSError, ValueError, WorkflowError):  # `seatrial check` says what is wrong with it
        return Workflow(path=name)


def _artifacts(workflow: Workflow) -> list[str]:
    """The names of the artifacts that it keeps, as far as they are written in it."""
    steps = (step for job in workflow.jobs.values() for step in job.steps if step.uses.startswith(UPLOAD))
    names = (str(step.with_.get("name", "artifact")) for step in steps)
    return sorted({name for name in names if "${{" not in name})


def _inputs(workflow: Workflow) -> list[str]:
    """A comment that asks for the inputs that must be given."""
    wanted = [one for one in (workflow.dispatch or {}).values() if one.required and one.default in (None, "")]
    if not wanted:
        return []
    keys = ", ".join(f"{one.name}: …" for one in wanted)
    options = [f"; {one.name} is one of {', '.join(one.options)}" for one in wanted if one.options]
    return [f"  # needed: what this workflow requires, as `inputs: {{{keys}}}`{''.join(options)}"]
