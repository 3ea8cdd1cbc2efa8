"""A service on a node of a provider without services: its files copied, started and stopped over the node's link."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from seatrial.errors import CannotTell, LinkDown, LinkLost, Overrun, ToolMissing, UsageError
from seatrial.model.resource import Node, Service
from seatrial.model.values import Argv
from seatrial.spi import Context, Finished
from seatrial.spi.link import NOT_FOUND

LOOK = 5.0
"""Seconds for a node's link to answer once."""

SKIPPED = ("__pycache__",)
"""Folders never copied."""

# Another process can receive the same id, at the latest after a reboot: the start time distinguishes them.
_STARTED = r"""started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
alive() { [ -s "$pid_file" ] && read -r pid at <"$pid_file" && [ -n "$at" ] && [ "$(started "$pid")" = "$at" ]; }
"""


def start_script(service: Service) -> str:
    """Shell text to start the service unless it runs, in its own process group, with its id in `<name>.pid`."""
    env = " ".join(f"{name}={shlex.quote(value)}" for name, value in service.env.items())
    command = f"env {env} {shlex.join(service.argv)}" if env else shlex.join(service.argv)
    return f"""{_head(service)}
alive && exit 0
mkdir -p {shlex.quote(service.folder)} && cd {shlex.quote(service.folder)} || exit 1
command -v {shlex.quote(service.argv[0])} >/dev/null || exit {NOT_FOUND}
setsid nohup {command} >>"$log_file" 2>&1 </dev/null &
echo "$! $(started $!)" >"$pid_file"
"""


def stop_script(service: Service) -> str:
    """Shell text to send the stop signal to the service's process group, and SIGKILL when its time is up."""
    tenths = max(1, round(service.stop_timeout * 10))
    return f"""{_head(service)}
alive || exit 0
kill -s {shlex.quote(service.stop_signal)} -- "-$pid" 2>/dev/null || kill -s {shlex.quote(service.stop_signal)} "$pid"
left={tenths}
while alive && [ "$left" -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
alive && {{ kill -s KILL -- "-$pid" 2>/dev/null || kill -s KILL "$pid"; }}
rm -f "$pid_file"
"""


def _head(service: Service) -> str:
    base = f"{service.folder}/{service.name}"
    return f"pid_file={shlex.quote(base + '.pid')}; log_file={shlex.quote(base + '.log')}\n{_STARTED}"


async def answers(ctx: Context, node: Node, deadline: float) -> None:
    """Return once the node's link answers: a new node may be on but refuse logins for a while. LinkDown with the last
    error after `deadline` seconds."""
    last: Exception = LinkDown(f"{node.name} does not answer")

    async def look() -> bool | None:
        nonlocal last
        try:
            return (await ctx.link(node).run(["true"], timeout=LOOK)).ok or None
        except (LinkDown, LinkLost) as error:
            last = error
        except TimeoutError:
            last = LinkDown(f"{node.name} did not answer within {LOOK:g} s")
            await ctx.link(node).close()
        return None

    try:
        await ctx.poll(look, deadline=deadline, what=f"the link of {node.name}")
    except Overrun as error:
        raise last from error


async def require(ctx: Context, node: Node, needs: Argv) -> None:
    """ToolMissing when the node lacks a requirement of the service."""
    done = await ctx.link(node).run(needs, timeout=30)
    if not done.ok:
        asked = needs if isinstance(needs, str) else shlex.join(needs)
        said = ctx.masked(done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise ToolMissing(
            f"{node.name} cannot run the service: `{asked}` ended there with exit code {done.exit_code} ({said}); "
            "add the missing program to the node's image",
            evidence=done.stderr,
        )


async def start(ctx: Context, node: Node, service: Service) -> None:
    """Start it unless it runs; CannotTell when the node's shell could not start it."""
    done = await ctx.link(node).run(start_script(service), timeout=30)
    if done.exit_code == NOT_FOUND:
        raise ToolMissing(
            f"{node.name} has no program {service.argv[0]!r}, needed by the command of its {service.name}: "
            "add it to the node's image, or copy it there by `files`"
        )
    _require(done, f"the service {service.name} could not be started on {node.name}")


async def stop(ctx: Context, node: Node, service: Service) -> None:
    done = await ctx.link(node).run(stop_script(service), timeout=service.stop_timeout + 30)
    _require(done, f"the service {service.name} could not be stopped on {node.name}")


async def tail(ctx: Context, node: Node, service: Service) -> str:
    """The last 64 KiB of its log."""
    done = await ctx.link(node).run(["tail", "-c", "65536", f"{service.folder}/{service.name}.log"], timeout=10)
    return done.stdout if done.ok else f"no log: {done.stderr.strip()}"


def _require(done: Finished, what: str) -> None:
    if not done.ok:
        raise CannotTell(f"{what}: {done.stderr.strip() or done.stdout.strip() or done.ended}", evidence=done.stderr)


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
    _require(await ctx.link(node).run(command, timeout=60), f"cannot copy files to {node.name}")
