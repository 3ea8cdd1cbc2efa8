"""Concurrency groups as GitHub has them: one member in progress, at most one pending."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Entered(Generic[M]):
    """The result of a request for a group."""

    holds: bool
    """It may begin now; else it is the pending one."""
    displaced: M | None = None
    """Who was pending until now, and is cancelled."""
    in_progress: M | None = None
    """The member in progress, to be cancelled as requested."""


@dataclass(slots=True)
class Groups(Generic[M]):
    """The groups of one repository, of workflows and of jobs alike. Names differ not by upper and lower case."""

    _holding: dict[str, M] = field(default_factory=dict)
    _pending: dict[str, M] = field(default_factory=dict)
    _spelt: dict[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """The held groups, in their first spelling."""
        return [self._spelt[name] for name in self._holding]

    def ask(self, group: str, member: M, *, cancel_in_progress: bool = False) -> Entered[M]:
        """Enter a group: begin now, or be its pending member in place of an older one."""
        name = group.casefold()
        self._spelt.setdefault(name, group)
        if name not in self._holding:
            self._holding[name] = member
            return Entered(True)
        displaced = self._pending.get(name)
        self._pending[name] = member
        return Entered(False, displaced, self._holding[name] if cancel_in_progress else None)

    def leave(self, group: str, member: M) -> M | None:
        """Leave a group, held or pending; returns the member to begin now."""
        name = group.casefold()
        if self._pending.get(name) is member:
            del self._pending[name]
            return None
        if self._holding.get(name) is not member:
            return None
        following = self._pending.pop(name, None)
        if following is None:
            del self._holding[name]
        else:
            self._holding[name] = following
        return following

    def holder(self, group: str) -> M | None:
        """Who is in progress."""
        return self._holding.get(group.casefold())

    def waiting(self, group: str) -> M | None:
        """Who is pending."""
        return self._pending.get(group.casefold())
