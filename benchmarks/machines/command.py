"""The real command in a project of its own, and the moments that its journal tells of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import RunFailed

FOREIGN = ("SEATRIAL_", "E2E_", "GITHUB_")


class Run:
    """One `seatrial run` that ended well: when it was begun, and what happened when."""

    def __init__(self, begun: float, ended: float, report: Path) -> None:
        self.begun, self.ended = begun, ended
        self.events = [json.loads(line) for line in (report / "events.jsonl").read_text().splitlines()]
        self.results: dict[str, Any] = json.loads((report / "results.json").read_text())

    def finished(self, type: str) -> float:
        """Seconds from the start of the process to the end of the first step of this type."""
        ends = [one["at"] for one in self.events if one["kind"] == "step_finished" and one["data"]["type"] == type]
        return float(ends[0]) - self.begun

    def nodes_stood(self) -> float:
        """Seconds until the last node was made: where nodes have SSH, a command has run on each by then."""
        stood = [one["at"] for one in self.events if one["kind"] == "node" and one["data"].get("why") == "created"]
        return float(max(stood)) - self.begun

    def steps(self, type: str) -> list[dict[str, Any]]:
        """The steps of this type as the results have them."""
        return [step for row in self.results["results"] for step in row["workflow_steps"] if step["step_type"] == type]


def run(
    scratch: Path, document: Mapping[str, Any] | Path, providers: Mapping[str, Mapping[str, Any]], *options: str
) -> Run:
    """Run a document in a new project with these settings of providers; RunFailed when it did not pass."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    tables = [
        f"[providers.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
        for name, settings in providers.items()
    ]
    (folder / "seatrial.toml").write_text("\n".join(tables))
    if not isinstance(document, Path):
        (folder / "suite.json").write_text(json.dumps(document))
        document = folder / "suite.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment |= {"XDG_STATE_HOME": str(folder / "state"), "SEATRIAL_CACHE_DIR": os.environ["SEATRIAL_CACHE_DIR"]}
    argv = [sys.executable, "-m", "seatrial", "run", str(document), "--report-dir", "report", "--format", "none"]
    begun = time.time()
    done = subprocess.run(
        [*argv, *options], cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    ended = time.time()
    if done.returncode:
        said = (folder / "report" / "results.json").read_text()[:3000] if (folder / "report").exists() else ""
        raise RunFailed(f"seatrial ended with {done.returncode}: {done.stderr[-1000:]}{said}")
    return Run(begun, ended, folder / "report")


def three_nodes(provider: str, **parameters: object) -> dict[str, Any]:
    """A suite that makes three nodes and asks each over SSH; its service is the least there is."""
    system = {
        "kind": "processes",
        "service": {"command": ["sleep", "86400"], "folder": "/var/lib/seatrial"},
        "health": {"command": ["true"], "timeout": "60s"},
    }
    workflow = [{"step": "init"}, {"step": "deploy"}, {"step": "validate", "checks": ["ssh_connectivity"]}]
    suite = {"provider": provider, "parameters": {"cluster_size": 3, **parameters}, "workflow": workflow}
    return {"system": system, "test_suites": {"three": suite}}
