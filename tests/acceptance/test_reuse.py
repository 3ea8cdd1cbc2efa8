"""`reuse: snapshot` by the real command, on a provider whose snapshots are copies of its nodes' disks."""

from __future__ import annotations

import signal

import pytest
from tests.acceptance.harness import Document, Project, kill_at_records, until, validate

PLUGIN = '''
import shutil
from dataclasses import dataclass
from pathlib import Path
from seatrial import provider
from seatrial.providers.local import Local, LocalSettings
from seatrial.spi import Powers

@dataclass(frozen=True, kw_only=True)
class DisksSettings(LocalSettings):
    breaks: str = ""

@provider("disks")
class Disks(Local):
    """Local nodes whose snapshots are copies of their disks."""

    powers = frozenset(Powers)

    Settings = DisksSettings

    def __init__(self, settings):
        super().__init__(settings)
        self._breaks = settings.breaks

    async def snapshot(self, nodes, name):
        for node in nodes:
            await self.pause(node)
            shutil.copytree(node.folder, Path(node.detail["folder"]) / name)
            await self.resume(node)

    async def revert(self, nodes, name):
        if self._breaks:
            raise OSError(self._breaks)
        for node in nodes:
            await self.crash(node)
            shutil.rmtree(node.folder)
            shutil.copytree(Path(node.detail["folder"]) / name, node.folder)
            await self.start(node)
'''

SUITE = {
    "workflow": [
        {"step": "init"},
        {"step": "deploy"},
        validate("cluster_status", "data_integrity"),
        {"step": "crash_node", "target_node": "n11", "method": "destroy"},
        {"step": "destroy"},
        validate("cluster_status==destroyed"),
    ]
}


def document(project: Project, *names: str, size: int = 3, breaks: str = "") -> tuple[str, str, str]:
    (project.folder / "plugin.py").write_text(PLUGIN)
    (project.folder / "seatrial.toml").write_text(f'plugins = ["plugin.py"]\n[providers.disks]\nbreaks = "{breaks}"\n')
    suites: Document = {name: {**SUITE, "parameters": {"cluster_size": size}} for name in names}
    project.write("a.json", {"provider": "disks", "reuse": "snapshot", "test_suites": suites})
    return "a.json", "--format", "plain"


def deployed(project: Project) -> dict[str, tuple[bool, str]]:
    """By suite: whether its cluster was brought back, and the suite that deployed it."""
    rows = project.results()["results"]
    names = {row["trial_id"]: row["name"] for row in rows}
    told = {row["name"]: row["workflow_steps"][1]["outputs"] for row in rows}
    return {name: (outputs["reused"], names[outputs["deployed_by"]]) for name, outputs in told.items()}


def test_later_suites_start_from_what_the_first_one_deployed(project: Project) -> None:
    done = project.seatrial("run", *document(project, "one", "two", "three"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert deployed(project) == {"one": (False, "one"), "two": (True, "one"), "three": (True, "one")}
    assert "snapshot kept for later suites" in done.stdout
    assert done.stdout.count("not deployed: restored from the snapshot of one") == 2
    made = [event["data"]["name"] for event in project.events() if event["data"].get("op") == "made"]
    assert len([name for name in made if name.endswith(("-n11", "-n12", "-n13"))]) == 3
    assert project.left() == []


def test_a_snapshot_that_does_not_come_back_is_said_and_every_suite_deploys(project: Project) -> None:
    done = project.seatrial("run", *document(project, "one", "two", breaks="the disk is bad"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert deployed(project) == {"one": (False, "one"), "two": (False, "two")}
    assert "and this suite deploys from scratch: " in done.stdout
    assert "the disk is bad" in done.stdout
    assert project.left() == []


def test_a_signal_while_a_later_suite_has_the_cluster_gives_it_back(project: Project) -> None:
    process = project.start("run", *document(project, "one", "two", "three"))
    until(lambda: any(event["data"].get("op") == "reused" for event in project.events()), "the reuse", 300)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, out + err
    assert project.left() == []


@pytest.mark.slow
def test_killed_anywhere_and_cleaned_nothing_is_left(tmp_path) -> None:
    def make(project: Project) -> tuple[str, ...]:
        return document(project, "one", "two", size=1)

    assert kill_at_records(tmp_path, make, [Project.left], when="after", first=3, step=5) >= 3
