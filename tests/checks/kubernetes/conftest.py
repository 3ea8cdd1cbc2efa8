"""A cluster of these tests' own: its parts are killed and paused."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts.cluster.cluster import Cluster as Programs
from scripts.cluster.control_plane import PORT
from tests.checks.kubernetes.driving import LIMIT, Phase, Run
from tests.checks.kubernetes.independent import Independent

import seatrial
from seatrial.links.kubernetes import Access, Cluster, connect


@dataclass
class Scene:
    """The cluster, with a namespace for each row."""

    programs: Programs
    folder: Path

    def with_cluster(self, act: Any, seconds: float = 60) -> Any:
        """The result of `await act(cluster)`."""

        async def run() -> Any:
            cluster = await connect(Access(kubeconfig=str(self.programs.kubeconfig)))
            try:
                async with asyncio.timeout(seconds):
                    return await act(cluster)
            finally:
                await cluster.close()

        return asyncio.run(run())

    async def look(self, *checks: object, within: float | None = None) -> dict[str, Any]:
        """The only check's result in a suite of its own; `within`: waiting so long."""
        step: dict[str, object] = {"step": "validate", "checks": list(checks)}
        if within is not None:
            step["retry"] = {"timeout": within}
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        document = folder / "row.yaml"
        document.write_text(yaml.safe_dump({"test_suites": {"row": {"workflow": [step]}}}))
        report = await seatrial.run(document, project=folder, report_dir=folder / "report")
        (result,) = report.results["results"]
        (row,) = result["workflow_steps"]
        return row["validation_results"][0] if row.get("validation_results") else row

    def drive(self, rows: Mapping[str, Sequence[Phase]], **more: Any) -> Run:
        """Run rows of the readiness table to their ends."""
        plane = self.programs.plane
        assert plane is not None
        run = Run(self.programs.kubeconfig, rows, address=(plane.address, PORT), **more)

        async def act(cluster: Cluster) -> None:
            async with Independent(f"https://{plane.address}:{PORT}", plane.keys) as independent:
                await run.drive(cluster, independent, self.folder)

        self.with_cluster(act, 3 * LIMIT)
        return run

    def check(self, name: str, namespace: str, /, *, within: float | None = None, **keys: object) -> dict[str, Any]:
        """What a check says."""
        return asyncio.run(self.look(self.one(name, namespace, **keys), within=within))

    def one(self, name: str, namespace: str, /, **keys: object) -> dict[str, object]:
        """A check as in a document."""
        where = {"kubeconfig": str(self.programs.kubeconfig), "namespace": namespace}
        return {"check": name, **where, **keys}


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="sk"))
    programs = Programs(folder / "c")
    programs.start()
    try:
        yield Scene(programs, tmp_path_factory.mktemp("rows"))
    finally:
        left = programs.stop()
        shutil.rmtree(folder, ignore_errors=True)
        assert not left
