"""Helm 3 through its own command: what a chart would make, its installation and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.links import process
from seatrial.links.kubernetes import Object
from seatrial.links.kubernetes.deploying import manifests
from seatrial.links.kubernetes.deploying.access import Place
from seatrial.links.kubernetes.deploying.owner import Owner
from seatrial.links.output import end
from seatrial.links.process.spawned import supervised, supervising
from seatrial.links.process.table import command_lines
from seatrial.model.frozen import frozen
from seatrial.spi import Finished

ANSWER = 30.0
"""Seconds for Helm to say its version."""
RENDER = 120.0
ENDING = 10.0
"""Seconds for a killed Helm to be gone."""
SHOWN = 800

NAME, NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
HOOK = "helm.sh/hook"
INSTALL = "install Helm 3 (https://helm.sh/docs/intro/install)"


@frozen
class Release:
    """One release: its chart and its values, in files."""

    name: str
    chart: str
    namespace: str
    place: Place
    version: str = ""
    values: tuple[str, ...] = ()

    def named(self, name: str) -> Release:
        """The same with a name."""
        return replace(self, name=name)

    def words(self) -> list[str]:
        """The arguments for the release and its values."""
        files = [word for file in self.values for word in ("--values", file)]
        version = ["--version", self.version] if self.version else []
        return [self.name, self.chart, *_where(self.place, self.namespace), *files, *version]


@frozen
class Rendered:
    """What a release would make."""

    objects: tuple[Object, ...]
    hooks: tuple[Object, ...]
    """Objects that Helm makes on its way and does not remove with the release."""


def find() -> str:
    """The path of the program; ToolMissing where it is not installed."""
    if program := shutil.which("helm"):
        return program
    raise ToolMissing(f"a chart needs `helm`, which is not on PATH: {INSTALL}")


class Helm:
    """Calls of Helm for one owner; they end with it."""

    def __init__(self, owner: Owner, program: str, folder: Path) -> None:
        self._owner, self.path, self._folder = owner, program, folder

    async def chart_name(self, release: Release) -> str:
        """The name in the chart's own description."""
        import yaml

        text = await self._ask("show", "chart", release.chart, *_version(release))
        document = yaml.safe_load(text)
        if not isinstance(document, Mapping) or not document.get("name"):
            raise StepFailed(f"the chart {release.chart} has no name")
        return str(document["name"])

    async def exists(self, release: Release) -> bool:
        """Whether its namespace has a release of its name, in whatever state."""
        place = _where(release.place, release.namespace)
        words = ["list", *place, "--all", "--filter", f"^{re.escape(release.name)}$", "--output", "json"]
        try:
            return bool(json.loads(await self._ask(*words)))
        except ValueError:
            raise CannotTell(f"{self.path} did not answer with JSON to `list`") from None

    async def definitions(self, release: Release) -> list[Object]:
        """The definitions (CRDs) in the folder `crds` of the chart."""
        text = await self._ask("show", "crds", release.chart, *_version(release))
        return _parsed(text, f"the definitions of {release.chart}")

    async def rendered(self, release: Release) -> Rendered:
        """What an installation would make, by the cluster's own answers; StepFailed with Helm's error."""
        words = ["upgrade", "--install", *release.words(), "--skip-crds", "--dry-run=server", "--output", "json"]
        try:
            answer = json.loads(await self._ask(*words))
        except ValueError:
            raise CannotTell(f"{self.path} did not answer with JSON to --dry-run") from None
        objects = _parsed(answer.get("manifest") or "", f"the chart {release.chart}")
        hooks = [
            thing
            for hook in answer.get("hooks") or ()
            for thing in _parsed(hook.get("manifest") or "", f"a hook of {release.chart}")
        ]
        return Rendered(objects=tuple(objects), hooks=tuple(hooks))

    async def install(self, release: Release, seconds: float) -> None:
        """Install it, or bring it to its new values; StepFailed with Helm's error, Overrun when it takes too long."""
        words = ["upgrade", "--install", *release.words(), "--skip-crds", "--timeout", f"{max(int(seconds), 1)}s"]
        with self._owner.keeping(f"helm install {release.name}") as output:
            try:
                done = await process.run(
                    [self.path, *words], cwd=self._folder, env=self._owner.environment(), timeout=seconds,
                    output=output.add, under=await supervised(self._owner),
                )  # fmt: skip
            except process.TimedOut as error:
                raise Overrun(
                    f"`helm install {release.name}` did not end within {seconds:g} s", evidence=error.stderr
                ) from None
        _require(done, f"helm install {release.name}")

    async def _ask(self, *words: str) -> str:
        try:
            done = await process.run(
                [self.path, *words], cwd=self._folder, env=self._owner.environment(), timeout=RENDER,
                under=await supervised(self._owner),
            )  # fmt: skip
        except TimeoutError:
            raise CannotTell(f"`helm {words[0]}` did not end within {RENDER:g} s") from None
        _require(done, f"helm {' '.join(words[:2])}")
        return done.stdout


