"""One node of the sample service: `python -m seatrial.sample.service --help`.

PUT and GET /records/KEY, GET /records, /health and /leader on `--listen`; a page for people on `--admin`. With
`--misbehave` it does wrong on purpose, to try checks against it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from seatrial.sample.http import Refused, Request, Response, Server, as_json
from seatrial.sample.replication import Cluster, NoMajority, Peer
from seatrial.sample.store import LogDamaged, Store

MISBEHAVIOURS = {
    "lie_about_health": "/health always says ok, while every read and write of /records is answered 500",
    "lose_writes": "acknowledged writes 2, 5, 8, ... of a node are stored nowhere",
    "never_up": "the process runs and never listens",
    "exit_at_start": "exits with code 3 at once",
    "slow": "every answer of /health and /records takes 5 s",
    "no_admin_ui": "the admin address is not served",
    "missing_node": "the last node by name exits with code 3 at once, the others work",
}
SLOW_SECONDS = 5.0
STOP_GRACE = 0.4
LARGEST_VALUE = 1024 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Address = tuple[str, int]


def say(text: str) -> None:
    """One line to the log on standard output."""
    # A store keeps serving even if nobody reads the log or its disk is full.
    with contextlib.suppress(OSError):
        print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, flush=True)


class Service:
    """The routes of one node."""

    def __init__(self, cluster: Cluster, misbehave: frozenset[str]) -> None:
        self._cluster = cluster
        self._misbehave = misbehave
        self._acknowledged = 0
        self._counting = asyncio.Lock()

    async def answer(self, request: Request) -> Response:
        path, method = request.path, "GET" if request.method == "HEAD" else request.method
        if path.startswith("/replica/") and method == "POST":
            return as_json(200, await self._cluster.replica(path, json.loads(request.body)))
        if "slow" in self._misbehave and (path == "/health" or path.split("/")[1:2] == ["records"]):
            await asyncio.sleep(SLOW_SECONDS)
        if path == "/health" and method == "GET":
            return self._health()
        if path == "/leader" and method == "GET":
            return as_json(200, {"leader": self._cluster.up()[0]})
        if path == "/records" or path.startswith("/records/"):
            return await self._records(method, path.removeprefix("/records").removeprefix("/"), request.body)
        return as_json(404, {"error": f"no route {method} {path}; there are /records, /health and /leader"})

    async def admin(self, request: Request) -> Response:
        if request.path != "/":
            return as_json(404, {"error": f"no page {request.path}; there is /"})
        up = self._cluster.up()
        names = sorted([self._cluster.name, *(peer.name for peer in self._cluster.peers)])
        rows = "".join(f"<tr><td>{name}</td><td>{'up' if name in up else 'down'}</td></tr>" for name in names)
        page = (
            "<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>Sample admin</title></head><body>"
            f"<h1>Sample admin</h1><p>Node {self._cluster.name}, leader {up[0]}, {len(up)} of {len(names)} nodes up,"
            f" {self._cluster.held} records here.</p>"
            f"<table><tr><th>Node</th><th>State</th></tr>{rows}</table></body></html>\n"
        )
        return Response(200, page.encode("ascii"), "text/html; charset=utf-8")

    def _health(self) -> Response:
        cluster = self._cluster
        up = cluster.size if "lie_about_health" in self._misbehave else len(cluster.up())
        ok = up >= cluster.majority
        content = {"status": "ok" if ok else "no majority", "node": cluster.name, "peers_up": up, "peers": cluster.size}
        return as_json(200 if ok else 503, content)

    async def _records(self, method: str, key: str, body: bytes) -> Response:
        if "lie_about_health" in self._misbehave:
            return as_json(500, {"error": "the store refuses to serve (misbehaviour lie_about_health)"})
        try:
            match method, key:
                case "GET", "":
                    return as_json(200, await self._cluster.keys())
                case "GET", _:
                    return await self._read(key)
                case "PUT", key if key:
                    return await self._write(key, body)
        except NoMajority as error:
            return as_json(503, {"error": "no majority", "reason": str(error)})
        return as_json(405, {"error": f"{method} is not served here; PUT and GET /records/KEY and GET /records are"})

    async def _read(self, key: str) -> Response:
        record = await self._cluster.get(key)
        if record is None:
            return as_json(404, {"error": f"no record {key!r}"})
        return Response(200, record.value.encode("utf-8", "surrogateescape"), "text/plain; charset=utf-8")

    async def _write(self, key: str, body: bytes) -> Response:
        if len(body) > LARGEST_VALUE:
            raise Refused(413, f"the value has {len(body)} bytes, at most {LARGEST_VALUE} are taken")
        value = body.decode("utf-8", "surrogateescape")
        if "lose_writes" in self._misbehave:
            async with self._counting:
                if self._acknowledged % 3 == 1:
                    await self._cluster.keys()  # raises without a majority: then it does not acknowledge either
                else:
                    await self._cluster.put(key, value)
                self._acknowledged += 1
        else:
            await self._cluster.put(key, value)
        return as_json(201, {"key": key})


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"invalid address {text!r}: use HOST:PORT, for example 127.0.1.11:18001")
    return host.strip("[]"), int(port)


def peer_list(text: str) -> dict[str, Address]:
    """NAME=http://HOST:PORT,... as a table."""
    peers: dict[str, Address] = {}
    for item in text.split(","):
        name, _, url = item.partition("=")
        if not NAME.fullmatch(name) or not url.startswith("http://") or name in peers:
            raise argparse.ArgumentTypeError(f"invalid or repeated peer {item!r}: use NAME=http://HOST:PORT")
        peers[name] = address(url.removeprefix("http://").rstrip("/"))
    return peers


