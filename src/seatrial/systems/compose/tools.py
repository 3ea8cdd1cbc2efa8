"""Docker Compose 2 or podman-compose: found by asking it and its engine, driven through its command line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.links import process
from seatrial.links.containers import Engine, refusal
from seatrial.links.containers.engines import find as find_engine
from seatrial.links.output import beginning, end
from seatrial.links.paths import shown
from seatrial.spi import Finished
from seatrial.spi.output import Output

KNOWN = ("docker compose", "docker-compose", "podman-compose")
"""Tools in order of preference."""

ANSWER = 20.0
"""Seconds for a tool to say its version or to read the files."""

READ = 60.0
TAIL = 2000

INSTALL = "install Docker with its Compose plugin, or `pip install podman-compose` beside Podman"

_FOLLOWS = re.compile(r"no container with name or id|no such container|prepare images failed", re.IGNORECASE)
"""What podman-compose prints after the cause: it goes on without an image or a container."""

_FAILING = re.compile(
    r"error|fail|invalid|not found|no such|unhealthy|denied|didn't complete|yaml:|in \"", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What every call of the tool has in common: the trial's name, the user's files, and where they are."""

    name: str
    files: tuple[str, ...]
    folder: Path
    profiles: tuple[str, ...] = ()
    env_file: str = ""

    def words(self, *more: str) -> list[str]:
        """The options for these files and others over them."""
        files = [word for file in (*self.files, *more) for word in ("--file", file)]
        profiles = [word for profile in self.profiles for word in ("--profile", profile)]
        variables = ["--env-file", self.env_file] if self.env_file else []
        return ["--project-name", self.name, *files, *profiles, *variables]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that answers, with its engine."""

    argv: tuple[str, ...]
    name: str
    """`Docker Compose 2.39.4`."""
    engine: Engine

    @property
    def podman(self) -> bool:
        """Whether it is podman-compose, where the two differ."""
        return self.engine.podman

    async def config(self, project: Project, env: Mapping[str, str]) -> str:
        """The files as the tool understands them, as JSON or YAML; StepFailed with the tool's own error."""
        form = [] if self.podman else ["--format", "json"]
        try:
            done = await process.run(
                [*self._argv(), *project.words(), "config", *form],
                cwd=project.folder,
                env={**self.engine.environment(), **env},
                timeout=READ,
            )
        except TimeoutError as error:
            raise CannotTell(f"{self.name} did not read {', '.join(project.files)} within {READ:g} s") from error
        if not done.ok:
            files = ", ".join(project.files)
            text = f"{self.name} refuses {files}: {complaint(done)}"
            raise StepFailed(text, evidence=end(done.stderr, TAIL))
        return done.stdout

    async def up(
        self, project: Project, override: Path, env: Mapping[str, str], seconds: float, output: Output
    ) -> None:
        """Create and start all; StepFailed when a service does not come, Overrun when it takes too long, CannotTell
        when the engine is at fault."""
        try:
            done = await process.run(
                [*self._argv(), *project.words(str(override)), "up", "--detach"],
                cwd=project.folder,
                env={**self.engine.environment(), **env},
                timeout=seconds,
                output=output.add,
            )
        except process.TimedOut as error:
            where = f"(its output is in {shown(output.file)})"
            text = f"`{self.name} up` did not end within {seconds:g} s {where}"
            raise Overrun(text, evidence=end(error.stdout + error.stderr, TAIL)) from None
        if done.ok:
            return
        evidence = end(done.stdout + done.stderr, TAIL)
        causes = "\n".join(_causes((done.stderr or done.stdout).splitlines()))
        fault = refusal(self.engine, f"`{self.name} up`", replace(done, stderr=causes))
        text = f"`{self.name} up` {done.ended}: {complaint(done)} (its output is in {shown(output.file)})"
        if type(fault) is not CannotTell or done.accident:
            # A port in use, a full disk: the product was not tried.
            raise CannotTell(text, evidence=evidence)
        raise StepFailed(text, evidence=evidence)

    def _argv(self) -> list[str]:
        if not self.podman:
            return [*self.argv, "--ansi", "never", "--progress", "plain"]
        return [*self.argv, "--no-ansi", "--podman-path", self.engine.program, "--in-pod", "false"]


def complaint(done: Finished) -> str:
    """The tool's own lines that say what is wrong: the last ones, after its progress and before what only follows."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    lines = _causes(lines)
    telling = [line for line in lines if _FAILING.search(line) and not line.startswith(("File ", "Traceback"))]
    return beginning("; ".join(dict.fromkeys((telling or lines or ["nothing was printed"])[-3:])), 600)


def _causes(lines: Sequence[str]) -> list[str]:
    """The lines without those that only follow from another error."""
    followed = any(_FAILING.search(line) and not _FOLLOWS.search(line) for line in lines)
    return [line for line in lines if not (followed and _FOLLOWS.search(line))]


async def find(named: str = "") -> Tool:
    """The tool of this name or path, else the first that answers with its engine; ToolMissing lists the attempts."""
    tried: list[str] = []
    for word in (named,) if named else KNOWN:
        answer = await _try(word)
        if isinstance(answer, Tool):
            return answer
        tried.append(answer)
    raise ToolMissing(f"no compose tool works here: {'; '.join(tried)}. Remedy: {INSTALL}")


async def _try(word: str) -> Tool | str:
    """The tool if it and its engine answer, else why not."""
    program, *rest = word.split() if word in KNOWN else [word]
    path = shutil.which(program)
    if path is None:
        return f"{program} is not installed"
    argv = (path, *rest)
    podman = "podman" in Path(path).name
    version = await _version(argv, podman=podman)
    if not version:
        return f"`{word}` does not say its version; version 2 or newer is needed"
    if not podman and version.startswith("1."):
        return f"`{word}` is version {version}; version 2 or newer is needed"
    try:
        engine = await find_engine("podman" if podman else "docker")
    except ToolMissing as error:
        return f"{word} works, but {str(error).removeprefix('no container engine works here: ')}"
    return Tool(argv=argv, name=f"{'podman-compose' if podman else 'Docker Compose'} {version}", engine=engine)


async def _version(argv: Sequence[str], *, podman: bool) -> str:
    question = ["--version"] if podman else ["version", "--short"]
    try:
        done = await process.run([*argv, *question], timeout=ANSWER)
    except (TimeoutError, CannotTell):
        return ""
    number = re.search(r"\d+\.\d+[\w.+-]*", done.stdout)
    return number[0] if done.ok and number else ""
