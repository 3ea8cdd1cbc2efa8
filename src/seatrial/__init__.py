"""Sea trials for deployments: build the system, break it on purpose, check it, clean everything up.

The names below are the Python API. They are imported on first use, and this module imports not even `typing`, so
`import seatrial` and `seatrial --version` are fast.
"""

from __future__ import annotations

TYPE_CHECKING = False  # true for type checkers
if TYPE_CHECKING:
    from typing import Any

    from seatrial.app.api import load as load
    from seatrial.app.api import plan as plan
    from seatrial.app.api import run as run
    from seatrial.app.deployed import deployed as deployed
    from seatrial.pytest_plugin import fixture as fixture
    from seatrial.registry import check as check
    from seatrial.registry import fault as fault
    from seatrial.registry import provider as provider
    from seatrial.registry import reporter as reporter
    from seatrial.registry import step as step
    from seatrial.registry import system as system

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(("load", "plan", "run"), "seatrial.app.api"),
    **dict.fromkeys(("check", "fault", "provider", "reporter", "step", "system"), "seatrial.registry"),
    "deployed": "seatrial.app.deployed",
    "fixture": "seatrial.pytest_plugin",
}

__all__ = [
    "__version__", "check", "deployed", "fault", "fixture", "load", "plan", "provider", "reporter", "run", "step",
    "system",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name of the Python API on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'seatrial' has no attribute {name!r}; its API is {', '.join(sorted(_HOMES))}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
