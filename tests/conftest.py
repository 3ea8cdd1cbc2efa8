"""What every test shares: real back ends are skipped with a reason where they are missing, and never where they are required."""

from __future__ import annotations

import functools
import glob
import os
import shutil
import subprocess

import pytest

REQUIRED = "SEATRIAL_REQUIRE_BACKENDS"

# How each back end is tried, and the Debian package that brings it.
PROGRAMS = {
    "etcd": ("etcd", "etcd-server"),
    "postgresql": ("postgres", "postgresql"),
}


@functools.cache
def missing(name: str) -> str | None:
    """Say why the back end cannot be used here, or None when it can; tried by running it, not by looking for its file."""
    program, package = PROGRAMS[name]
    # Debian keeps PostgreSQL's server programs off PATH, one folder per version.
    found = shutil.which(program) or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))), None)
    if found is None:
        return f"{program} is not installed: `make backends` installs the Debian package {package}"
    tried = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=20, check=False)
    if tried.returncode != 0:
        return f"{found} --version ended with {tried.returncode}: {tried.stderr.strip()}"
    return None


def required() -> set[str]:
    """The back ends that must be there, from SEATRIAL_REQUIRE_BACKENDS (names parted by commas)."""
    return {name.strip() for name in os.environ.get(REQUIRED, "").split(",") if name.strip()}


def pytest_configure(config: pytest.Config) -> None:
    if unknown := required() - set(PROGRAMS):
        raise pytest.UsageError(f"{REQUIRED} names {', '.join(sorted(unknown))}; known are {', '.join(PROGRAMS)}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("backend"):
        for name in mark.args:
            why = missing(name)
            if why and name in required():
                pytest.fail(f"{REQUIRED} asks for {name}, but {why}", pytrace=False)
            if why:
                pytest.skip(why)
