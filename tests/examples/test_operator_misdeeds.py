"""Flows of the operator that misbehave are caught at their end, each, and named."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.acceptance.harness import until
from tests.backends.kubernetes_project import InCluster, config_map
from tests.backends.operator_project import GO, LONG, MARKS, Steps, ended, flow, held, operator_in, row, step_named

pytestmark = MARKS


MISDEEDS = {
    # What it does after its deployment, and the words for it in its row.
    "deletes-by-a-wide-label": (
        "kubectl delete configmaps --all-namespaces -l team=TOKEN",
        ("deleted", "ConfigMap", "motd"),
    ),
    "uses-a-fixed-namespace": ("kubectl create namespace TOKEN", ("made", "Namespace TOKEN")),
    "writes-to-anothers-repository": (
        'curl -sf -u "seatrial:$GITEA_PASSWORD" -H "Content-Type: application/json" '
        """-d '{"content": "eA==", "message": "x"}' """
        '"$E2E_GITEA_API_URL/repos/seatrial/run-e2e-slow-VICTIM/contents/x.md"',
        ("changed", "Repository seatrial/run-e2e-slow-VICTIM"),
    ),
    "leaves-an-object-of-the-cluster": (
        "kubectl create clusterrole TOKEN-reader --verb=get --resource=pods",
        ("made", "ClusterRole TOKEN-reader"),
    ),
    "changes-the-shared-definition": (
        "kubectl label crd notices.noticeboard.example.org harbour=TOKEN --overwrite",
        ("changed", "CustomResourceDefinition notices.noticeboard.example.org"),
    ),
}
UNLABELLED = "emits-metrics-without-the-label"


def misbehaving(command: str) -> Callable[[Steps], None]:
    """A flow that deploys, does something that it must not do, and is content."""

    def change(steps: Steps) -> None:
        at = step_named(steps, "validate") + 1
        steps[at:] = [{"step": "custom_command", "custom_command": command}]

    return change


def without_label(steps: Steps) -> None:
    """A flow of the chart that looks at metrics without the run's label."""
    at = step_named(steps, "validate") + 1
    steps[at:] = [{"step": "validate", "checks": ["prometheus:sum(noticeboard_notices) == 0"]}]


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = operator_in(tmp_path / "operator", cluster, tool)
    yield made
    ended(made)


@pytest.fixture
def token(project: InCluster) -> Iterator[str]:
    """A word in the names of what misbehaving flows leave; it is removed afterwards."""
    word = f"stray-{secrets.token_hex(4)}"
    yield word
    for name in (f"namespace/{word}", f"clusterrole/{word}-reader"):
        project.kubectl("delete", name, "--ignore-not-found", "--wait=false")


def test_each_flow_that_misbehaves_is_caught_and_named(project: InCluster, token: str) -> None:
    manifests = project.folder / "manifests-of-slow"
    shutil.copytree(project.folder / "manifests", manifests)
    motd = config_map("motd", labels={"team": token})
    (manifests / "motd.json").write_text(json.dumps(motd))
    slow = project.folder / flow(project, "slow", held("slow", GO))
    slow.write_text(slow.read_text().replace('"manifests"]', '"manifests-of-slow"]'))
    with project.start("run", slow) as good:
        try:
            until(lambda: read(project.folder / "here-slow"), "the slow flow", seconds=LONG)
            victim = read(project.folder / "here-slow")

            def said(text: str) -> str:
                return text.replace("TOKEN", token).replace("VICTIM", victim)

            flows = [flow(project, name, misbehaving(said(command))) for name, (command, _) in MISDEEDS.items()]
            chart = project.folder / flow(project, UNLABELLED, without_label, of="quickstart-helm")
            chart.write_text(chart.read_text().replace('"image":', '"unlabelled": true, "image":'))
            ran = project.seatrial("run", *flows, chart, "--parallel", 3, timeout=LONG)
            assert ran.returncode == 1, ran.stdout + ran.stderr
            for name, (_, words) in MISDEEDS.items():
                result = row(project, name)
                shown = json.dumps(result.get("contamination"))
                assert result["verdict"] != "passed", f"{name}: {shown}"
                assert all(said(word) in result["error"] for word in words[1:]), f"{name}: {result['error']}"
                assert all(said(word) in shown for word in words), f"{name}: {shown}"
            assert "carries no label" in row(project, UNLABELLED)["error"]
        finally:
            (project.folder / "go").touch()
        out, _ = good.communicate(timeout=LONG)
        assert good.returncode == 0, out


def read(file: Path) -> str:
    """What a flow has written; nothing yet: empty."""
    return file.read_text().strip() if file.exists() else ""
