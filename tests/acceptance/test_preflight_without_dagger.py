"""`executor: dagger` without an engine: what was tried, and how to get one; which checks it concerns."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.acceptance.harness import Project

HOST, ENGINE = "_EXPERIMENTAL_DAGGER_RUNNER_HOST", "unix:///nowhere/dagger.sock"
CHECKS = {"inside": {"run": "true", "image": "x"}, "here": {"run": "true"}}


def told(folder: Path, *arguments: str, stage: dict[str, Any] | None = None, **pipeline: Any) -> dict[str, Any]:
    """The checks of a run that finds no engine: nothing on the PATH but a shell, and a named engine that is away."""
    project = Project(folder)
    stages = {"all": {"checks": CHECKS, **(stage or {})}}
    project.write("pipeline.json", {"pipeline": {"stages": stages, **pipeline}})
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sh", "true"):
        (programs / name).symlink_to(str(shutil.which(name)))
    environment = {**project.environment, "PATH": str(programs), HOST: ENGINE, "_EXPERIMENTAL_DAGGER_CLI_BIN": "true"}
    done = project.seatrial("preflight", "--format", "json", *arguments, env=environment)
    checks = json.loads(done.stdout)["stages"]["all"]["checks"]
    assert project.left() == []
    return {one["name"]: one for one in checks}


def is_said(check: dict[str, Any]) -> bool:
    """Whether the check says that there is no engine; without the SDK, how to install it."""
    if find_spec("dagger") is None:
        return "pip install 'seatrial[dagger]'" in check["error"]
    return all(
        words in check["error"]
        for words in (
            f"no Dagger engine: nothing answers at {ENGINE}", "DAGGER_SESSION_PORT (not set)",
            f"{HOST}={ENGINE}", "name an engine 0.20",
        )
    )  # fmt: skip


def test_a_check_with_an_image_says_what_was_tried_and_one_without_runs_here(tmp_path: Path) -> None:
    checks = told(tmp_path, executor="dagger")
    assert is_said(checks["inside"]), checks
    assert checks["here"]["status"] == "passed"
    assert len(checks["inside"]["lines"]) == 1  # the long reason is said once


def test_a_stage_overrides_its_pipeline(tmp_path: Path) -> None:
    checks = told(tmp_path, executor="containers", stage={"executor": "dagger"})
    assert is_said(checks["inside"]), checks


def test_the_command_line_overrides_the_document(tmp_path: Path) -> None:
    checks = told(tmp_path, "--executor", "containers", executor="dagger")
    assert "no container engine works here" in checks["inside"]["error"]