def _require(done: Finished, what: str) -> None:
    if done.ok:
        return
    said = end(" ".join(line for line in done.stderr.split("\n") if not line.startswith("WARNING")).strip(), SHOWN)
    if done.accident or "cluster unreachable" in said:
        raise CannotTell(f"`{what}` {done.ended}: {done.accident or said}")
    raise StepFailed(f"`{what}` {done.ended}: {said}", evidence=end(done.stdout + done.stderr, 4000))


def _parsed(text: str, shown: str) -> list[Object]:
    try:
        return manifests.parse(text, shown)
    except ValueError as error:
        raise StepFailed(str(error)) from None


def _version(release: Release) -> list[str]:
    return ["--version", release.version] if release.version else []


def _where(place: Place, namespace: str) -> list[str]:
    config = ["--kubeconfig", place.kubeconfig] if place.kubeconfig else []
    return [*config, *(["--kube-context", place.context] if place.context else []), "--namespace", namespace]


# The end, by the ledger's record alone


async def uninstall(detail: Mapping[str, Any], trial: str, seconds: float) -> None:
    """End a Helm that still works for the release, then the release; already gone is success."""
    where = _where(Place(**detail["place"]), detail["namespace"])
    await _ended(detail["release"], where)
    words = ["uninstall", detail["release"], *where, "--ignore-not-found", "--cascade", "foreground"]
    program = detail["program"] if os.access(detail["program"], os.X_OK) else find()
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    said = ""
    # A hook of the chart that fails must not keep the rest.
    for more, share in ((("--timeout", f"{max(int(seconds / 3), 1)}s"), 0.5), (("--no-hooks",), 1.0)):
        async with supervising(trial) as supervisor:
            try:
                done = await process.run(
                    [program, *words, *more], cwd=Path("/"), env=dict(os.environ), under=supervisor,
                    timeout=max((until - clock()) * share, 1.0),
                )  # fmt: skip
            except TimeoutError:
                said = "did not end in time"
                continue
        if done.ok:
            return
        said = f"{done.ended}: {end(done.stderr.strip(), SHOWN)}"
    raise CannotTell(f"`helm uninstall {detail['release']}` {said}")


async def _ended(release: str, where: Sequence[str]) -> None:
    """Kill a Helm that outlived its caller: nothing may appear after a look."""
    clock = asyncio.get_running_loop().time
    until = clock() + ENDING
    while pids := _calls(release, where):
        if clock() > until:
            raise CannotTell(f"`helm` still works for {release} (process {pids[0]})")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)


def _calls(release: str, where: Sequence[str]) -> list[int]:
    """The processes of Helm for this release in this cluster; anybody may use its name in another one."""
    wanted = set(map(os.fsencode, (release, *where)))
    return [pid for pid, words in command_lines() if words[0].rpartition(b"/")[2] == b"helm" and wanted <= set(words)]


def is_part(thing: Object, release: str, namespace: str) -> bool:
    """Whether Helm made an object for this release; Helm itself refuses to take over any other."""
    annotations = thing["metadata"].get("annotations") or {}
    return annotations.get(NAME) == release and annotations.get(NAMESPACE) == namespace


def is_hook(thing: Object, since: str) -> bool:
    """Whether an object is a hook that was made after a moment: it was absent when the ledger was written."""
    metadata = thing["metadata"]
    return HOOK in (metadata.get("annotations") or {}) and str(metadata.get("creationTimestamp") or "") >= since
