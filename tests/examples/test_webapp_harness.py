"""What the web app's example says where it cannot run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[2] / "examples" / "webapp" / "harness" / "run.py"


def test_without_podman_it_says_what_brings_it_and_is_not_green(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, str(RUN)], env=env, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("make example-webapp: ")
    assert "sudo make" in done.stderr  # backends, or itself where it is not root's
    assert list(tmp_path.iterdir()) == []
