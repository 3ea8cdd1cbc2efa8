"""The tools of other people that `make backends` builds or installs, and Terraform where the machine has it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scripts.real_tools import tools

# Looked up before the tests get a cache folder of their own.
BUILT: Mapping[str, Path] = {name: tool.path for name, tool in tools().items() if not tool.peer}
NAMES = (*BUILT, "terraform")
VERSION = {
    "kubernetes": "version --client",
    "compose": "version",
    "helm": "version",
    "tofu": "version",
    "terraform": "version",
}
"""What a tool is asked for its version with, if not `--version`."""


def path(name: str) -> Path | None:
    """Where a tool's program is, or None where it is missing: as `make backends` made it, never another version."""
    if name in BUILT:
        return BUILT[name] if BUILT[name].exists() else None
    installed = shutil.which(name)
    return Path(installed) if installed else None


def why_not(name: str) -> str | None:
    """Why a tool cannot be used here, or None when it can; tried by running it."""
    program = path(name)
    if program is None:
        if name not in BUILT:
            return f"{name} is not installed"
        return f"{BUILT[name]} is missing: `make backends` makes it (alone: python3 -m scripts.real_tools {name})"
    argv = [str(program), *VERSION.get(name, "--version").split()]
    tried = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)
    if tried.returncode != 0:
        return f"{' '.join(argv)} ended with {tried.returncode}: {tried.stderr.strip()[-300:]}"
    return None
