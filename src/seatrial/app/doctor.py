"""`doctor`: tries which providers work on this machine, and names the commands to install the others."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
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

CLEANUP = 5.0
"""Additional seconds for a provider to remove the resources of its probe."""

NUDGES = 10

NARROW = 30
"""Minimum columns for a text beside the names; with fewer it goes below them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one probe."""

    kind: str
    """`provider`, `machine` or `optional`."""
    name: str
    ready: bool
    tried: str
    remedy: str = ""
    """The command to install or enable it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The results of all probes."""

    default: str
    """The default provider."""
    asked: tuple[str, ...]
    """The providers you named; without any, the default one must work."""
    all: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether the machine and all wanted providers work."""
        wanted = self.asked or (self.default,)
        providers = {finding.name: finding.ready for finding in self.all if finding.kind == "provider"}
        machine = all(finding.ready for finding in self.all if finding.kind == "machine")
        return machine and all(providers.get(name, False) for name in wanted)

    def data(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "version": __version__,
            "works": self.works,
            "default_provider": self.default,
            "asked": list(self.asked),
            "findings": [asdict(finding) for finding in self.all],
        }


def examine(names: Sequence[str] = (), *, plugins: Sequence[Path] = (), deadline: float) -> Findings:
    """Probe everything, or only these providers, in parallel, with `deadline` seconds each. UsageError for an unknown
    name."""
    project = find()
    registry = project.registry(plugins)
    known = registry.names("provider")
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"unknown provider {unknown[0]!r}: {nearest(unknown[0], known)}")
    wanted = list(dict.fromkeys(names)) or known
    providers = asyncio.run(_providers(registry, wanted, project.provider_settings(registry), deadline))
    others = () if names else (*_machine(project), *_optional(), _dagger(deadline))
    return Findings(default=DEFAULT_PROVIDER, asked=tuple(wanted) if names else (), all=(*providers, *others))


async def _providers(
    registry: Registry, names: Sequence[str], settings: Callable[[str], Any], deadline: float
) -> list[Finding]:
    tries = {name: _readiness(registry, name, settings) for name in names}
    return await _answers("provider", tries, deadline, "seatrial doctor {}")


async def _answers(
    kind: str, probes: Mapping[str, Coroutine[Any, Any, Readiness]], deadline: float, again: str
) -> list[Finding]:
    """The answers of these probes, in parallel; `again` repeats one with more time."""
    tries = {name: asyncio.create_task(probe) for name, probe in probes.items()}
    await asyncio.wait(tries.values(), timeout=deadline)
    await _cancel([task for task in tries.values() if not task.done()])
    findings = []
    for name, task in tries.items():
        more = f"{again.format(name)} --deadline {max(60, round(4 * deadline))}s"
        late = Readiness(False, f"no answer within {deadline:g} s", more)
        answer = task.result() if task.done() and not task.cancelled() else late
        findings.append(Finding(kind=kind, name=name, **asdict(answer)))
    return findings


async def _cancel(tries: Sequence[asyncio.Task[Readiness]]) -> None:
    """Cancel probes without an answer. Each has a moment to clean up, then is cancelled again at every wait."""
    pause, pending = CLEANUP, set(tries)
    for _ in range(NUDGES):
        if not pending:
            return
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=pause)
        pause = 0.2


async def _readiness(registry: Registry, name: str, settings: Callable[[str], Any]) -> Readiness:
    """The answer of a provider; a broken provider is not ready, with the reason."""
    try:
        answer: Readiness = await registry.get("provider", name).readiness(settings(name))
        return answer
    except SeatrialError as error:
        return Readiness(False, str(error))
    except Exception as error:  # noqa: BLE001  one broken provider must not hide the others
        return Readiness(False, f"the probe failed: {type(error).__name__}: {error}")


def _dagger(deadline: float) -> Finding:
    """Dagger, the other place for checks in containers."""
    from seatrial.links.dagger.probe import readiness

    return asyncio.run(_answers("optional", {"dagger": readiness()}, deadline, "seatrial doctor"))[0]


def _machine(project: Project) -> list[Finding]:
    tried = f"{'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})"
    python = Finding(kind="machine", name="python", ready=sys.version_info >= (3, 11), tried=tried)
    return [python, _writable("project state", project.state), _writable("user state", state_folder())]


