"""Commands in a container of a pod, by the API server's own exec."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.errors import CannotTell, LinkLost
from seatrial.links.kubernetes.cluster import Cluster
from seatrial.links.output import BoundedOutput
from seatrial.spi.link import Finished

STDIN, STDOUT, STDERR, RESULT = range(4)
CLOSE = 255
"""The channels of the protocol `v5.channel.k8s.io`; 255 closes another one."""

MOST = 64 * 2**20
"""Bytes kept of each stream."""

PIECE = 2**17
"""Bytes of the standard input in one message."""


async def run(
    cluster: Cluster, pod: str, command: Sequence[str], *, namespace: str = "", container: str = "", input: bytes = b"",
    timeout: float = 60.0,
) -> Finished:  # fmt: skip
    """Run a program in a container of a pod; TimeoutError when it takes too long: it may still run there then, since
    the API has no way to end it. LinkLost when the connection breaks before its result."""
    out, err = BoundedOutput(MOST), BoundedOutput(MOST)
    streams = {STDOUT: out, STDERR: err}
    async with asyncio.timeout(timeout):
        exit_code = await follow(
            cluster, pod, command, lambda channel, data: streams[channel].add(data), namespace=namespace,
            container=container, input=input,
        )  # fmt: skip
    return Finished(exit_code=exit_code, stdout=out.text(), stderr=err.text(), dropped=out.dropped + err.dropped)


async def follow(
    cluster: Cluster, pod: str, command: Sequence[str], take: Callable[[int, bytes], object], *, namespace: str = "",
    container: str = "", input: bytes = b"",
) -> int:  # fmt: skip
    """As `run`, without a time limit: the exit code. `take` gets the channel, STDOUT or STDERR, and its bytes as they
    come."""
    query = [("command", word) for word in command]
    query += [(key, "true") for key in ("stdout", "stderr", *(("stdin",) if input else ()))]
    if container:
        query.append(("container", container))
    path = f"/api/v1/namespaces/{namespace or cluster.namespace}/pods/{pod}/exec"
    what = f"exec in the pod {pod}"
    result = bytearray()
    protocols = ("v5.channel.k8s.io", "v4.channel.k8s.io")
    async with cluster.wire.socket(path, what, query=query, protocols=protocols) as socket:
        if input and socket.protocol != protocols[0]:
            raise CannotTell(f"{what}: this API server cannot end the standard input of a command")
        # At the same time: a program may write more than anybody keeps for it before it has read all of its input.
        sending = asyncio.ensure_future(_send(socket, input))
        try:
            async for message in socket:
                data = message.data
                if not isinstance(data, bytes) or not data:
                    continue
                if data[0] == RESULT:
                    result += data[1:]
                elif data[0] in (STDOUT, STDERR):
                    take(data[0], data[1:])
        finally:
            sending.cancel()
            # A program that ends before it has read all closes the way of its input.
            await asyncio.gather(sending, return_exceptions=True)
    if not result:
        raise LinkLost(f"{what}: the connection was interrupted before the command's result")
    return _exit_code(bytes(result), what)


async def _send(socket: Any, input: bytes) -> None:
    for start in range(0, len(input), PIECE):
        await socket.send_bytes(bytes([STDIN]) + input[start : start + PIECE])
    if input:
        await socket.send_bytes(bytes([CLOSE, STDIN]))


def _exit_code(result: bytes, what: str) -> int:
    status = json.loads(result)
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise CannotTell(f"{what}: {' '.join(str(status.get('message') or 'it did not start').split())}")
