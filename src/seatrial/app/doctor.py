"""`doctor`: what can work on this machine, found out by trying, and the command that brings the rest."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.app.project import Project, find
from seatrial.errors import SeatrialError, UsageError, nearest
from seatrial.links.paths import state_folder
from seatrial.registry import Registry
from seatrial.spi import Readiness

DEFAULT_PROVIDER = "local"

DEADLINE = 30.0
"""Seconds for each provider: by emulation, and on a busy machine, a guest takes its time."""

GIVING_BACK = 5.0
"""Seconds that a provider has besides, to give back what it made for the try."""

NUDGES = 10

NARROW = 30
"""Columns that a text needs beside the names; with fewer it stands below them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried."""

    kind: str
    """`provider`, `machine` or `optional`."""
    name: str
    ready: bool
    tried: str
    remedy: str = ""
    """The command that brings it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was tried."""

    default: str
    """The provider that is taken where none is named."""
    asked: tuple[str, ...]
    """The providers that were asked for by name; without any the default one must work."""
    all: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Every provider that matters works, and so does what every run needs of the machine."""
        wanted = self.asked or (self.default,)
        needed = [one for one in self.all if one.kind == "machine" or (one.kind == "provider" and one.name in wanted)]
        return all(one.ready for one in needed) and {one.name for one in needed} >= set(wanted)

    def data(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "version": __version__,
            "works": self.works,
            "default_provider": self.default,
            "asked": list(self.asked),
            "findings": [asdict(one) for one in self.all],
        }


def examine(
    names: Sequence[str] = (), *, plugins: Sequence[Path] = (), deadline: float = DEADLINE, start: Path | None = None
) -> Findings:
    """Try everything, or only the providers of these names; all at the same time, each with `deadline` seconds to
    answer. UsageError when there is no provider of a name."""
    project = find(start)
    registry = project.registry(plugins)
    known = registry.names("provider")
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"unknown provider {unknown[0]!r}: {nearest(unknown[0], known)}")
    wanted = list(dict.fromkeys(names)) or known
    found = asyncio.run(_providers(registry, wanted, project.provider_settings(registry), deadline))
    others = () if names else (*_machine(project), *_optional())
    return Findings(default=DEFAULT_PROVIDER, asked=tuple(wanted) if names else (), all=(*found, *others))


async def _providers(
    registry: Registry, names: Sequence[str], settings: Callable[[str], Any], deadline: float
) -> list[Finding]:
    tries = [asyncio.create_task(_readiness(registry, name, settings)) for name in names]
    await asyncio.wait(tries, timeout=deadline)
    await _break_off([one for one in tries if not one.done()])
    late = Readiness(False, f"it did not answer within {deadline:g} s")
    found = []
    for name, one in zip(names, tries, strict=True):
        answer = one.result() if one.done() and not one.cancelled() else late
        remedy = (
            f"seatrial doctor {name} --deadline {max(60, round(4 * deadline))}s" if answer is late else answer.remedy
        )
        found.append(Finding(kind="provider", name=name, ready=answer.ready, tried=answer.tried, remedy=remedy))
    return found


async def _break_off(tries: Sequence[asyncio.Task[Readiness]]) -> None:
    """End what did not answer: it has a moment to give back what it made, and then a nudge at each thing it waits for,
    since what hangs once mostly hangs again."""
    pause, pending = GIVING_BACK, set(tries)
    for _ in range(NUDGES):
        if not pending:
            return
        for one in pending:
            one.cancel()
        _, pending = await asyncio.wait(pending, timeout=pause)
        pause = 0.2


async def _readiness(registry: Registry, name: str, settings: Callable[[str], Any]) -> Readiness:
    """What the provider says; a provider that breaks is not ready, and the reason is told."""
    try:
        answer: Readiness = await registry.get("provider", name).readiness(settings(name))
        return answer
    except SeatrialError as error:
        return Readiness(False, str(error))
    except Exception as error:  # noqa: BLE001  one broken provider must not hide the others
        return Readiness(False, f"trying it broke: {type(error).__name__}: {error}")


def _machine(project: Project) -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    return [
        Finding(
            kind="machine", name="python", ready=sys.version_info >= (3, 11), tried=f"{version} ({sys.executable})"
        ),
        _writable("project state", project.state),
        _writable("user state", state_folder()),
    ]


