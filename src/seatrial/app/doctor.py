"""`doctor`: what can work on this machine, found out by trying, and the command that brings the rest."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seatrial import __version__
from seatrial.app.project import Project, find
from seatrial.engine.leases import state_folder
from seatrial.errors import SeatrialError
from seatrial.registry import Registry
from seatrial.spi import Readiness

DEFAULT_PROVIDER = "local"


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
    """The provider that must work."""
    all: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """The default provider works, and so does what every run needs of the machine."""
        needed = [
            one for one in self.all if one.kind == "machine" or (one.kind == "provider" and one.name == self.default)
        ]
        return all(one.ready for one in needed) and any(one.kind == "provider" for one in needed)

    def data(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "version": __version__,
            "works": self.works,
            "default_provider": self.default,
            "findings": [asdict(one) for one in self.all],
        }


def examine(*, plugins: Sequence[Path] = (), deadline: float = 10.0, start: Path | None = None) -> Findings:
    """Try everything; each provider has `deadline` seconds to answer."""
    project = find(start)
    registry = project.registry(plugins)
    found = asyncio.run(_providers(registry, project.providers, deadline))
    return Findings(default=DEFAULT_PROVIDER, all=(*found, *_machine(project), *_optional()))


async def _providers(registry: Registry, settings: Mapping[str, Mapping[str, Any]], deadline: float) -> list[Finding]:
    names = registry.names("provider")
    answers = await asyncio.gather(*(_readiness(registry, name, settings.get(name, {}), deadline) for name in names))
    return [
        Finding(kind="provider", name=name, ready=answer.ready, tried=answer.tried, remedy=answer.remedy)
        for name, answer in zip(names, answers, strict=True)
    ]


async def _readiness(registry: Registry, name: str, settings: Mapping[str, Any], deadline: float) -> Readiness:
    """What the provider says; a provider that breaks or does not answer is not ready, and the reason is told."""
    try:
        async with asyncio.timeout(deadline):
            answer: Readiness = await registry.get("provider", name).readiness(settings)
            return answer
    except TimeoutError:
        return Readiness(False, f"it did not answer within {deadline:g} s", "seatrial doctor --deadline 60s")
    except SeatrialError as error:
        return Readiness(False, str(error))
    except Exception as error:  # noqa: BLE001  one broken provider must not hide the others
        return Readiness(False, f"trying it broke: {type(error).__name__}: {error}", "seatrial doctor --debug")


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
    return [_sql(), _etcd(), _terminal()]


def _sql() -> Finding:
    missing = [name for name in ("sqlalchemy", "psycopg") if find_spec(name) is None]
    tried = f"{' and '.join(missing)} cannot be imported" if missing else "SQLAlchemy and psycopg are there"
    remedy = "pip install 'seatrial[sql]'" if missing else ""
    return Finding(kind="optional", name="sql check", ready=not missing, tried=tried, remedy=remedy)


def _etcd() -> Finding:
    program = shutil.which("etcd")
    tried = program or "no program etcd in PATH (the etcd example needs it)"
    remedy = "" if program else "apt-get install etcd-server"
    return Finding(kind="optional", name="etcd", ready=program is not None, tried=tried, remedy=remedy)


def _terminal() -> Finding:
    shown = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    tried = "live progress" if shown else "plain lines: standard output is no terminal"
    return Finding(kind="optional", name="terminal", ready=True, tried=tried)


def described(findings: Findings) -> str:
    """The findings as text."""
    titles = {"provider": "providers", "machine": "this machine", "optional": "optional"}
    width = max(len(one.name) for one in findings.all) + 2
    lines = []
    for kind, title in titles.items():
        lines.append(f"{title}:")
        for one in findings.all:
            if one.kind != kind:
                continue
            default = " (default)" if kind == "provider" and one.name == findings.default else ""
            word = "ready" if one.ready else "not ready"
            lines.append(f"  {one.name:<{width}}{word:<11}{one.tried}{default}")
            if one.remedy and not one.ready:
                lines.append(f"  {'':<{width}}{'':<11}try: {one.remedy}")
        lines.append("")
    lines.append(_summary(findings))
    return "\n".join(lines) + "\n"


def _summary(findings: Findings) -> str:
    if findings.works:
        return f"seatrial {__version__} can run here: `seatrial demo` shows it"
    if not any(one.kind == "provider" and one.name == findings.default for one in findings.all):
        return f"seatrial {__version__} cannot run here: there is no provider {findings.default!r}"
    return f"seatrial {__version__} cannot run here yet: see what is not ready above"