def misbehaviours(text: str) -> frozenset[str]:
    words = frozenset(filter(None, text.split(",")))
    if unknown := sorted(words - MISBEHAVIOURS.keys()):
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; allowed are {', '.join(MISBEHAVIOURS)}")
    return words


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; exits with code 2 when it is wrong."""
    allowed = "\n".join(f"  {word}: {meaning}" for word, meaning in MISBEHAVIOURS.items())
    parser = argparse.ArgumentParser(
        prog="seatrial.sample.service",
        description="One node of a small replicated record store.",
        epilog=f"misbehaviours:\n{allowed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", required=True, help="this node's name, one of those in --peers")
    parser.add_argument("--listen", required=True, type=address, metavar="HOST:PORT")
    parser.add_argument("--admin", required=True, type=address, metavar="HOST:PORT", help="where the admin page is")
    parser.add_argument("--peers", required=True, type=peer_list, metavar="NAME=URL,...", help="all nodes, this too")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of the log of records")
    parser.add_argument(
        "--pace", default=1.0, type=float, metavar="N", help="be N times as patient with the others (a slow machine)"
    )
    parser.add_argument("--misbehave", default=frozenset(), type=misbehaviours, metavar="WORD,...")
    options = parser.parse_args(argv)
    if options.name not in options.peers:
        parser.error(f"--peers names {', '.join(options.peers)}, but not this node, {options.name}")
    return options


async def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if "never_up" in options.misbehave:
        say(f"{options.name} never listens (misbehaviour never_up)")
        await stop.wait()
        return 0
    try:
        store = Store(options.data)
    except (LogDamaged, OSError) as error:
        say(f"{options.name} cannot use its data: {error}")
        return 1
    if store.cut:
        say(f"cut a torn last line of {store.cut} bytes from {store.path}")
    peers = [Peer(name, *where) for name, where in options.peers.items() if name != options.name]
    cluster = Cluster(options.name, peers, store, say, options.pace)
    service = Service(cluster, options.misbehave)
    servers = [(Server(service.answer, say), options.listen, "records")]
    if "no_admin_ui" not in options.misbehave:
        servers.append((Server(service.admin, say), options.admin, "admin page"))
    code = await serve(options.name, cluster, servers, stop)
    await store.close()
    return code


async def serve(
    name: str, cluster: Cluster, servers: Sequence[tuple[Server, Address, str]], stop: asyncio.Event
) -> int:
    """Listen on every address, keep in touch with the peers until told to stop, and close in good order."""
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(cluster.watch())
        code = 0
        try:
            for server, (host, port), what in servers:
                await server.listen(host, port)
                say(f"{name} serves its {what} on http://{host}:{port}")
            await stop.wait()
            say(f"{name} stops")
        except OSError as error:
            say(f"{name} cannot listen: {error}")
            code = 1
        await asyncio.gather(*(server.stop(STOP_GRACE) for server, _, _ in servers))
        watching.cancel()
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one node; returns 0 after an orderly stop, 1 when it cannot serve, 3 when told to be missing."""
    options = arguments(sys.argv[1:] if argv is None else argv)
    if "exit_at_start" in options.misbehave:
        say(f"{options.name} exits at start (misbehaviour exit_at_start)")
        return 3
    if "missing_node" in options.misbehave and options.name == max(options.peers):
        say(f"{options.name} is the missing node and exits (misbehaviour missing_node)")
        return 3
    if options.misbehave:
        say(f"{options.name} misbehaves on purpose: {', '.join(sorted(options.misbehave))}")
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
