"""A port-forward beside a watch that says nothing any more."""

from __future__ import annotations

import asyncio

from tests.links.kubernetes.api_server import api_server, kubeconfig, pod

from seatrial.links.kubernetes import Access, connect
from seatrial.links.kubernetes.forwarding import Forward, target

LIMIT = 10.0


def web(name, version, *, ready):
    containers = [{"name": "main", "ready": ready, "state": {"running": {}}}]
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"phase": "Running", "conditions": conditions, "containerStatuses": containers}
    made = pod(name, version, spec={"containers": [{"name": "main"}]}, status=status)
    made["metadata"] |= {"labels": {"app": "web"}, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return made


def test_a_waiting_connection_finds_a_pod_that_the_watch_never_told_of(tmp_path):
    async def test():
        states: asyncio.Queue = asyncio.Queue()
        async with api_server() as server:
            server.pods = [web("old", 3, ready=False)]
            cluster = await connect(Access(kubeconfig=kubeconfig(tmp_path, server.port)))
            forward = Forward(cluster, target("app=web"), 80, say=lambda line: None, tell=states.put_nowait)
            listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
            port = listener.sockets[0].getsockname()[1]
            listener.close()
            await listener.wait_closed()
            serving = asyncio.create_task(forward.serve("127.0.0.1", port))
            try:
                assert "none of the pods with app=web is ready" in (await states.get())["why"]
                server.pods, server.version = [web("new", 20, ready=True)], 20
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                told = await states.get()
                assert (told["why"], told.get("pod")) == ("", "new")
                writer.close()
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
                await cluster.close()

    async def limited():
        async with asyncio.timeout(LIMIT):
            await test()

    asyncio.run(limited())
