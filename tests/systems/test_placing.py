from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tests.systems.fakes import Bare, FakeContext, Shell, settings
from tests.systems.test_processes import state_is

from seatrial.errors import CannotTell, LinkDown, ToolMissing, UsageError
from seatrial.model.resource import Node
from seatrial.systems.processes import Processes, link_service
from seatrial.systems.processes.link_service import listed
from seatrial.systems.processes.sample import SAMPLE
from seatrial.systems.processes.settings import ProcessSettings

SERVICE: Any = SAMPLE["service"]


class Elsewhere(Bare):
    """Nodes that, as far as anybody is told, do not see the files of this machine."""

    shares_files = False


class Booting(Elsewhere):
    """Nodes whose links answer only when they were asked some times."""

    refusals = 3

    def link(self, node: Node) -> Shell:
        link = super().link(node)
        link.refuse = LinkDown(f"{node.name} boots") if self.refusals > 0 else None
        self.refusals -= 1
        return link


async def deployed(ctx: Any) -> None:
    await ctx.system.deploy(ctx)
    (one,) = await ctx.system.nodes(ctx)
    try:
        await state_is(ctx, "running")
    finally:
        await link_service.stop(ctx, one, ctx.system._services["n11"])


def context(tmp_path: Path, provider: Any, **service: Any) -> Any:
    mapping = {**SAMPLE, "service": {**SERVICE, **service}}
    system = Processes(settings(ProcessSettings, mapping), tmp_path)
    return FakeContext(tmp_path / "suite", system, provider, cluster_size=1)


def test_the_sample_brings_its_own_files_to_machines_that_are_not_this_one(tmp_path: Path) -> None:
    ctx = context(tmp_path, Elsewhere(tmp_path / "nodes"), command=["/no/such/python"])
    asyncio.run(deployed(ctx))
    files = [one.name for one in (tmp_path / "nodes/n11/python/seatrial/sample").iterdir()]
    assert sorted(files) == ["__init__.py", "http.py", "replication.py", "service.py", "store.py"]
    assert not (tmp_path / "nodes/n11/python/seatrial/__init__.py").exists(), "nothing else of Seatrial goes there"


def test_a_node_whose_link_does_not_answer_at_once_is_waited_for(tmp_path: Path) -> None:
    asyncio.run(deployed(context(tmp_path, Booting(tmp_path / "nodes"))))


def test_a_node_whose_link_never_answers_is_told_in_its_own_words(tmp_path: Path) -> None:
    provider = Booting(tmp_path / "nodes")
    provider.refusals = 10**9
    ctx = context(tmp_path, provider)
    ctx.deadline = lambda what: 0.3
    with pytest.raises(LinkDown, match="n11 boots"):
        asyncio.run(ctx.system.deploy(ctx))


def test_a_node_without_python_is_told_before_anything_is_started(tmp_path: Path) -> None:
    elsewhere = {**SERVICE["elsewhere"], "needs": ["no-such-python", "-c", "1"]}
    ctx = context(tmp_path, Elsewhere(tmp_path / "nodes"), elsewhere=elsewhere)
    with pytest.raises(
        ToolMissing, match=r"n11 cannot run the service: `no-such-python -c 1` ended there with exit code 127"
    ):
        asyncio.run(ctx.system.deploy(ctx))


def test_a_service_whose_program_is_not_there_cannot_be_judged(tmp_path: Path) -> None:
    ctx = context(tmp_path, Bare(tmp_path / "nodes"), command=["no-such-program", "--serve"])
    with pytest.raises(ToolMissing, match="n11 has no program 'no-such-program'"):
        asyncio.run(ctx.system.deploy(ctx))


def test_files_and_folders_go_where_they_are_wanted_and_stay_programs(tmp_path: Path) -> None:
    (tmp_path / "conf/below/__pycache__").mkdir(parents=True)
    for name in ("conf/a", "conf/below/b", "conf/below/__pycache__/c"):
        (tmp_path / name).write_text(name)
    program = tmp_path / "run"
    program.write_text("#!/bin/sh\nexec sleep 300\n")
    program.chmod(0o755)
    mapping = {
        "service": {
            "command": ["${{ node.folder }}/bin/run"],
            "files": {"run": "${{ node.folder }}/bin/", "conf": "${{ node.folder }}/etc/our conf"},
        },
        "health": {"command": ["test", "-f", "${{ node.folder }}/etc/our conf/below/b"]},
    }
    system = Processes(settings(ProcessSettings, mapping), tmp_path)
    ctx: Any = FakeContext(tmp_path / "suite", system, Bare(tmp_path / "nodes"), cluster_size=1)
    asyncio.run(deployed(ctx))
    there = tmp_path / "nodes/n11"
    assert (there / "etc/our conf/a").read_text() == "conf/a"
    assert os.access(there / "bin/run", os.X_OK)
    assert not (there / "etc/our conf/below/__pycache__").exists()


def test_a_file_that_is_not_here_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"names gone, but .*/gone does not exist"):
        listed({"gone": "/x"}, tmp_path)


def test_a_path_that_cannot_be_made_on_the_node_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    ctx = context(tmp_path, Bare(tmp_path / "nodes"), files={str(tmp_path / "file"): "/proc/none/x"})
    with pytest.raises(CannotTell, match="cannot copy files to n11"):
        asyncio.run(ctx.system.deploy(ctx))
