"""What is in the repository: sources, and nothing that is made from them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from seatrial.links.git import tracked_though_ignored

TOP = Path(__file__).parent.parent


def test_nothing_is_tracked_that_gitignore_leaves_out() -> None:
    """A committed result of a build would stand for one that fails."""
    if not (TOP / ".git").exists():
        pytest.skip("this is no checkout")
    subprocess.run(["git", "--version"], check=True, capture_output=True)
    assert tracked_though_ignored(str(TOP)) == frozenset()
