"""Files of this machine for a service, copied to its node at deploy before the service starts."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from seatrial.errors import CannotTell, UsageError
from seatrial.model.resource import Node
from seatrial.spi import Context

SKIPPED = ("__pycache__",)
"""Folders never copied."""


def listed(files: Mapping[str, str], folder: Path) -> list[tuple[Path, str]]:
    """Each file here and its path on the node; a folder means every file in it. UsageError when one does not exist."""
    found: list[tuple[Path, str]] = []
    for here, there in files.items():
        local = folder / here
        if local.is_dir():
            found += [(one, f"{there.rstrip('/')}/{one.relative_to(local).as_posix()}") for one in _within(local)]
        elif local.is_file():
            found.append((local, f"{there}{local.name}" if there.endswith("/") else there))
        else:
            raise UsageError(f"`files` of the system names {here}, but {local} does not exist")
    return found


def _within(folder: Path) -> Iterator[Path]:
    for one in sorted(folder.rglob("*")):
        if one.is_file() and not any(part in SKIPPED for part in one.relative_to(folder).parts):
            yield one


async def place(ctx: Context, node: Node, files: Mapping[str, str], folder: Path) -> None:
    """Copy files of this machine to the node, executable if they are so here."""
    pairs = await asyncio.to_thread(listed, files, folder)
    if not pairs:
        return
    link = ctx.link(node)
    folders = sorted({there.rpartition("/")[0] for _, there in pairs if "/" in there})
    await _obeyed(ctx, node, "mkdir -p -- " + shlex.join(one or "/" for one in folders) if folders else "true")
    for here, there in pairs:
        await link.put(here, there)
    programs = [there for here, there in pairs if os.access(here, os.X_OK)]
    if programs:
        await _obeyed(ctx, node, f"chmod +x -- {shlex.join(programs)}")


async def _obeyed(ctx: Context, node: Node, command: str) -> None:
    done = await ctx.link(node).run(command, timeout=60)
    if not done.ok:
        raise CannotTell(f"cannot copy files to {node.name}: {done.stderr.strip() or f'exit code {done.exit_code}'}")
