"""Who deploys: a trial by its context, or the keeper of a shared service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")


class Takes(Protocol):
    """Takes the output of a program as it comes."""

    def add(self, data: bytes) -> None:
        """More of it."""


class Owner(Protocol):
    """What a deployment needs of its owner; a trial's context has all of it."""

    @property
    def run_id(self) -> str:
        """For the mark on a definition that several owners use."""

    @property
    def trial_id(self) -> str:
        """The value of the label by which the owner's objects are known."""

    @property
    def state(self) -> Path:
        """A folder for files that this user alone may read."""

    def labels(self) -> Mapping[str, str]:
        """Labels for everything that is made."""

    def environment(self) -> dict[str, str]:
        """The environment of its programs."""

    def deadline(self, what: str) -> float:
        """Seconds for `deploy` and `destroy`."""

    def keeping(self, source: str) -> AbstractContextManager[Takes]:
        """Keep the output of a program."""

    async def make(
        self, kind: str, name: str, create: Callable[[], Awaitable[T]], *, owner: str = "",
        detail: Mapping[str, object] | None = None, outlives_host: bool = False,
    ) -> T:  # fmt: skip
        """Write the intent to the record, call `create`, then write `made`."""

    def holds(self, kind: str, name: str, *, owner: str) -> bool:
        """Whether it has intended or made it, and not removed it."""

    async def give_back(self, kind: str, name: str) -> None:
        """Remove it now, and write that to the record."""
