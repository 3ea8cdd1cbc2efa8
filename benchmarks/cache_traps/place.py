"""One trap set up for one tool: the folder, its runs, and what is true of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cache_traps.tools import Task, Tool

FOREIGN = ("PYTHON", "SEATRIAL", "E2E_", "VIRTUAL_ENV", "CI", "GITHUB_", "npm_", "NX_", "TURBO_", "MOON_", "GIT_")
NOTHING: Mapping[str, str] = {}

DEADLINE = 240.0
"""Seconds of one run."""

NOTICE = 60.0
"""Seconds for a started task to show up."""

PATIENCE = 4.0
"""Seconds in which a second run shows up, unless it waits for the first."""


class Wrong(Exception):
    """The tool's answer is not what the same command says without a cache."""


class Unsaid(Exception):
    """The tool has no words for this task."""


@dataclass
class Place:
    """A project with one trap."""

    folder: Path
    tool: Tool
    runs: list[str] = field(default_factory=list)
    """What each run came to, to understand a wrong one."""
    first: Path | None = None
    """Of another work tree: the folder of the first."""

    @property
    def base(self) -> Path:
        """What the places of files outside of the project begin with."""
        return self.first or self.folder

    @property
    def marks(self) -> Path:
        """Outside of the project: each run of a task leaves a line, and waits for a file."""
        return Path(f"{self.base}.marks")

    def worktree(self) -> Place:
        """Another work tree of the repository, at the same commit."""
        folder = Path(f"{self.folder}.tree")
        self._git("worktree", "add", "--quiet", "--detach", str(folder))
        other = Place(folder, self.tool, self.runs, first=self.base)
        self.tool.link(folder)
        return other

    def begin(self, tasks: Sequence[Task], files: Mapping[str, str]) -> None:
        """Write the files and the tool's own document; all of it is committed but what git ignores."""
        self.folder.mkdir(parents=True)
        self.marks.mkdir()
        for path, text in files.items():
            self.write(path, text)
        counted = [_with_run(task, self.counting(task.name)) for task in tasks]
        self.tool.write(self.folder, counted)
        self._git("init", "--quiet", "--initial-branch=main")
        # Files that a tool or a run makes are no sources.
        Path(self.folder, ".git/info/exclude").write_text(
            "node_modules\n.nx\n.turbo\n.moon/cache\n.task\n.seatrial\noutput.*\n"
        )
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "the trap")

    def counting(self, name: str) -> str:
        """The shell words by which a task counts its runs."""
        return f"echo run >>{self.marks}/{name}.runs"

    def count(self, name: str) -> int:
        """How often a task ran."""
        path = self.marks / f"{name}.runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def write(self, path: str, text: str) -> None:
        """A file of the project."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, task: str, *, alone: bool = False, fresh: bool = False, env: Mapping[str, str] = NOTHING) -> bool:
        """Whether a run of the tool passed."""
        with self.running(task, alone=alone, fresh=fresh, env=env) as process:
            try:
                passed = process.wait(DEADLINE) == 0
            except subprocess.TimeoutExpired:
                raise Wrong(f"no end within {DEADLINE:g} s") from None
        self.runs.append(f"{task}{' fresh' if fresh else ''}: {'passed' if passed else 'failed'}")
        return passed

    @contextmanager
    def running(
        self, task: str, *, alone: bool = False, fresh: bool = False, env: Mapping[str, str] = NOTHING
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A run of the tool that goes on meanwhile; it ends with the block."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        argv = self.tool.argv(task, alone=alone, fresh=fresh)
        whole = {**kept, **self.tool.env(self.base), **env}
        with (self.marks / f"output.{len(self.runs)}.{time.monotonic_ns()}").open("wb") as output:
            process = subprocess.Popen(
                argv,
                cwd=self.folder,
                env=whole,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def expect(self, task: str, *, passes: bool, alone: bool = False, env: Mapping[str, str] = NOTHING) -> None:
        """Wrong when the result is another than this, unless the tool says it without its cache, too: then it keeps
        the cause away from the command."""
        passed = self.run(task, alone=alone, env=env)
        if not passed and not self.count(task):
            raise Wrong(f"cannot run it: {self.said()}")
        if passed != passes and self.run(task, alone=alone, fresh=True, env=env) != passed:
            raise Wrong("stale green" if passed else "false red")

    def said(self) -> str:
        """The end of what its last run printed."""
        file = max(self.marks.glob("output.*"), key=lambda path: path.stat().st_mtime_ns)
        return file.read_text(errors="replace")[-1500:]

    def again(self, task: str, *, passes: bool = True, env: Mapping[str, str] = NOTHING) -> None:
        """Run a task; Wrong unless its command ran."""
        before = self.count(task)
        self.expect(task, passes=passes, env=env)
        if self.count(task) == before:
            raise Wrong("did not run")

    def still(self, task: str, env: Mapping[str, str] = NOTHING) -> None:
        """Run a task; Wrong if its command ran."""
        before = self.count(task)
        self.expect(task, passes=True, env=env)
        if self.count(task) != before:
            raise Wrong("ran in vain")

    def must(self, holds: bool, why: str) -> None:
        """Wrong, for this reason, unless it holds."""
        if not holds:
            raise Wrong(why)

    def until_marked(self, name: str, patience: float = NOTICE) -> bool:
        """Whether a command made this mark in time."""
        until = time.monotonic() + patience
        while not (self.marks / name).exists():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def mark(self, name: str) -> None:
        """Let a command go on that waits for the mark."""
        (self.marks / name).touch()

    def _git(self, *argv: str) -> None:
        who = {f"GIT_{one}_{key}": "trap@example.org" for one in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        subprocess.run(["git", *argv], cwd=self.folder, env={**os.environ, **who}, check=True)


def _with_run(task: Task, counting: str) -> Task:
    return Task(**{**vars(task), "run": f"{counting}; {task.run}"})
