"""Replication: majority writes, majority reads, and repair of outdated nodes.

A write asks a majority for their versions, takes a greater one, syncs it here first (so a version seen by anyone is
never reused for a second value after a crash), and then has a majority sync it. A read takes the newest of a majority
and makes sure a majority holds it before answering, so two reads never go back in time. A write without an
acknowledgement may still become visible: its outcome is unknown, as after any lost answer. All this relies on each node
finding its log again: a node with a deleted folder has forgotten its promises.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from seatrial.sample.http import Client, Refused, Unreachable
from seatrial.sample.store import Record, Store

PING_EVERY = 0.1
PINGS = 20
"""Peers of one node before its pings become rarer: the pings of a cluster grow with the square of its size."""
PING_TIMEOUT = 0.3
READ_TIMEOUT = 0.5
WRITE_TIMEOUT = 1.0
REPAIR_TIMEOUT = 2.0
REPAIR_EVERY = 0.1
VERSIONS_AT_ONCE = 5_000
BYTES_AT_ONCE = 1024 * 1024

Answer = TypeVar("Answer")


class NoMajority(Exception):
    """Fewer than a majority of the nodes did the operation; the text names the others, with reasons."""


class Peer(Client):
    """Another node, as the last ping saw it; `boot` and `mark` name its process and how many writes it had applied."""

    up = False
    boot = ""
    mark = 0


class Cluster:
    """One node's part in the agreement."""

    def __init__(
        self, name: str, peers: Sequence[Peer], store: Store, say: Callable[[str], None], pace: float = 1.0
    ) -> None:
        self.name = name
        self.peers = peers
        self.size = len(peers) + 1
        self.majority = self.size // 2 + 1
        self._store = store
        self._say = say
        self._pace = pace
        self._ping_every = pace * PING_EVERY * max(1.0, len(peers) * self.size / PINGS**2 * 2)
        self._boot = os.urandom(8).hex()
        self._issued = 0
        self._late: set[asyncio.Task[Any]] = set()

    @property
    def held(self) -> int:
        return len(self._store.records)

    def up(self) -> list[str]:
        """The nodes up in this node's view, itself included, in the order of their names."""
        return sorted([self.name, *(peer.name for peer in self.peers if peer.up)])

    async def watch(self) -> None:
        """Ping and repair until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for place, peer in enumerate(self.peers):
                    group.create_task(self._ping(peer, place / len(self.peers)))
                    group.create_task(self._repair(peer))
        finally:
            for task in self._late:
                task.cancel()
            for peer in self.peers:
                peer.close()

    async def put(self, key: str, value: str) -> Record:
        """Write; returns once a majority has synced it, raises NoMajority otherwise."""
        seen = await self._newest(key)
        self._issued = max(self._issued, self._store.highest, seen[0].counter if seen else 0) + 1
        record = Record(key, self._issued, self.name, value)
        await self._spread(record)
        return record

    async def get(self, key: str) -> Record | None:
        """The newest record of the key at a majority, or None; raises NoMajority."""
        seen = await self._newest(key)
        if seen is None:
            return None
        record, holders = seen
        if holders < self.majority:
            await self._spread(record)
        return record

    async def keys(self) -> list[str]:
        """Every key at a majority, sorted; raises NoMajority."""
        calls = [peer.call("/replica/keys", {}, self._pace * READ_TIMEOUT) for peer in self.peers]
        answers = await self._from_majority({"keys": list(self._store.records)}, calls)
        return sorted({key for answer in answers for key in answer["keys"]})

    async def replica(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Answer a peer's call of `/replica/...`; raises Refused for any other path."""
        match path:
            case "/replica/ping":
                return {"node": self.name, "boot": self._boot, "mark": len(self._store.order)}
            case "/replica/read":
                return {"record": self._store.records.get(content["key"])}
            case "/replica/keys":
                return {"keys": list(self._store.records)}
            case "/replica/store":
                await self._store.append([Record(*fields) for fields in content["records"]])
                return {}
            case "/replica/since":
                return self._since(content["boot"], content["mark"])
            case "/replica/fetch":
                return {"records": list(self._fetch(content["keys"]))}
        raise Refused(404, f"no route {path}")

    async def _newest(self, key: str) -> tuple[Record, int] | None:
        calls = [peer.call("/replica/read", {"key": key}, self._pace * READ_TIMEOUT) for peer in self.peers]
        answers = await self._from_majority({"record": self._store.records.get(key)}, calls)
        found = [Record(*answer["record"]) for answer in answers if answer["record"] is not None]
        if not found:
            return None
        newest = max(found, key=lambda record: record.version)
        return newest, sum(record.version == newest.version for record in found)

    async def _spread(self, record: Record) -> None:
        try:
            await self._store.append([record])
        except OSError as error:
            raise NoMajority(f"{self.name} cannot write its log: {error}") from error
        calls = [peer.call("/replica/store", {"records": [record]}, self._pace * WRITE_TIMEOUT) for peer in self.peers]
        await self._from_majority({}, calls)

    async def _from_majority(self, own: Answer, calls: Iterable[Coroutine[Any, Any, Answer]]) -> list[Answer]:
        """This node's own answer and the first of the peers' to make a majority; the other calls continue."""
        answers, reasons = [own], []
        waiting = {asyncio.create_task(call) for call in calls}
        self._late |= waiting
        for task in waiting:
            task.add_done_callback(self._let_go)
        while len(answers) < self.majority and waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                failure = task.exception()
                if failure is None:
                    answers.append(task.result())
                elif isinstance(failure, Unreachable):
                    reasons.append(str(failure))
                else:
                    raise failure
        if len(answers) < self.majority:
            text = "; ".join(sorted(reasons))
            raise NoMajority(f"{len(answers)} of {self.size} nodes answered, but {self.majority} are needed: {text}")
        return answers

    def _let_go(self, task: asyncio.Task[Any]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # a late failure decides nothing; the ping and the repair take care of this peer

    async def _ping(self, peer: Peer, share: float) -> None:
        """Ping a peer again and again; the first pause is longer by a share, so that not all peers come at once."""
        clock = asyncio.get_running_loop().time
        while True:
            due, share = clock() + (1 + share) * self._ping_every, 0.0
            up = False
            try:
                answer = await peer.call("/replica/ping", {}, self._pace * PING_TIMEOUT)
                up = answer["node"] == peer.name  # another service may have taken over the address
                reason = "" if up else f"{answer['node']!r} answers in its place"
            except Unreachable as error:
                reason = str(error)
            else:
                peer.boot, peer.mark = answer["boot"], answer["mark"]
            if up != peer.up:
                peer.up = up
                self._say(f"peer {peer.name} is up" if up else f"peer {peer.name} is down: {reason}")
            await asyncio.sleep(max(0.0, due - clock()))

    async def _repair(self, peer: Peer) -> None:
        boot, mark, said = "", 0, ""
        while True:
            if peer.up and (boot, mark) != (peer.boot, peer.mark):
                try:
                    boot, mark = await self._pull(peer, boot, mark)
                    said = ""
                except (Unreachable, OSError) as error:
                    if str(error) != said:  # log a lasting failure only once
                        said = str(error)
                        self._say(f"repair from {peer.name} postponed: {said}")
            await asyncio.sleep(self._pace * REPAIR_EVERY)

    async def _pull(self, peer: Peer, boot: str, mark: int) -> tuple[str, int]:
        """Copy the records applied by the peer after the mark and missing here; returns the new mark."""
        news = await peer.call("/replica/since", {"boot": boot, "mark": mark}, self._pace * REPAIR_TIMEOUT)
        store = self._store
        lacking = {key for key, counter, node in news["versions"] if (counter, node) > store.version(key)}
        taken = 0
        while lacking:
            answer = await peer.call("/replica/fetch", {"keys": list(lacking)}, self._pace * REPAIR_TIMEOUT)
            records = [Record(*fields) for fields in answer["records"]]
            if not records:
                raise Unreachable(f"{peer.name} lists {len(lacking)} records but does not return them")
            await store.append(records)
            taken += len(records)
            lacking -= {record.key for record in records}
        if taken:
            self._say(f"caught up {taken} records from {peer.name}")
        return news["boot"], news["mark"]

    def _since(self, boot: str, mark: int) -> dict[str, Any]:
        start = mark if boot == self._boot else 0
        keys = self._store.order[start : start + VERSIONS_AT_ONCE]
        versions = [(key, *self._store.version(key)) for key in dict.fromkeys(keys)]
        return {"boot": self._boot, "mark": start + len(keys), "versions": versions}

    def _fetch(self, keys: Iterable[str]) -> Iterable[Record]:
        size = 0
        for key in keys:
            record = self._store.records.get(key)
            if record is None:
                continue
            yield record
            size += len(key) + len(record.value)
            if size > BYTES_AT_ONCE:
                return
