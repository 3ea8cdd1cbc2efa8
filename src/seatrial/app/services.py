"""`services`: the shared services of a project and of this machine."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.app.project import Project, find
from seatrial.engine.masking import Masks
from seatrial.engine.services.client import ask, lease, stop
from seatrial.engine.services.definition import Seen
from seatrial.engine.services.home import home_of, homes
from seatrial.engine.services.remains import forget
from seatrial.errors import CannotTell, NothingSelected, UsageError, nearest
from seatrial.links.paths import SETTINGS
from seatrial.model.scenario import ServicePlan
from seatrial.model.service import Service

READY_MADE = Path(__file__).parent / "ready_made"
"""Definitions to copy, one file for each."""


def ready_made() -> dict[str, str]:
    """The definitions to copy, by name."""
    return {file.stem: file.read_text(encoding="utf-8") for file in sorted(READY_MADE.glob("*.toml"))}


def rows(project: Project | None = None) -> list[dict[str, Any]]:
    """The services of the project, and all that run on this machine."""
    project = project or find()
    defined = project.settings.value("services")
    running = {home.name: home for home in homes()}
    return asyncio.run(_rows(sorted({*defined, *running}), defined))


async def _rows(names: Sequence[str], defined: Mapping[str, Service]) -> list[dict[str, Any]]:
    made = []
    for name in names:
        home = home_of(name)
        status = await ask(home, ask="status")
        record = status or home.read()
        kind = defined[name].kind if name in defined else record.get("kind", "")
        state = str(record.get("state") or ("endpoint" if kind == "endpoint" else "stopped"))
        if record and status is None and not home.kept:
            state = "dead"  # its keeper was killed
        made.append({
            "name": name,
            "kind": kind,
            "state": state,
            "url": record.get("url") or "",
            "why": record.get("why") or "",
            "users": [user.get("run") or f"service {user.get('service')}" for user in record.get("users") or ()],
            "held": bool(record.get("held")),
            "since": record.get("since"),
            "keeper": record.get("keeper") if status else None,
            "project": str(record.get("project") or ""),
            "defined_here": name in defined,
        })  # fmt: skip
    return made


def listing(found: Sequence[Mapping[str, Any]]) -> str:
    """The services as a table."""
    if not found:
        return f"no services: write [services.NAME] in {SETTINGS}, or copy one with `seatrial services add`\n"
    table = [("SERVICE", "STATE", "USERS", "SINCE", "ADDRESS")]
    for row in found:
        since = time.strftime("%H:%M:%S", time.localtime(row["since"])) if row["since"] else "-"
        users = str(len(row["users"])) + (" (held)" if row["held"] else "")
        table.append((row["name"], row["state"], users if row["since"] else "-", since, row["url"] or row["why"]))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)) for row in table)
    return "".join(line.rstrip() + "\n" for line in lines)


def start(names: Sequence[str], project: Project | None = None) -> list[str]:
    """Start services of the project and hold them until `stop`; returns a line for each."""
    project = project or find()
    return asyncio.run(_start(project, _chosen(project, names)))


async def _start(project: Project, plans: Sequence[ServicePlan]) -> list[str]:
    lines: list[str] = []
    seen: dict[str, Seen] = {}
    holder = {"run": "", "service": "a person", "pid": os.getpid(), "project": str(project.folder)}
    secrets = {name: os.environ[name] for plan in plans for name in plan.secrets if name in os.environ}
    masks = Masks()
    for secret in secrets.values():
        masks.add(secret)
    for plan in plans:
        made = await lease(plan, holder, environment=os.environ, secrets=secrets, needs=seen, hold=True)
        seen[plan.name] = made.seen
        lines.append(f"{plan.name} is healthy: {masks.hide(str(made.seen['url']))}".rstrip(": "))
        await made.close()
    return lines


def stopped(names: Sequence[str], *, force: bool = False) -> tuple[list[str], list[str]]:
    """Stop services; returns the names of the stopped ones, and for the others why not."""
    known = [home.name for home in homes()]
    for name in names:
        if name not in known:
            raise UsageError(f"no service {name!r} runs; {nearest(name, known, what='running')}")
    done: list[str] = []
    waiting = dict.fromkeys(names or known, "")
    before = 0
    while len(waiting) != before:  # a service that another one of them needs goes after it
        before = len(waiting)
        tried = {name: asyncio.run(stop(home_of(name), force=force)) for name in waiting}
        done += [name for name, why in tried.items() if not why]
        waiting = {name: why for name, why in tried.items() if why}
    return done, [f"{name}: {why}" for name, why in waiting.items()]


def forgotten(names: Sequence[str], *, force: bool = False) -> tuple[list[str], list[str], list[str]]:
    """Stop services for good, with their records. Returns the names, the resources left behind with the reason, and for
    services in use why they run on."""
    done: list[str] = []
    left: list[str] = []
    refused: list[str] = []
    for name in names:
        home = home_of(name)
        if not home.read():
            raise UsageError(
                f"no service {name!r} runs; {nearest(name, [one.name for one in homes()], what='running')}"
            )
        why = asyncio.run(stop(home, force=force)) if home.kept else ""
        keeper = home.lock("keeper")
        if keeper < 0:
            refused.append(f"{name}: {why or 'its keeper lives'}")
            continue
        try:
            left += [f"service {name}: {what}" for what in asyncio.run(forget(home))]
        finally:
            os.close(keeper)
        done.append(name)
    return done, left, refused


def log(name: str, lines: int) -> str:
    """The last lines of a service's output, with its secrets masked. CannotTell when there is none, or when a killed
    keeper has left a log with secrets that nobody here knows."""
    home = home_of(name)
    answer = asyncio.run(ask(home, ask="log", lines=lines))
    if answer is not None:
        return "".join(f"{line}\n" for line in answer["lines"])
    if not home.log.is_file():
        known = [one.parent.name for one in home.folder.parent.glob("*/log")]
        raise CannotTell(f"no log of a service {name!r}; {nearest(name, known, what='services with a log')}")
    masks = Masks()
    names = list(map(str, home.read().get("secrets") or ()))  # without a record its keeper masked the log at its end
    if missing := [secret for secret in names if secret not in os.environ]:
        raise CannotTell(
            f"the keeper of the service {name} was killed, and its log is not masked: set the secrets "
            f"{', '.join(missing)}, or read {home.log}"
        )
    for secret in names:
        masks.add(os.environ[secret])
    return "".join(masks.hide(line) + "\n" for line in home.last_lines(lines))


def add(name: str, project: Project | None = None) -> str:
    """Copy a ready-made definition into `seatrial.toml`; returns what was done, in words."""
    offered = ready_made()
    if not name:
        width = max(map(len, offered)) + 2
        about = (f"  {known:<{width}}{text.partition(chr(10))[0].lstrip('# ')}\n" for known, text in offered.items())
        return "".join(["ready-made services, to copy with `seatrial services add NAME`:\n", *about])
    if name not in offered:
        raise UsageError(f"no ready-made service {name!r}; {nearest(name, offered)}")
    project = project or find()
    if name in project.settings.value("services"):
        raise UsageError(f"{project.settings.file} has a service {name!r} already")
    file = project.folder / SETTINGS
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    file.write_text(f"{before.rstrip()}\n\n{offered[name]}".lstrip("\n"), encoding="utf-8")
    return f"added [services.{name}] to {file.name}; use it in a document: `services: [{name}]`\n"


def _plans(project: Project) -> tuple[ServicePlan, ...]:
    """The services of the project's settings, each after those it needs; DocumentError if one is invalid."""
    from seatrial.loading.resolve.services import Services
    from seatrial.loading.site import Problems

    problems = Problems()
    plans = Services(project.settings, problems, os.environ).check()
    problems.done()
    return plans


def _chosen(project: Project, names: Sequence[str]) -> list[ServicePlan]:
    """These services (default: all) with those they need, in order of their start."""
    plans = {plan.name: plan for plan in _plans(project)}
    if not plans:
        raise NothingSelected(f"{project.folder} defines no services: write [services.NAME] in {SETTINGS}")
    for name in names:
        if name not in plans:
            raise UsageError(f"the project defines no service {name!r}; {nearest(name, plans)}")
    wanted = list(names or plans)
    for name in wanted:
        wanted += [need for need in plans[name].service.needs if need not in wanted]
    return [plan for name, plan in plans.items() if name in wanted]
