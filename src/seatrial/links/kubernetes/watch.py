"""One watch for many readers: the objects of a kind as the API server has them, kept up to date."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Protocol

from seatrial.errors import CannotTell
from seatrial.links.kubernetes.answers import ApiAway, Expired, Listing, Object
from seatrial.links.kubernetes.kinds import Kind

SECONDS = 290
"""Seconds after which the server ends a watch, and it goes on with another request."""

SILENCE = 90.0
"""Seconds without an event, after which the connection counts as broken: the server sends bookmarks each minute."""

LINGER = 15.0
"""Seconds for which a watch outlives its last reader: the next look comes soon."""

PAUSES = (0.05, 0.5)
"""Seconds between tries while the API server is away: the first and the longest."""

RELIST = 3
"""Failures in a row, after which all objects are listed again."""

Key = tuple[str, str]
"""Namespace and name."""


class Source(Protocol):
    """The cluster, for its watches."""

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "") -> Listing:
        """All objects as they are now."""

    def following(
        self, kind: Kind, namespace: str, version: str, *, seconds: int, silence: float
    ) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, Object]]]:
        """Changes after a resource version."""


class Watch:
    """The objects of one kind in one namespace, or in all. Objects have no `managedFields`. Do not change them."""

    def __init__(self, source: Source, kind: Kind, namespace: str) -> None:
        self._source, self.kind, self.namespace = source, kind, namespace
        self.objects: Mapping[Key, Object] = {}
        self.problem: CannotTell | None = None
        """Why the objects may be old now: the API server is away, or refuses; None: they are current."""
        self.revision = 0
        """Grows with each change."""
        self.begun = self.listed = 0
        """The number of the last list that began, and of the last one that is in the objects."""
        self._news = asyncio.Event()
        self._first = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._readers = 0
        self._ending: asyncio.TimerHandle | None = None
        self._confirming: asyncio.Task[None] | None = None
        self._may_join = False
        self._known: dict[Key, Object] = {}
        self._version = ""

    # Readers

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Keep it alive, and wait until it has listed once, or cannot."""
        self._readers += 1
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        if self._task is None or self._task.done():
            self._first.clear()
            self._version, self.problem = "", None
            self._task = asyncio.create_task(self._follow(), name=f"watch {self.kind}")
        try:
            await self._first.wait()
            yield
        finally:
            self._readers -= 1
            if not self._readers and self._task is not None:
                self._ending = asyncio.get_running_loop().call_later(LINGER, self._end)

    @property
    def is_read(self) -> bool:
        """Whether it is kept up to date now."""
        return self._task is not None and not self._task.done()

    async def changed(self, since: int) -> None:
        """Wait until the revision is another one."""
        while self.revision == since:
            await self._news.wait()

    async def confirm(self) -> None:
        """List again, so that the objects are those of a moment after this call. One list serves all who wait for it.
        Raises the reason when they cannot be listed."""
        # A list that began before this call may be older than it: its own waiters have it, the next one is for this.
        if self._confirming is not None and not self._confirming.done() and not self._may_join:
            with suppress(CannotTell):
                await asyncio.shield(self._confirming)
        if self._confirming is None or self._confirming.done():
            self._may_join = True
            self._confirming = asyncio.create_task(self._confirmed())
            self._confirming.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await asyncio.shield(self._confirming)

    async def _confirmed(self) -> None:
        await asyncio.sleep(0)  # whoever noticed the same event joins in
        self._may_join = False
        await self._listed()

    async def close(self) -> None:
        """End the watch."""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        for task in (self._task, self._confirming):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, CannotTell):
                    await task
        self._task = self._confirming = None

    def _end(self) -> None:
        self._ending = None
        if self._task is not None and not self._readers:
            self._task.cancel()
            self._task = None

    # The watch itself

    async def _follow(self) -> None:
        pause, longest = PAUSES
        failures = 0
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                if not self._version:
                    await self._listed()
                await self._streamed()
            except Expired:
                self._version = ""
            except CannotTell as error:
                self._broke(error)
                failures += 1
                if failures % RELIST == 0:  # a server with another history never answers for this version
                    self._version = ""
            except Exception as error:  # noqa: BLE001 - a reader must never wait for a watch that has ended
                self._broke(CannotTell(f"watch {self.kind}: {type(error).__name__}: {error}"))
                self._version = ""
            if asyncio.get_running_loop().time() - begun > longest:
                pause, failures = PAUSES[0], 0
            else:
                await asyncio.sleep(pause * random.uniform(0.7, 1.0))
                pause = min(pause * 2, longest)

    async def _listed(self) -> None:
        """All objects, once more."""
        self.begun += 1
        number, version = self.begun, self._version
        try:
            listing = await self._source.list(self.kind, self.namespace)
        except CannotTell as error:
            self._broke(error)
            raise
        self.listed = max(self.listed, number)
        # What the watch or another list brought meanwhile may be later than this list.
        if self._version == version or not self._version or _later(listing.version, self._version):
            self._known = {_key(thing): _slim(thing) for thing in listing.objects}
            self._version = listing.version
        self._current()

    async def _streamed(self) -> None:
        """Changes from here on, until the server or something on the way ends the request."""
        seconds = random.randint(SECONDS - 60, SECONDS)
        opened = self._source.following(self.kind, self.namespace, self._version, seconds=seconds, silence=SILENCE)
        async with opened as changes:
            if self.problem is not None:
                self._current()
            try:
                async for change, thing in changes:
                    self._take(change, thing)
            except ApiAway:
                return  # it was cut; only if it cannot be opened again, the objects may be old

    def _take(self, change: str, thing: Object) -> None:
        version = str(thing["metadata"].get("resourceVersion") or "")
        if not _later(version, self._version):
            return  # a list was faster than the watch
        self._version = version
        if change == "BOOKMARK":
            return
        if change == "DELETED":
            self._known.pop(_key(thing), None)
        else:
            self._known[_key(thing)] = _slim({"apiVersion": self.kind.api_version, "kind": self.kind.name, **thing})
        self._tell()

    def _current(self) -> None:
        self.problem = None
        self._tell()

    def _broke(self, error: CannotTell) -> None:
        if str(self.problem) != str(error):
            self.problem = error
            self._tell()

    def _tell(self) -> None:
        self.objects = self._known
        self.revision += 1
        self._first.set()
        news, self._news = self._news, asyncio.Event()
        news.set()


def _key(thing: Mapping[str, Any]) -> Key:
    metadata = thing["metadata"]
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def _slim(thing: Object) -> Object:
    """Without the list of who set which field: it is half of the object."""
    thing["metadata"].pop("managedFields", None)
    return thing


def _later(version: str, than: str) -> bool:
    """Whether a resource version is later than another. They can be compared as numbers, by contract since Kubernetes
    1.35; where they are not numbers, what comes later is."""
    return int(version) > int(than) if version.isdigit() and than.isdigit() else version != than
