"""What all tests share: a missing back end is skipped with a reason, a required one never is."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

REQUIRED = "SEATRIAL_REQUIRE_BACKENDS"

# Each back end's program, and the Debian package that brings it.
PROGRAMS = {
    "etcd": ("etcd", "etcd-server"),
    "postgresql": ("postgres", "postgresql"),
}


@functools.cache
def missing(name: str) -> str | None:
    """Say why the back end cannot be used here, or None when it can; tried by running it, not by finding its file."""
    program, package = PROGRAMS[name]
    # Debian keeps PostgreSQL's server programs off PATH, one folder per version.
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    found = shutil.which(program) or next((str(path) for path in reversed(beside)), None)
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
    # A busy machine makes an example slow, not wrong.
    settings.register_profile("seatrial", deadline=None)
    settings.load_profile("seatrial")
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
