"""A real Dagger engine, named by SEATRIAL_DAGGER_ENGINE; a machine without one says so, and its tests are skipped."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

ENGINE = "SEATRIAL_DAGGER_ENGINE"
HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"


def why_not() -> str | None:
    """Why there is no engine for tests."""
    if not os.environ.get(ENGINE):
        return f"{ENGINE} names no running Dagger engine, such as unix:///run/dagger/engine.sock"
    if find_spec("dagger") is None:
        return "dagger-io is not installed: pip install 'seatrial[dagger]'"
    if not (os.environ.get("_EXPERIMENTAL_DAGGER_CLI_BIN") or shutil.which("dagger")):
        return "Dagger's command line is not on the PATH"
    return None


def environment() -> dict[str, str]:
    """The variables with which Seatrial finds the engine."""
    return {HOST: os.environ.get(ENGINE, ""), "DO_NOT_TRACK": "1"}
