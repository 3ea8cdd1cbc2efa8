"""Back ends that are one program: etcd and PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def why_not(program: str, package: str) -> str | None:
    """Why the program cannot be used, or None when it can; tried by running it, not by finding its file."""
    # Debian keeps PostgreSQL's server programs off PATH, one folder per version.
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    found = shutil.which(program) or next((str(path) for path in reversed(beside)), None)
    if found is None:
        return f"{program} is not installed: `make backends` installs the Debian package {package}"
    tried = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=120, check=False)
    if tried.returncode != 0:
        return f"{found} --version ended with {tried.returncode}: {tried.stderr.strip()}"
    return None
