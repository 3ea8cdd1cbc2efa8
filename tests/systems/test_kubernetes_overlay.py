"""An overlay over other people's manifests: names of the trial's own, also without a namespace; through the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.backends.kubernetes_project import InCluster, cluster_role, config_map, left_of, project_in

pytestmark = pytest.mark.backend("kubernetes")


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = project_in(tmp_path, cluster, tool)
    yield made
    made.seatrial("clean")
    assert left_of(made) == []


OVERLAY = {
    "namespace": "${{ env.E2E_TEST_NAMESPACE }}",
    "nameSuffix": "-${{ trial.id }}",
    "patches": [{"path": "patches/role.yaml", "target": {"kind": "ClusterRole"}}],
    "secretGenerator": [
        {"name": "login", "files": ["key=files/key", "${{ deploy_dir }}/made"], "literals": ["user=anna"]},
    ],
    "generatorOptions": {"disableNameSuffixHash": True},
}


def test_fixed_names_become_the_trial_s_own_so_that_two_trials_at_once_do_not_meet(project: InCluster) -> None:
    for folder in ("base", "patches", "files"):
        (project.folder / folder).mkdir()
    project.write("role.json", cluster_role("operator"))
    project.write("base/settings.json", config_map("settings", namespace="operator-system"))
    (project.folder / "base" / "kustomization.yaml").write_text("resources: [settings.json]\n")
    (project.folder / "patches" / "role.yaml").write_text("- {op: add, path: /rules/0/verbs/-, value: watch}\n")
    (project.folder / "files" / "key").write_text("of the document")
    name = "${{ trial.id }}"
    suite = {
        "workflow": [
            {"step": "custom_command", "custom_command": 'printf "of the trial" > "$SEATRIAL_DEPLOYMENT_DIR/made"'},
            {"step": "deploy"},
            {
                "step": "validate",
                "checks": [
                    {
                        "check": "resource", "kind": "configmap", "name": f"settings-{name}",
                        "that": "object.data.a == 'b'",
                    },
                    {
                        "check": "resource", "kind": "clusterrole", "name": f"operator-{name}",
                        "that": "object.rules[0].verbs == ['get', 'watch']",
                    },
                    {
                        "check": "resource", "kind": "secret", "name": f"login-{name}",
                        "that": "object.data.size() == 3 && object.data.key == 'b2YgdGhlIGRvY3VtZW50' && "
                        "object.data.made == 'b2YgdGhlIHRyaWFs'",
                    },
                ],
            },
        ]
    }  # fmt: skip
    system = {"kind": "kubernetes", "manifests": ["role.json"], "kustomize": "base", "overlay": OVERLAY}
    document = project.write("trial.json", {"system": system, "test_suites": {"one": suite, "other": suite}})
    ran = project.seatrial("run", document, "--parallel", "2")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "of the trial" not in "".join(path.read_text() for path in project.folder.rglob("*.log"))
    (wrong,) = project.folder.glob("trial.json")
    overlay = {**OVERLAY, "patches": [{"path": "patches/none.yaml"}]}
    wrong.write_text(json.dumps({"system": {**system, "overlay": overlay}, "test_suites": {"one": suite}}))
    ran = project.seatrial("run", document)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "patches/none.yaml" in ran.stdout + ran.stderr
