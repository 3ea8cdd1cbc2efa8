"""The environment variables of this host that a result depends on."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path

from seatrial.engine import temporary
from seatrial.model.values import Argv
from seatrial.preflight.shell import variables_of

READ_UNASKED = (
    "CI", "TZ", "LANG", "LANGUAGE", "LC_*", "LD_*", "VIRTUAL_ENV", "PYTHON*", "PYTEST_ADDOPTS", "PYTEST_PLUGINS",
    "MYPY*", "RUFF_*", "COVERAGE_*", "DJANGO_SETTINGS_MODULE", "NODE_*", "GOFLAGS", "GOOS", "GOARCH", "GOTOOLCHAIN",
    "CGO_*", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MAKEFLAGS",
    "JAVA_HOME", "JAVA_TOOL_OPTIONS", "RUBYOPT",
)  # fmt: skip
"""Environment variables by which people switch the behaviour of widespread programs."""

NEW_IN_EACH_RUN = frozenset(temporary.variables(Path()))
"""A check finds an empty folder there, wherever that is."""


def read_of(around: Mapping[str, str], declared: Sequence[str], run: Argv) -> dict[str, str]:
    """The declared variables, and those that a command on this host reads: named by its text, or unasked. `run` is
    empty for a container: it sees none of them."""
    patterns = (*declared, *READ_UNASKED) if run else declared
    named = variables_of(run) if run else ()
    return {
        name: value
        for name, value in around.items()
        if name not in NEW_IN_EACH_RUN
        and (name in named or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))
    }
