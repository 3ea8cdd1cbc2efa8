"""A Dagger engine, by Dagger's own Python SDK: `session` connects, `telemetry` reads the engine's traces and output.

The SDK is the extra `dagger`; it is imported when a session opens, never before.
"""

from __future__ import annotations

import re
from importlib import metadata

from seatrial.errors import ExtraMissing

SDK = "dagger-io"

HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
"""Names a running engine, such as `unix:///run/dagger/engine.sock`, `tcp://HOST:PORT`, `docker-container://NAME`."""

CLI = "_EXPERIMENTAL_DAGGER_CLI_BIN"
"""Names the command-line program; without it the SDK downloads its own version."""

PORT = "DAGGER_SESSION_PORT"
"""Set inside `dagger run`: its session is used."""

STARTERS = ("docker", "podman", "nerdctl", "container")
"""Programs with which Dagger's command line starts an engine, if none is named."""


def sdk_version() -> str:
    """The version of the SDK; ExtraMissing without it."""
    try:
        return metadata.version(SDK)
    except metadata.PackageNotFoundError as error:
        raise ExtraMissing("a Dagger engine needs Dagger's SDK: pip install 'seatrial[dagger]'") from error


def without_trace(text: str) -> str:
    """An engine's words without the number of its trace."""
    return re.sub(r"\s*\[traceparent:[^\]]*\]", "", text)


def release(version: str) -> tuple[str, ...]:
    """The part of a version that SDK and engine must share: `0.20` of `v0.20.3`."""
    return tuple(version.removeprefix("v").split(".")[:2])
