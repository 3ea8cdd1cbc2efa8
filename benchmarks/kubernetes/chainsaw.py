"""Twenty tests at four at a time, by Seatrial and by Chainsaw: a Deployment is applied, ready, checked, deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machines.told import Told, median
from benchmarks.measure import RunFailed
from scripts.cluster.images import BUSYBOX

TESTS, AT_ONCE = 20, 4
LIMIT = 0.8
FOREIGN = ("SEATRIAL_", "E2E_", "GITHUB_")

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "main", "image": BUSYBOX, "imagePullPolicy": "Never", "command": ["httpd", "-f", "-p", "8080"],
                "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
            }],
        }},
    },
}  # fmt: skip


def measure(scratch: Path, turns: int, kubeconfig: Path, chainsaw: Path) -> Told:
    """Take turns; the first is not counted."""
    by: dict[str, list[float]] = {"Seatrial": [], "Chainsaw": []}
    for turn in range(turns + 1):
        for name, seconds in (
            ("Seatrial", _seatrial(scratch, kubeconfig)),
            ("Chainsaw", _chainsaw(scratch, kubeconfig, chainsaw)),
        ):
            if turn:
                by[name].append(seconds)
    return Told(
        name=f"{TESTS} tests at {AT_ONCE} at a time: a Deployment is applied, ready, checked, deleted",
        what="Seatrial / Chainsaw",
        number=median(by["Seatrial"]) / median(by["Chainsaw"]),
        limit=LIMIT,
        unit="×",
        rows=by,
    )


def _seatrial(scratch: Path, kubeconfig: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    (folder / "web.json").write_text(json.dumps(DEPLOYMENT))
    checks: list[object] = [
        {"check": "rollout", "workload": "web"},
        {"check": "resource", "kind": "deployment", "name": "web", "that": "status.readyReplicas == 1"},
    ]
    steps = [{"step": "deploy"}, {"step": "validate", "checks": checks, "retry": {"timeout": 60}}, {"step": "destroy"}]
    system = {"kind": "kubernetes", "kubeconfig": str(kubeconfig), "manifests": ["web.json"]}
    suites = {f"t{number}": {"workflow": steps} for number in range(TESTS)}
    (folder / "suites.json").write_text(json.dumps({"system": system, "test_suites": suites}))
    argv = [sys.executable, "-m", "seatrial", "run", "suites.json", "--parallel", str(AT_ONCE)]
    seconds = _timed([*argv, "--report-dir", "report"], folder)
    results = json.loads((folder / "report" / "results.json").read_text())
    if results["totals"]["passed"] != TESTS:
        raise RunFailed(f"Seatrial: {results['totals']}")
    return seconds


def _chainsaw(scratch: Path, kubeconfig: Path, program: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    ready = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
             "status": {"readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "replicas": 1}}  # fmt: skip
    steps = [
        {"apply": {"resource": DEPLOYMENT}},
        {"assert": {"resource": ready, "timeout": "60s"}},
        {"delete": {"ref": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}},
    ]
    for number in range(TESTS):
        test = {"apiVersion": "chainsaw.kyverno.io/v1alpha1", "kind": "Test", "metadata": {"name": f"t{number}"},
                "spec": {"steps": [{"try": steps}]}}  # fmt: skip
        place = folder / f"t{number}"
        place.mkdir()
        (place / "chainsaw-test.yaml").write_text(json.dumps(test))
    argv = [str(program), "test", str(folder), "--parallel", str(AT_ONCE), "--no-color"]
    argv += ["--report-format", "JSON", "--report-path", str(folder), "--report-name", "report"]
    seconds = _timed(argv, folder, KUBECONFIG=str(kubeconfig))
    said = (folder / "output").read_text()
    if f"Passed  tests {TESTS}" not in said:
        raise RunFailed(f"Chainsaw did not pass {TESTS} tests: {said[-1000:]}")
    return seconds


def _timed(argv: list[str], folder: Path, **more: str) -> float:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment |= {"XDG_STATE_HOME": str(folder / "state"), **more}
    with (folder / "output").open("wb") as output:
        begun = time.monotonic()
        done = subprocess.run(argv, cwd=folder, env=environment, stdout=output, stderr=output, timeout=900, check=False)
        seconds = time.monotonic() - begun
    if done.returncode:
        said = (folder / "output").read_text(errors="replace")[-2000:]
        raise RunFailed(f"{argv[0]} ended with {done.returncode}:\n{said}")
    return seconds
