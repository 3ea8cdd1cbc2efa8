"""The tools of other people that `make backends` builds or installs, and Terraform where the machine has it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scripts.real_tools import tools

# Looked up before the tests get a cache folder of their own.
BUILT: Mapping[str, Path] = {name: tool.path for name, tool in tools().items()}
NAMES = (*BUILT, "terraform")


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
    version = "version" if name in {"compose", "tofu", "terraform"} else "--version"
    tried = subprocess.run([program, version], capture_output=True, text=True, timeout=60, check=False)
    if tried.returncode != 0:
        return f"{program} {version} ended with {tried.returncode}: {tried.stderr.strip()[-300:]}"
    return None
