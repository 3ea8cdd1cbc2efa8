"""The fixtures and hooks that all tests of this repository share."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.backends.fixtures"]


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a row with bytes by its argument and its number.

    Bytes may have a time in them (gzip's header has one), and two workers must name a test alike.
    """
    return argname if isinstance(val, bytes) else None
