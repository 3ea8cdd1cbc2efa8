"""Simultaneous questions about many machines as few queries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from seatrial.errors import CannotTell

T = TypeVar("T")


class Batches(Generic[T]):
    """Answers by name; callers share the next query, so no answer is older than its question."""

    def __init__(
        self, query: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]], missing: type[CannotTell], *, most: int
    ) -> None:
        """`query` answers for these names, and raises `missing` if one does not exist; `most` queries run at once."""
        self._query, self._missing = query, missing
        self._turn = asyncio.Semaphore(most)
        self._wanted: set[str] = set()
        self._next: asyncio.Task[Mapping[str, T | BaseException]] | None = None

    async def at(self, name: str) -> T:
        """The answer for this name; KeyError when the query has none. Errors as those of the query."""
        self._wanted.add(name)
        if self._next is None:
            self._next = asyncio.ensure_future(self._batch())
            # Its error belongs to all waiting callers; without one, it is dropped.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        answer = (await asyncio.shield(self._next))[name]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def _batch(self) -> Mapping[str, T | BaseException]:
        async with self._turn:
            wanted, self._wanted, self._next = sorted(self._wanted), set(), None
            try:
                return await self._query(wanted)
            except self._missing:  # it must not hide the others
                alone = await asyncio.gather(*(self._query([name]) for name in wanted), return_exceptions=True)
        together: dict[str, T | BaseException] = {}
        for name, answers in zip(wanted, alone, strict=True):
            together |= {name: answers} if isinstance(answers, BaseException) else answers
        return together
