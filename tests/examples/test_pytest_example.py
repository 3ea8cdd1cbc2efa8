"""The example of a cluster as a pytest fixture: its tests pass, and its run has what they did."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "pytest"


def test_the_example_passes_and_leaves_nothing(tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLE, tmp_path / "pytest", ignore=shutil.ignore_patterns(".*", "__pycache__"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEATRIAL_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"], cwd=folder, check=False,
        env={**kept, "XDG_STATE_HOME": str(tmp_path / "state")}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    (file,) = (folder / ".seatrial" / "runs").glob("*/results.json")
    results = json.loads(file.read_text())
    assert (results["verdict"], results["left_behind"]) == ("passed", [])
    *_, python = results["results"][0]["workflow_steps"]
    kinds = [step["step_type"] for step in python["steps"]]
    assert kinds == ["run"] * 3 + ["crash_node", "validate", "start_node", "validate", "stop_node", "stop_node",
                                   "validate", "start_node", "start_node", "validate"]  # fmt: skip
    assert not list((folder / ".seatrial" / "ledger").glob("*.jsonl"))
