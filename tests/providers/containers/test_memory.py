"""A container that runs out of memory says so, and leaves nothing where Seatrial was called."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from scripts.images.engines import IMAGE

from seatrial.model.resource import NodeSpec
from seatrial.testing import FakeRun, flow

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]


def test_memory_that_ran_out_is_the_reason_until_the_next_boot(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    settings = {"engine": "podman", "image": IMAGE, "ssh": "no", "memory": 48}

    async def act():
        trial = FakeRun(tmp_path / "run", flow(provider="containers"), providers={"containers": settings})
        async with trial.trial() as ctx:
            provider: Any = ctx.provider
            node = await ctx.create_node(NodeSpec(name="n11"))
            assert (await ctx.link(node).run(["tail", "/dev/zero"])).exit_code == 137
            await provider.crash(node)
            assert await provider.power_reason(node) == "exited with 137: memory ran out"
            await provider.start(node)
            await provider.crash(node)
            assert await provider.power_reason(node) == "exited with 137"

    asyncio.run(act())
    assert list(Path.cwd().iterdir()) == []
