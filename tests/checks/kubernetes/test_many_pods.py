"""A thousand pods on hollow nodes, watched by fifty checks of one suite."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from pathlib import Path

import pytest
from tests.acceptance.harness import Project
from tests.checks.kubernetes.driving import LIMIT, LOOKS, prepare
from tests.checks.kubernetes.hollow import GROUPS, IN_A_GROUP, Hollow

pytestmark = pytest.mark.backend("a cluster of its own")

MEMORY = 200
"""MB of the whole process, at most."""
QUIET = 5.0
"""Seconds in which nothing changes."""


async def requests(cluster, resource, scope):
    """Open watches and all requests until now, by the API server's own metrics, of one resource and scope."""
    text = (await cluster.wire.ask("GET", "/metrics", "metrics", accept="text/plain")).decode()
    wanted = {f'resource="{resource}"', f'scope="{scope}"'}

    def total(metric):
        found = re.findall(rf"^{metric}\{{(.*)\}} (\S+)$", text, re.MULTILINE)
        return sum(float(value) for labels, value in found if wanted <= set(labels.split(",")))

    return total("apiserver_longrunning_requests"), total("apiserver_request_total")


async def settled(cluster, resource, scope):
    """The same, once two readings agree: the server counts a request when it has answered."""
    before = await requests(cluster, resource, scope)
    while True:
        await asyncio.sleep(1)
        now = await requests(cluster, resource, scope)
        if now == before:
            return now
        before = now


def peak(process):
    """MB that a process has had at most; None once it has ended, be it waited for or not."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else None


def looked(looks):
    """The groups that a check has seen: `… 0 of 20 pods with app=g7 are ready; …`."""
    return set(re.findall(r"pods with (app=g\d+) are", looks.read_text()))


async def within(holds):
    async with asyncio.timeout(LIMIT):
        while not holds():
            await asyncio.sleep(0.05)


def test_a_thousand_pods_cost_one_watch_and_no_request_while_nothing_changes(scene, tmp_path):
    project = Project(tmp_path)
    where = {"kubeconfig": str(scene.programs.kubeconfig), "namespace": "thousand", "count": IN_A_GROUP}
    checks = [{"check": "pods_ready", "labels": f"app=g{group}", **where} for group in range(GROUPS)]
    step = {"step": "validate", "checks": checks, "retry": {"timeout": LIMIT}, "max_concurrent": GROUPS}
    document = project.write("thousand.json", {"test_suites": {"thousand": {"workflow": [step]}}})
    looks = tmp_path / "looks.jsonl"
    looks.touch()

    async def test(cluster):
        await prepare(cluster, "thousand")
        async with Hollow(cluster, "thousand").pods():
            others, _ = await settled(cluster, "nodes", "cluster")
            made = await settled(cluster, "pods", "namespace")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "seatrial", "run", str(document), "--plugin", str(LOOKS),
                "--report-dir", str(tmp_path / "report"), "--format", "none", cwd=tmp_path,
                env={**project.environment, "SEATRIAL_TEST_LOOKS": str(looks)}, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                await within(lambda: len(looked(looks)) == GROUPS)
                assert (await settled(cluster, "nodes", "cluster"))[0] - others == 1
                before = await settled(cluster, "pods", "namespace")
                assert before[0] - made[0] == 1
                await asyncio.sleep(QUIET)
                assert await requests(cluster, "pods", "namespace") == before
                memory = peak(process)
                assert memory is not None, "the run ended before a pod was ready"
                hollow = Hollow(cluster, "thousand")
                known = []
                for group in range(GROUPS):
                    await hollow.make_ready(group)
                    known.append(time.time())
                    memory = peak(process) or memory
                await within(lambda: process.returncode is not None or _all_passed(tmp_path / "report"))
                memory = peak(process) or memory
                _, said = await process.communicate()
            finally:
                if process.returncode is None:
                    process.terminate()
                    await process.communicate()
            assert process.returncode == 0, said.decode()
            after = await settled(cluster, "pods", "namespace")
            return known, memory, after[1] - before[1]

    known, memory, lists = scene.with_cluster(test, 3 * LIMIT)
    events = [json.loads(line) for line in (tmp_path / "report" / "events.jsonl").read_text().splitlines()]
    passed = sorted(one["at"] for one in events if one["kind"] == "check_observed")
    delays = [noticed - at for at, noticed in zip(known, passed, strict=True)]  # they become ready one after another
    slow = f"median {statistics.median(delays):.3f} s, the last {delays[-1]:.3f} s"
    print(f"\n{memory:.0f} MB, {lists:.0f} requests for {GROUPS} passes, noticed: {slow}")
    assert memory < MEMORY
    assert lists <= 2 * GROUPS  # a list of two pages confirms each pass


def _all_passed(report):
    return (report / "events.jsonl").read_text().count('"check_observed"') == GROUPS
