"""`collect` over a real link: odd names, links, and what is no file."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.links.ssh_server import serving
from tests.steps.fakes import FakeContext

from seatrial.errors import CannotTell
from seatrial.links.ssh import SSHLink
from seatrial.steps.collect import Collect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "node/logs"
    folder.mkdir(parents=True)
    return folder


def collected(tmp_path: Path, *paths: str, optional: bool = False) -> tuple[Mapping[str, Any], dict[str, str]]:
    """The outputs, and the files below the node's folder of logs with their content."""
    ctx = FakeContext(tmp_path, names=("n11",))

    async def main() -> Mapping[str, Any]:
        async with serving(tmp_path / "node") as server:
            link = SSHLink(server.node())
            ctx.link = lambda node: link
            try:
                return await Collect(paths=paths, optional=optional).run(ctx)
            finally:
                await link.close()

    try:
        outputs: Mapping[str, Any] = asyncio.run(asyncio.wait_for(main(), 30))
    except CannotTell as error:
        outputs = {"why": str(error)}
    below = ctx.artifacts / "n11" / str(tmp_path / "node/logs").lstrip("/")
    return outputs, {str(at.relative_to(below)): at.read_text() for at in sorted(below.rglob("*")) if at.is_file()}


def test_odd_names_are_collected_under_safe_ones_and_none_takes_anothers_place(tmp_path: Path, folder: Path) -> None:
    for name in (b"new\nline", b"b\303", b"a b", b"a_b", b"a\tb", b"it's", b"!x\\n", b"-n", b"z-good", b".hidden"):
        (folder / os.fsdecode(name)).write_text(ascii(name))
    outputs, files = collected(tmp_path, str(folder))
    assert sorted(files) == [
        "-n", ".hidden", "_x_n", "a_b", "a_b~2", "a_b~3", "b_", "it_s", "new_line", "z-good",
    ]  # fmt: skip
    assert len(set(files.values())) == 10
    assert outputs["count"] == 10


def test_files_behind_links_are_collected_and_a_circle_of_links_is_told(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "node/real").mkdir()
    (tmp_path / "node/real/a.log").write_text("a")
    (folder / "sub").symlink_to(tmp_path / "node/real")
    (folder / "b.log").symlink_to(tmp_path / "node/real/a.log")
    outputs, files = collected(tmp_path, f"{folder}/*")
    assert files == {"sub/a.log": "a", "b.log": "a"}
    assert not outputs["missing"]
    (folder / "circle").symlink_to(folder)
    outputs, files = collected(tmp_path, str(folder), optional=True)
    assert files["b.log"] == "a"
    assert "circle" in outputs["missing"]["n11"][0]


def test_what_is_no_file_is_named_and_the_rest_is_collected(tmp_path: Path, folder: Path) -> None:
    os.mkfifo(folder / "fifo.log")
    (folder / "gone.log").symlink_to("nowhere")
    (folder / "z.log").write_text("z")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.log"))
        outputs, files = collected(tmp_path, f"{folder}/*.log", "/nowhere/*")
    assert files == {"z.log": "z"}
    for name in ("fifo.log", "gone.log", "socket.log"):
        assert f"{folder}/{name} is not a regular file" in outputs["why"]
    assert "there is no /nowhere/*" in outputs["why"]
    assert "optional: true" in outputs["why"]


def test_a_pattern_without_files_is_missing(tmp_path: Path, folder: Path) -> None:
    outputs, _ = collected(tmp_path, str(folder / "no*"))
    assert "there is no " in outputs["why"]
