"""How many requests each token has left in its hour."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

WINDOW = 3600.0
ANONYMOUS = 60


@dataclass(slots=True)
class _Counter:
    used: int
    ends: float


@dataclass(slots=True)
class Limits:
    """By login; requests without a token share the empty login."""

    limit: int = 5000
    _counters: dict[str, _Counter] = field(default_factory=dict)
    _tight: tuple[int, float] | None = None
    """So many are left to everybody, until then."""

    def _limit(self, login: str) -> int:
        return self.limit if login else min(ANONYMOUS, self.limit)

    def _counter(self, login: str) -> _Counter:
        now = time.time()
        known = self._counters.get(login)
        if self._tight is not None and now >= self._tight[1]:
            self._tight = None
        if known is None or now >= known.ends:
            if self._tight is not None:
                known = _Counter(max(0, self._limit(login) - self._tight[0]), self._tight[1])
            else:
                known = _Counter(0, now + WINDOW)
            self._counters[login] = known
        return known

    def tighten(self, remaining: int, reset_in: float) -> None:
        """Everybody has so many left, until so many seconds from now."""
        self._tight = (remaining, time.time() + reset_in)
        self._counters.clear()

    def take(self, login: str) -> bool:
        """One request; whether there was one left."""
        counter = self._counter(login)
        if counter.used >= self._limit(login):
            return False
        counter.used += 1
        return True

    def give_back(self, login: str) -> None:
        """It cost nothing after all: nothing had changed."""
        counter = self._counter(login)
        counter.used = max(0, counter.used - 1)

    def of(self, login: str) -> dict[str, Any]:
        """As `/rate_limit` has it."""
        counter = self._counter(login)
        limit = self._limit(login)
        # A client waiting until this second must find the window open.
        reset = math.ceil(counter.ends)
        return {"limit": limit, "used": counter.used, "remaining": limit - counter.used, "reset": reset}

    def headers(self, login: str) -> dict[str, str]:
        """As every answer has it."""
        said = self.of(login)
        return {f"x-ratelimit-{name}": str(value) for name, value in said.items()} | {"x-ratelimit-resource": "core"}
