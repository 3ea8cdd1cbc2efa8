"""`seatrial init` in a copy of an example without its scenario: what it writes runs, and leaves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.acceptance.harness import Project, processes_of
from tests.backends import tables

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SYSTEMS = {"tofu": "terraform", "ansible": "ansible"}
KINDS = [pytest.param(name, marks=pytest.mark.backend(name, "podman")) for name in SYSTEMS]


class Begun(Project):
    """A copy of an example with containers of its own, and a scenario by `init`."""

    def begin(self, name: str, podman: Mapping[str, str], tool: Callable[[str], Path]) -> dict[str, str]:
        """Its environment."""
        hidden = shutil.ignore_patterns(".*", "seatrial.yaml")
        shutil.copytree(EXAMPLES / name, self.folder, dirs_exist_ok=True, ignore=hidden)
        if name == "ansible":
            values = self.folder / "group_vars" / "all.yml"
            values.write_text(values.read_text().replace("prefix: web", f"prefix: {self.prefix}"))
        path = f"{tool(name).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**self.environment, **podman, "PATH": path, "TF_VAR_prefix": self.prefix}
        begun = self.seatrial("init", env=environment)
        assert begun.returncode == 0, begun.stdout + begun.stderr
        assert f"the system is `{SYSTEMS[name]}`" in begun.stdout
        assert "you have to add" not in begun.stdout
        return environment

    @property
    def prefix(self) -> str:
        return f"begun-{os.getpid()}-{self.folder.name[-12:]}".replace("_", "-")

    def containers(self, environment: Mapping[str, str]) -> list[str]:
        words = ["podman", "ps", "--all", "--format", "{{.Names}}"]
        listed = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        return [name for name in listed.stdout.split() if name.startswith(self.prefix)]


@tables.ON_ENGINES
@pytest.mark.parametrize("name", KINDS)
def test_a_node_is_lost_and_back_and_nothing_is_left(
    name: str, tmp_path: Path, podman: Mapping[str, str], tool: Callable[[str], Path]
) -> None:
    project = Begun(tmp_path)
    environment = project.begin(name, podman, tool)
    ran = project.seatrial("run", env=environment, timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (suite,) = project.results()["results"]
    assert [step["step_type"] for step in suite["workflow_steps"]] == [
        "deploy", "validate", "stop_node", "validate", "start_node", "destroy"
    ]  # fmt: skip
    assert project.containers(environment) == []
    assert project.left() == []


@tables.ON_ENGINES
@pytest.mark.parametrize("name", KINDS)
def test_after_a_kill_in_mid_deploy_nothing_is_left_by_clean(
    name: str, tmp_path: Path, podman: Mapping[str, str], tool: Callable[[str], Path]
) -> None:
    project = Begun(tmp_path)
    environment = project.begin(name, podman, tool)
    with project.start("run", env=environment) as process:
        while not project.containers(environment):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.kill()
        process.communicate()
    cleaned = project.seatrial("clean", env=environment, timeout=600)
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert project.containers(environment) == []
    assert project.left() == []
    assert processes_of(tmp_path) == []
