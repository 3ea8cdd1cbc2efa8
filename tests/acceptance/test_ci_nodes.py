"""The nodes that a workflow tells of are reached over SSH, and measured."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.github_project import FILES, REPOSITORY, Port, document, scripted
from tests.acceptance.harness import validate
from tests.links import ssh_server

from seatrial_stand_ins.github import GitHubServer, Script


@contextmanager
def machine(folder: Path) -> Iterator[ssh_server.Server]:
    """A machine that answers SSH, in a thread."""
    ready, stop = threading.Event(), threading.Event()
    found: list[ssh_server.Server] = []

    async def main() -> None:
        async with ssh_server.serving(folder) as server:
            found.append(server)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(120)
    try:
        yield found[0]
    finally:
        stop.set()
        thread.join()


def test_nodes_are_reached_by_what_the_workflow_says_of_them(tmp_path: Path) -> None:
    keys, project = tmp_path / "keys", tmp_path / "project"
    keys.mkdir()
    project.mkdir()
    with machine(keys) as server:
        host = f"127.0.0.1:{server.port}"
        told = {"web_ip": host, "worker_ips": [host], "db_ip": ""}
        (project / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {server.known_host}\n")
        deploy = Script(artifacts={"provision-output": {"out.json": json.dumps(told)}})
        with GitHubServer(scripted(deploy=deploy)) as github:
            github.add_repository(REPOSITORY, files=FILES)
            row = Port(project, github).verdict(
                document(
                    "init",
                    "deploy",
                    validate("cluster_status", "ssh_connectivity", "all_nodes_running", "node_status:worker1"),
                    validate({"check": "command", "command": "true", "on": "web"}),
                    nodes={name: f"${{{{ outputs.{name}_ip }}}}" for name in ("web", "db")}
                    | {"worker": "${{ outputs.worker_ips }}"},
                    ssh={"key": str(keys / "key"), "known_hosts": "known_hosts"},
                )
            )
    assert row.verdict == "passed", row
