"""The web app of the examples: deployed by its real workflows, verified, torn down; and every planted fault is seen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, only
from tests.backends import tables
from tests.backends.fixtures import required

HARNESS = Path(__file__).parents[2] / "examples" / "webapp" / "harness"
sys.path.insert(0, str(HARNESS))

import stand as standing  # noqa: E402 - found by the line above

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("webapp")]

PLANTED = {
    "webapp/notes.py": [('file.write(json.dumps(asdict(note)) + "\\n")', "pass")],
    "webapp/uploads.py": [("file.write(content)", "file.write(content[:-1])")],
    "config/deploy.yml": [("    - MY_SECRET\n    - POSTGRES_PASSWORD\n\nssh", "    - POSTGRES_PASSWORD\n\nssh")],
    "infra/teardown.py": [("    try:\n", "    return 0\n    try:\n")],
}
"""Notes are lost, uploads are truncated, a secret is not handed to the container, and the app stays healthy; a teardown
that succeeds leaves everything."""


@dataclass(frozen=True)
class Port(Project):
    """A project beside a stand."""

    stand: standing.Stand

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in super().environment.items() if not name.startswith(("GH_", "KAMAL_"))}
        return {**kept, **self.stand.environment, "HOME": str(self.folder)}

    def secrets_told(self, *printed: str) -> list[str]:
        """The secrets that stand in a file of the project, in the server's logs, or in what was printed."""
        files = [one.read_bytes().decode("utf-8", "replace") for one in self.folder.rglob("*") if one.is_file()]
        logs = [step for run in self.stand.github.runs(standing.REPOSITORY) for step in log_of(run)]
        told = "\n".join([*files, *logs, *printed])
        hidden = {name: value.strip().splitlines() for name, value in self.stand.secrets.items()}
        lines = {name: value[len(value) // 2] for name, value in hidden.items()}  # of a key: a line amidst it
        return [name for name, line in {**lines, "GH_TOKEN": self.stand.github.token}.items() if line in told]


def log_of(run: Any) -> Iterator[str]:
    """Every line that the steps of a run wrote."""
    for attempt in run.attempts:
        for job in attempt.jobs:
            for step in job.steps:
                yield from step.lines


@pytest.fixture(scope="module")
def stand() -> Iterator[standing.Stand]:
    try:
        made = standing.Stand().__enter__()
    except standing.Missing as error:
        if "podman" in required():
            raise
        pytest.skip(str(error))
    try:
        yield made
    finally:
        made.__exit__(*sys.exc_info())


@pytest.fixture
def port(tmp_path: Path, stand: standing.Stand) -> Port:
    return Port(tmp_path, stand)


def checks_of(step: Document) -> dict[str, tuple[str, str]]:
    """By what a check looks at: its verdict and category."""
    return {one["check"]: (one["verdict"], one["category"]) for one in step["validation_results"]}


@tables.ON_ENGINES
def test_the_web_only_suite_passes_and_leaves_nothing_and_tells_no_secret(port: Port, stand: standing.Stand) -> None:
    document = standing.APP / "e2e.yaml"
    done = port.seatrial(
        "run", document, "--run-test", "cloudstack-workflow-web-only", "--format", "plain", timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    row = only(port.results()["results"])
    assert row["verdict"] == "passed"
    passed = [one["check"] for step in row["workflow_steps"] for one in step["validation_results"]]
    assert {"an upload comes back byte for byte", "a note that was posted is there"} <= set(passed)
    assert [run.workflow.path for run in stand.github.runs(standing.REPOSITORY)] == [
        ".github/workflows/deploy.yml",
        ".github/workflows/teardown.yml",
    ]
    assert stand.cloud.cloud.machines == {}
    assert stand.cloud.cloud.volumes == {}
    assert port.left() == []
    assert port.secrets_told(done.stdout, done.stderr) == []


@tables.ON_ENGINES
def test_planted_faults_are_each_seen_for_what_they_are(port: Port, stand: standing.Stand) -> None:
    changed = {}
    for path, replacements in PLANTED.items():
        text = (standing.APP / path).read_text()
        for old, new in replacements:
            assert text.count(old) == 1, (path, old)
            text = text.replace(old, new)
        changed[path] = text
    stand.repository.commit(changed)
    stand.cloud.plants.wrong_disk_size = 2
    try:
        done = port.seatrial("run", planted(port), "--format", "plain", timeout=300)
    finally:
        stand.cloud.plants.wrong_disk_size = 0
    assert done.returncode == 1, done.stdout + done.stderr
    row = only(port.results()["results"])
    healthy, looks, left = [step for step in row["workflow_steps"] if step["step_type"] == "validate"]
    assert healthy["verdict"] == "passed", done.stdout
    assert checks_of(looks) == {
        "notes": ("failed", "product"),
        "upload": ("failed", "product"),
        "disk": ("failed", "product"),
        "cloudstack_volume web": ("failed", "product"),
        "secret": ("failed", "product"),
        "variable": ("passed", ""),
    }
    assert checks_of(left) == {"cloudstack_left webapp*": ("failed", "product")}
    assert "webapp-web" in str(left["validation_results"][0]["seen"])
    assert (row["verdict"], row["category"], done.returncode) == ("failed", "product", 1)
    assert port.secrets_told(done.stdout, done.stderr) == []


def planted(port: Port) -> Path:
    """The web-only suite with all that may be wrong in one step that does not end it."""
    import yaml

    document = yaml.safe_load((standing.APP / "e2e.yaml").read_text())
    suite = document["test_suites"]["web-only"]
    web = "http://${{ steps.deploy.outputs.web_ip }}"
    looks: list[Document] = [
        {"name": "notes", "check": "http", "url": f"{web}/", "submit": {"text": "reef it"}, "contains": "reef it"},
        {
            "name": "upload", "check": "http", "url": f"{web}/uploads", "method": "POST", "status": 303,
            "files": {"file": {"size": "10KiB", "name": "chart.bin"}},
            "then": {"url": "/uploads/chart.bin", "status": 200, "same_as": "file"},
        },
        {"name": "disk", "check": "disk_size", "path": "/data", "of": "disk", "size": "1GiB"},
        {"check": "cloudstack_volume", "on": "web", "size": "1GiB"},
        {
            "name": "secret", "check": "container_env", "container": "webapp-web-*", "variable": "MY_SECRET",
            "secret": "${{ secrets.KAMAL_MY_SECRET }}",
        },
        {
            "name": "variable", "check": "container_env", "container": "webapp-web-*", "variable": "MY_VAR",
            "value": "${{ env.KAMAL_MY_VAR }}",
        },
    ]  # fmt: skip
    head, rest = suite["workflow"][:4], suite["workflow"][6:]
    faults = {"step": "validate", "allow_failure": True, "checks": looks}
    suite["workflow"] = [*head, faults, *rest]
    document["test_suites"] = {"web-only": suite}
    return port.write("planted.json", document)