def _writable(name: str, folder: Path) -> Finding:
    """Write and remove a file in the folder, or in its nearest existing parent."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".seatrial-doctor-"):
            pass
    except OSError as error:
        tried = f"could not write to {place}: {error.strerror}"
        variable = " (or set XDG_STATE_HOME to another folder)" if name == "user state" else ""
        return Finding(kind="machine", name=name, ready=False, tried=tried, remedy=f"chmod u+rwx {place}{variable}")
    return Finding(kind="machine", name=name, ready=True, tried=f"{folder} is writable")


def _optional() -> list[Finding]:
    etcd = shutil.which("etcd")
    live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return [
        _extra("sql check", "sql", sqlalchemy="SQLAlchemy", psycopg="psycopg"),
        _extra("mcp", "mcp", mcp="the MCP SDK"),
        _extra("preflight --watch", "watch", watchfiles="watchfiles"),
        Finding(
            kind="optional", name="etcd", ready=etcd is not None,
            tried=etcd or "etcd is not on PATH (needed by the etcd example)",
            remedy="" if etcd else "apt-get install etcd-server",
        ),
        Finding(
            kind="optional", name="terminal", ready=True,
            tried="live progress" if live else "plain lines: standard output is not a terminal",
        ),
    ]  # fmt: skip


def _extra(name: str, extra: str, **modules: str) -> Finding:
    """The modules of an extra, each with its product name."""
    missing = [module for module in modules if find_spec(module) is None]
    installed = f"{' and '.join(modules.values())} {'are' if len(modules) > 1 else 'is'} installed"
    tried = f"{' and '.join(missing)} cannot be imported" if missing else installed
    remedy = f"pip install 'seatrial[{extra}]'" if missing else ""
    return Finding(kind="optional", name=name, ready=not missing, tried=tried, remedy=remedy)


def described(findings: Findings, width: int = 0) -> str:
    """The findings as text, wrapped at `width` columns (0: one line each)."""
    titles = {"provider": "providers", "machine": "this machine", "optional": "optional"}
    names = max(len(finding.name) for finding in findings.all) + 2
    lines = []
    for kind, title in titles.items():
        chosen = [finding for finding in findings.all if finding.kind == kind]
        if not chosen:
            continue
        lines.append(f"{title}:")
        for finding in chosen:
            default = " (default)" if kind == "provider" and finding.name == findings.default else ""
            head = f"  {finding.name:<{names}}{'ready' if finding.ready else 'not ready':<11}"
            lines += _beside(head, finding.tried + default, width)
            if finding.remedy:
                # A command stays on one line, so that you can copy it.
                indent = 4 if width and width - len(head) < NARROW else len(head)
                lines.append(" " * indent + f"{'next' if finding.ready else 'try'}: {finding.remedy}")
        lines.append("")
    lines += _beside("", _summary(findings), width)
    return "\n".join(lines) + "\n"


def _beside(head: str, text: str, width: int) -> list[str]:
    """A text beside its head, or below it if there is too little room."""
    text = " ".join(text.split())
    if not width:
        return [head + text]
    wrap = partial(textwrap.wrap, text, break_long_words=False, break_on_hyphens=False)
    if head and width - len(head) < NARROW:
        return [head.rstrip(), *wrap(max(width, 2 * NARROW // 3), initial_indent="    ", subsequent_indent="    ")]
    return wrap(width, initial_indent=head, subsequent_indent=" " * len(head))


def _summary(findings: Findings) -> str:
    if findings.asked:
        missing = [finding.name for finding in findings.all if not finding.ready]
        can = f"seatrial {__version__} can run on {', '.join(findings.asked)} here"
        return can if not missing else f"seatrial {__version__} cannot run on {', '.join(missing)} here yet"
    if findings.works:
        return f"seatrial {__version__} can run here: try `seatrial demo`"
    if not any(finding.kind == "provider" and finding.name == findings.default for finding in findings.all):
        return f"seatrial {__version__} cannot run here: the provider {findings.default!r} does not exist"
    return f"seatrial {__version__} cannot run here yet: see the lines marked 'not ready' above"
