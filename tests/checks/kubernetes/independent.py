"""What the API server knows and since when, by watches that share no code with Seatrial's."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

Object = dict[str, Any]
See = Callable[[str], Sequence[Object]]
"""The objects of a resource in one namespace, or without any."""
Knows = Callable[[See], object]

WATCHED = {
    "pods": "/api/v1/pods",
    "configmaps": "/api/v1/configmaps",
    "events": "/api/v1/events",
    "nodes": "/api/v1/nodes",
    "resourcequotas": "/api/v1/resourcequotas",
    "deployments": "/apis/apps/v1/deployments",
    "statefulsets": "/apis/apps/v1/statefulsets",
    "daemonsets": "/apis/apps/v1/daemonsets",
    "jobs": "/apis/batch/v1/jobs",
    "budgets": "/apis/policy/v1/poddisruptionbudgets",
    "slices": "/apis/discovery.k8s.io/v1/endpointslices",
    "definitions": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
}


class Independent:
    """All of it, while the block lasts."""

    def __init__(self, server: str, keys: Path) -> None:
        self._server = server
        self._tls = ssl.create_default_context(cafile=keys / "ca.crt")
        self._tls.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        self._tls.load_cert_chain(keys / "admin.crt", keys / "admin.key")
        self._objects: dict[tuple[str, str], dict[str, Object]] = defaultdict(dict)
        self._waiting: dict[asyncio.Future[float], tuple[str, Knows]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._transports: list[asyncio.WriteTransport] = []
        self._listed: dict[str, asyncio.Event] = {name: asyncio.Event() for name in WATCHED}

    async def __aenter__(self) -> Independent:
        self._session = aiohttp.ClientSession(
            self._server, connector=aiohttp.TCPConnector(ssl=self._tls, limit=0), read_bufsize=2**22
        )
        self._tasks = [asyncio.create_task(self._follow(name)) for name in WATCHED]
        for listed in self._listed.values():
            await asyncio.wait_for(listed.wait(), 60)
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self._session.connector is not None
        await self._session.connector.close(abort_ssl=True)
        await self._session.close()
        for transport in self._transports:
            transport.abort()
        await asyncio.sleep(0.05)  # an aborted transport closes its socket in a later turn of the loop

    async def until(self, namespace: str, knows: Knows) -> float:
        """Wait until the API server knows it; since when, in seconds since 1970."""
        if knows(self._see(namespace)):
            return time.time()
        waiting: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = namespace, knows
        return await waiting

    def _see(self, namespace: str) -> See:
        return lambda name: [*self._objects[name, namespace].values(), *self._objects[name, ""].values()]

    async def _follow(self, name: str) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2)
        while True:
            try:
                query = {"watch": "1", "sendInitialEvents": "true", "allowWatchBookmarks": "true",
                         "resourceVersionMatch": "NotOlderThan"}  # fmt: skip
                async with self._session.get(WATCHED[name], params=query, timeout=timeout) as answer:
                    if answer.connection is not None and answer.connection.transport is not None:
                        self._transports.append(answer.connection.transport)
                    rest = b""
                    async for piece in answer.content.iter_any():
                        at = time.time()
                        *lines, rest = (rest + piece).split(b"\n")
                        for line in lines:
                            self._take(name, json.loads(line), at)
            except (aiohttp.ClientError, OSError, ValueError):
                pass  # the server is killed or paused: this is what some rows are about
            await asyncio.sleep(0.02)

    def _take(self, resource: str, event: Mapping[str, Any], at: float) -> None:
        thing = event["object"]
        metadata = thing.get("metadata") or {}
        if event["type"] == "BOOKMARK":
            self._listed[resource].set()
            return
        if event["type"] == "ERROR":
            raise ValueError(thing.get("message"))
        namespace, name = metadata.get("namespace") or "", metadata["name"]
        if event["type"] == "DELETED":
            self._objects[resource, namespace].pop(name, None)
        else:
            self._objects[resource, namespace][name] = thing
        for waiting, (where, knows) in list(self._waiting.items()):
            if (not namespace or where == namespace) and knows(self._see(where)):
                del self._waiting[waiting]
                if not waiting.done():
                    waiting.set_result(at)
