"""All rows of the truth table."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Mapping

from tests.backends import session
from tests.truth import (
    boxes,
    composes,
    configurations,
    contradictions,
    deployers,
    event_lists,
    half_read,
    host_programs,
    host_steps,
    host_wires,
    machines,
    metrics,
    nodes,
    pipelines,
    playbooks,
    pytest_door,
    real_answers,
    redis,
    workflows,
)
from tests.truth.case import Case

CASES: list[Case] = [
    *host_programs.CASES,
    *host_wires.CASES,
    *host_steps.CASES,
    *nodes.CASES,
    *pipelines.CASES,
    *deployers.CASES,
    *contradictions.CASES,
    *real_answers.CASES,
    *half_read.CASES,
    *redis.CASES,
    *pytest_door.CASES,
    *machines.CASES,
    *boxes.CASES,
    *metrics.CASES,
    *event_lists.CASES,
    *composes.CASES,
    *workflows.CASES,
    *configurations.CASES,
    *playbooks.CASES,
]


@functools.cache
def _no_namespaces() -> str | None:
    """A machine of the provider `ssh` is a mount and a process namespace of this host."""
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return f"no mount namespace can be made: {done.stderr.strip()}" if done.returncode else None


BACKENDS: Mapping[str, Callable[[], str | None]] = {
    **session.KNOWN,
    "namespaces": _no_namespaces,
    composes.BACKEND: composes.missing,
}
"""Each back end of a row, and what says why it cannot be used here."""


def missing(case: Case) -> str | None:
    """Why a row cannot be run here, or None."""
    return BACKENDS[case.backend]() if case.backend else None
