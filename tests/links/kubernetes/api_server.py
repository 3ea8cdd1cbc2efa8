"""A small API server in the test's own process: for rare answers of a real one, and cuts at a chosen moment."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

TOKEN = "a-token-that-nobody-may-see"

PODS = {"resource": "pods", "responseKind": {"kind": "Pod"}, "scope": "Namespaced", "singularResource": "pod",
        "shortNames": ["po"], "verbs": ["list", "watch"]}  # fmt: skip
DEPLOYMENTS = {"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced",
               "singularResource": "deployment", "shortNames": ["deploy"], "verbs": ["list"]}  # fmt: skip


def pod(name: str, version: int, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": {**metadata, "managedFields": [{"manager": "x"}]}, **more}


class ApiServer:
    """Lists `pods`, and streams what a test puts into `events`; `None` there cuts the stream."""

    def __init__(self) -> None:
        self.pods: list[dict[str, Any]] = []
        self.version = 10
        self.events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.lists = 0
        self.release: asyncio.Event | None = None
        """An answer to a list is made, and waits for it."""
        self.watched: list[str] = []
        """The resource versions that watches began with."""
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.refuse_watch: tuple[int, dict[str, Any]] | None = None
        self.discoveries = 0
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/api", self._core), web.get("/apis", self._groups),
                        web.get("/api/v1/namespaces/shop/pods", self._pods),
                        web.get("/api/v1/namespaces/shop/pods/{name}", self._pod)])  # fmt: skip
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        assert self._runner is not None
        self.events.put_nowait(None)
        await self._runner.cleanup()

    async def _core(self, request: web.Request) -> web.Response:
        self.discoveries += 1
        return _discovery([{"metadata": {}, "versions": [{"version": "v1", "resources": [PODS]}]}])

    async def _groups(self, request: web.Request) -> web.Response:
        return _discovery([{"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [DEPLOYMENTS]}]}])

    async def _pod(self, request: web.Request) -> web.Response:
        for one in self.pods:
            if one["metadata"]["name"] == request.match_info["name"]:
                return web.json_response(one)
        return _status(404, {"reason": "NotFound", "message": "pods not found"})

    async def _pods(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        if "watch" not in request.query:
            self.lists += 1
            if self.refusal:
                return _status(*self.refusal)
            answer = web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": self.pods})
            if self.release:
                await self.release.wait()
            return answer
        self.watched.append(request.query["resourceVersion"])
        if self.refuse_watch:
            refusal, self.refuse_watch = self.refuse_watch, None
            return _status(*refusal)
        stream = web.StreamResponse()
        await stream.prepare(request)
        while (event := await self.events.get()) is not None:
            await stream.write(json.dumps(event).encode() + b"\n")
        if request.transport is not None:
            request.transport.abort()
        return stream


def _discovery(items: list[dict[str, Any]]) -> web.Response:
    return web.json_response({"kind": "APIGroupDiscoveryList", "items": items})


def _status(code: int, more: dict[str, Any]) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, **more}, status=code)


@asynccontextmanager
async def api_server() -> Any:
    server = ApiServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def kubeconfig(folder: Path, port: int, **user: Any) -> str:
    file = folder / "kubeconfig"
    file.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me", "namespace": "shop"}}],
        "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": user or {"token": TOKEN}}],
    }))  # fmt: skip
    return str(file)
