"""What the tests of all stand-ins with machines share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


@contextlib.contextmanager
def named(server: T) -> Iterator[T]:
    """The server in the environment, as the clients look for it."""
    given: Any = server
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.environment.items():
            patch.setenv(name, value)
        yield server