def _writable(name: str, folder: Path) -> Finding:
    """Write a file there, or in the nearest folder above that exists, and take it away again."""
    place = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".seatrial-doctor-"):
            pass
    except OSError as error:
        variable = " (or set XDG_STATE_HOME to another folder)" if name == "user state" else ""
        return Finding(
            kind="machine", name=name, ready=False, tried=f"a file in {place}: {error.strerror}",
            remedy=f"chmod u+rwx {place}{variable}",
        )  # fmt: skip
    return Finding(kind="machine", name=name, ready=True, tried=f"{folder} can be written")


def _optional() -> list[Finding]:
    return [
        _extra("sql check", "sql", sqlalchemy="SQLAlchemy", psycopg="psycopg"),
        _extra("mcp", "mcp", mcp="the MCP SDK"),
        _extra("preflight --watch", "watch", watchfiles="watchfiles"),
        _etcd(),
        _terminal(),
    ]


def _extra(name: str, extra: str, **modules: str) -> Finding:
    """What an extra brings: its modules, each with what it is called."""
    missing = [module for module in modules if find_spec(module) is None]
    there = f"{' and '.join(modules.values())} {'are' if len(modules) > 1 else 'is'} there"
    tried = f"{' and '.join(missing)} cannot be imported" if missing else there
    remedy = f"pip install 'seatrial[{extra}]'" if missing else ""
    return Finding(kind="optional", name=name, ready=not missing, tried=tried, remedy=remedy)


def _etcd() -> Finding:
    program = shutil.which("etcd")
    tried = program or "no program etcd in PATH (the etcd example needs it)"
    remedy = "" if program else "apt-get install etcd-server"
    return Finding(kind="optional", name="etcd", ready=program is not None, tried=tried, remedy=remedy)


def _terminal() -> Finding:
    shown = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    tried = "live progress" if shown else "plain lines: standard output is no terminal"
    return Finding(kind="optional", name="terminal", ready=True, tried=tried)


def described(findings: Findings, width: int = 0) -> str:
    """The findings as text, broken at so many columns (0: nowhere, one line for each)."""
    titles = {"provider": "providers", "machine": "this machine", "optional": "optional"}
    names = max(len(one.name) for one in findings.all) + 2
    lines = []
    for kind, title in titles.items():
        held = [one for one in findings.all if one.kind == kind]
        if not held:
            continue
        lines.append(f"{title}:")
        for one in held:
            default = " (default)" if kind == "provider" and one.name == findings.default else ""
            head = f"  {one.name:<{names}}{'ready' if one.ready else 'not ready':<11}"
            lines += _beside(head, one.tried + default, width)
            if one.remedy:
                # A command stays one line, which can be copied.
                indent = 4 if width and width - len(head) < NARROW else len(head)
                lines.append(" " * indent + f"{'next' if one.ready else 'try'}: {one.remedy}")
        lines.append("")
    lines += _beside("", _summary(findings), width)
    return "\n".join(lines) + "\n"


def _beside(head: str, text: str, width: int) -> list[str]:
    """A text beside its head; below it where that leaves too little room."""
    text = " ".join(text.split())
    if not width:
        return [head + text]
    if head and width - len(head) < NARROW:
        below = textwrap.wrap(text, max(width, 2 * NARROW // 3), initial_indent="    ", subsequent_indent="    ",
                              break_long_words=False, break_on_hyphens=False)  # fmt: skip
        return [*([head.rstrip()] if head.strip() else []), *below]
    return textwrap.wrap(text, width, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False,
                         break_on_hyphens=False)  # fmt: skip


def _summary(findings: Findings) -> str:
    if findings.asked:
        missing = [one.name for one in findings.all if not one.ready]
        can = f"seatrial {__version__} can run on {', '.join(findings.asked)} here"
        return can if not missing else f"seatrial {__version__} cannot run on {', '.join(missing)} here yet"
    if findings.works:
        return f"seatrial {__version__} can run here: `seatrial demo` shows it"
    if not any(one.kind == "provider" and one.name == findings.default for one in findings.all):
        return f"seatrial {__version__} cannot run here: there is no provider {findings.default!r}"
    return f"seatrial {__version__} cannot run here yet: see what is not ready above"
