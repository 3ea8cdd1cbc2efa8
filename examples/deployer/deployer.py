#!/usr/bin/env python3
"""A small deployer, as a team would write it: it starts the nodes of a record store on this machine, each on its own
address.

Its deployment is the current folder: deployment.json (the request), inventory.ini (the running nodes), a folder per
node. It does not depend on Seatrial; only the service is Seatrial's sample.
"""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

CONFIG, INVENTORY = Path("deployment.json"), Path("inventory.ini")
PYTHON = os.environ.get("SEATRIAL_PYTHON", sys.executable)
FAULTS = ("exit", "hang", "broken_json", "empty_inventory")


def main() -> int:
    """Run one verb; the exit code is 0 when it worked."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    init = verbs.add_parser("init", help="write down what is wanted")
    init.add_argument("--cluster-size", type=int, default=3)
    init.add_argument("--misbehave", default="", help=f"for tests of tests: {', '.join(FAULTS)}")
    for verb in ("deploy", "status", "health", "stop", "start", "destroy"):
        verbs.add_parser(verb)
    for verb in ("stop-node", "start-node", "crash-node"):
        verbs.add_parser(verb).add_argument("node")
    options = parser.parse_args()
    if options.verb == "init":
        return initialise(options.cluster_size, options.misbehave)
    if not CONFIG.is_file():
        if options.verb == "destroy":
            return 0  # there is nothing, and that is what was asked for
        print("deployer: there is no deployment here; run init first", file=sys.stderr)
        return 2
    return act(options, json.loads(CONFIG.read_text()))


def initialise(size: int, misbehave: str) -> int:
    """Choose names and ports, and save them."""
    nodes = {f"n{11 + i}": {"client": free_port(), "admin": free_port()} for i in range(size)}
    CONFIG.write_text(json.dumps({"nodes": nodes, "misbehave": misbehave}, indent=2))
    print(f"deployer: {size} nodes planned")
    return 0


def act(options: argparse.Namespace, config: dict) -> int:
    """Every verb except init."""
    nodes, fault = config["nodes"], config["misbehave"]
    if options.verb == "deploy":
        return deploy(nodes, fault)
    if options.verb == "status":
        print("{state: ready" if fault == "broken_json" else json.dumps(status(nodes)))
    elif options.verb == "health":
        print(json.dumps({name: {"store": "ok" if answers(node) else "down"} for name, node in nodes.items()}))
    elif options.verb in ("start", "start-node"):
        for name in named(options, nodes):
            start(name, nodes)
    elif options.verb in ("stop", "stop-node", "crash-node"):
        for name in named(options, nodes):
            end(name, signal.SIGKILL if options.verb == "crash-node" else signal.SIGTERM)
    else:
        destroy(nodes)
    return 0


def named(options: argparse.Namespace, nodes: dict) -> list[str]:
    """The named node, or all."""
    return [options.node] if "node" in options else list(nodes)


def deploy(nodes: dict, fault: str) -> int:
    """Start every node and write the inventory."""
    if fault == "exit":
        print("deployer: quota exceeded for instances in this region", file=sys.stderr)
        return 1
    for name in nodes:
        start(name, nodes)
    if fault == "hang":
        signal.pause()
    here = "ansible_host=127.0.0.1 ansible_connection=local"
    lines = [f"{name} {here} client_port={p['client']} admin_port={p['admin']}" for name, p in nodes.items()]
    INVENTORY.write_text("\n".join(["[store]", *([] if fault == "empty_inventory" else lines), ""]))
    print(f"deployer: {len(nodes)} nodes started")
    return 0


def destroy(nodes: dict) -> None:
    """End every node and remove all its files."""
    for name in nodes:
        end(name, signal.SIGKILL)
        shutil.rmtree(name, ignore_errors=True)
    INVENTORY.unlink(missing_ok=True)
    CONFIG.unlink()


def status(nodes: dict) -> dict:
    """The state of the whole, in this deployer's own words."""
    up = {name: pid_of(name) is not None for name in nodes}
    well = sum(answers(node) for node in nodes.values())
    if well * 2 > len(nodes):
        state = "ready" if well == len(nodes) else "impaired"
    else:
        state = "down" if any(up.values()) else "off" if INVENTORY.exists() else "initialized"
    return {"state": state, "nodes": {name: "on" if on else "off" for name, on in up.items()}}


def answers(node: dict) -> bool:
    """Whether the node's service reports itself healthy."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{node['client']}/health", timeout=2) as answer:
            return answer.status == 200
    except (OSError, urllib.error.HTTPError):
        return False


def start(name: str, nodes: dict) -> None:
    """Start one node in the background, unless it runs."""
    if pid_of(name) is not None:
        return
    folder = Path(name)
    folder.mkdir(exist_ok=True)
    peers = ",".join(f"{peer}=http://127.0.0.1:{node['client']}" for peer, node in nodes.items())
    ports = nodes[name]
    argv = [PYTHON, "-m", "seatrial.sample.service", "--name", name, "--listen", f"127.0.0.1:{ports['client']}"]
    argv += ["--admin", f"127.0.0.1:{ports['admin']}", "--peers", peers, "--data", str(folder.resolve() / "data")]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (folder / "pid").write_text(f"{process.pid} {born(process.pid)}")


def end(name: str, number: signal.Signals) -> None:
    """Signal one node and wait until it is gone."""
    pid = pid_of(name)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    until = time.monotonic() + 10
    while pid_of(name) is not None:
        if time.monotonic() > until:
            sys.exit(f"deployer: {name} does not end")
        time.sleep(0.02)


def pid_of(name: str) -> int | None:
    """The process of a node, if it is the same process and alive."""
    try:
        pid, when = (Path(name) / "pid").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if born(int(pid)) == when else None


def born(pid: int) -> str:
    """The start time of a process; empty when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
