"""What the tests of the command line share: the command as a process, in a folder and a state of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def seatrial(project: Path, tmp_path: Path) -> Command:
    """The command, run in the project; what it says is kept apart, and its exit code is not judged."""
    foreign = ("SEATRIAL_", "E2E_", "GITHUB_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign) and name != "CI"}

    def call(*words: str | Path, deadline: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "seatrial", *map(str, words)],
            cwd=project,
            env={**kept, "XDG_STATE_HOME": str(tmp_path / "state"), **environment},
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )

    return call


@pytest.fixture
def document(project: Path) -> Path:
    """Two suites that start nothing: one passes, one fails."""
    file = project / "suites.json"
    file.write_text(
        json.dumps(
            {
                "test_suites": {
                    "good": {
                        "provider": "local",
                        "test_type": "workflow",
                        "description": "a name and a command",
                        "workflow": [
                            {"step": "set", "id": "names", "values": {"x": 1}},
                            {"step": "custom_command", "custom_command": ["true"]},
                        ],
                    },
                    "bad": {
                        "provider": "local",
                        "test_type": "workflow",
                        "workflow": [
                            {
                                "step": "custom_command",
                                "description": "always wrong",
                                "custom_command": ["sh", "-c", "echo the answer is 43; exit 7"],
                            },
                            {"step": "set", "values": {"y": 2}},
                        ],
                    },
                }
            },
            indent=1,
        )
    )
    return file
