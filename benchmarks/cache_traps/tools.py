"""The tools: how each writes a project of tasks, and how it runs one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PEERS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seatrial-peers"
"""Where the other tools are installed."""

NPM: Mapping[str, tuple[str, str]] = {
    "turbo": ("turbo", "2.11.11"),
    "moon": ("@moonrepo/cli", "2.5.5"),
    "nx": ("nx", "24.0.6"),
}
GO_TASK = "github.com/go-task/task/v3/cmd/task@v3.54.0"
INSTALLING = 1800.0


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task in the words that all tools share."""

    name: str
    run: str
    """Text for a shell."""
    inputs: Sequence[str]
    """Patterns of files."""
    env: Sequence[str] = ()
    """Names or patterns of variables."""
    makes: Sequence[str] = ()
    """Patterns of its artifacts."""
    needs: Sequence[str] = ()
    """Tasks before it."""


class Tool:
    """A tool: `available` says why it cannot be had; empty: it can."""

    name = ""

    def available(self) -> str:
        return ""

    def write(self, folder: Path, tasks: Sequence[Task]) -> None:
        raise NotImplementedError

    def argv(self, task: str, *, alone: bool, fresh: bool) -> list[str]:
        """The command for a task and those before it; `alone`: without these; `fresh`: without the cache."""
        raise NotImplementedError

    def env(self, folder: Path) -> dict[str, str]:
        """Its variables; `folder` is the project's first work tree."""
        return {}

    def link(self, folder: Path) -> None:
        """Put into a work tree what the tool needs there and git does not bring."""


class Seatrial(Tool):
    name = "seatrial"

    def write(self, folder: Path, tasks: Sequence[Task]) -> None:
        (folder / "seatrial.toml").write_text("")
        stages = {
            task.name: {
                "needs": list(task.needs),
                "checks": {
                    task.name: {
                        "run": task.run,
                        "inputs": list(task.inputs),
                        "env_inputs": list(task.env),
                        "artifacts": list(task.makes),
                    }
                },
            }
            for task in tasks
        }
        _json(folder / "pipeline.json", {"pipeline": {"name": "trap", "stages": stages}})

    def argv(self, task: str, *, alone: bool, fresh: bool) -> list[str]:
        chosen = ["--only", task] if alone else []
        return [
            sys.executable, "-m", "seatrial", "preflight", "--format", "compact", *chosen,
            *(["--no-cache"] if fresh else []),
        ]  # fmt: skip

    def env(self, folder: Path) -> dict[str, str]:
        return {"SEATRIAL_CACHE_DIR": f"{folder}.cache", "XDG_STATE_HOME": f"{folder}.state"}


class _Npm(Tool):
    def available(self) -> str:
        if not shutil.which("npm"):
            return "npm is not installed"
        package, version = NPM[self.name]
        if not self._program().exists():
            folder = PEERS / self.name
            folder.mkdir(parents=True, exist_ok=True)
            argv = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"{package}@{version}"]
            return _installed(argv, self._program())
        return ""

    def _program(self) -> Path:
        return PEERS / self.name / "node_modules/.bin" / self.name


class Turbo(_Npm):
    name = "turbo"

    def write(self, folder: Path, tasks: Sequence[Task]) -> None:
        # A trap's own package.json keeps its scripts.
        path = folder / "package.json"
        own: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        scripts = {**own.get("scripts", {}), **{task.name: task.run for task in tasks}}
        _json(path, {**_PACKAGE, **own, "scripts": scripts})
        told = {
            task.name: {
                "inputs": list(task.inputs),
                "env": list(task.env),
                "outputs": list(task.makes),
                "dependsOn": list(task.needs),
            }
            for task in tasks
        }
        _json(folder / "turbo.json", {"tasks": told, "daemon": False})

    def argv(self, task: str, *, alone: bool, fresh: bool) -> list[str]:
        return [
            str(self._program()), "run", task, "--output-logs=errors-only", "--no-update-notifier",
            *(["--only"] if alone else []), *(["--cache=local:,remote:"] if fresh else []),
        ]  # fmt: skip

    def env(self, folder: Path) -> dict[str, str]:
        return {"TURBO_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1"}


class Moon(_Npm):
    name = "moon"

    def write(self, folder: Path, tasks: Sequence[Task]) -> None:
        (folder / ".moon").mkdir()
        _json(folder / ".moon/workspace.yml", {"projects": {"app": "."}, "telemetry": False})
        told = {
            task.name: {
                "script": task.run,
                "inputs": [*task.inputs, *(f"${name}" for name in task.env)],
                "outputs": list(task.makes),
                "deps": [f"app:{name}" for name in task.needs],
            }
            for task in tasks
        }
        _json(folder / "moon.yml", {"tasks": told})

    def argv(self, task: str, *, alone: bool, fresh: bool) -> list[str]:
        off = ["--cache", "off"] if fresh else []
        alone_argv = ["exec", "--upstream", "none", f"app:{task}"] if alone else ["run", f"app:{task}"]
        return [str(self._program()), *off, "--quiet", *alone_argv]


class Nx(_Npm):
    name = "nx"

    def write(self, folder: Path, tasks: Sequence[Task]) -> None:
        if not (folder / "package.json").exists():
            _json(folder / "package.json", _PACKAGE)
        self.link(folder)
        _json(folder / "nx.json", {"neverConnectToCloud": True, "analytics": False})
        told = {
            task.name: {
                "executor": "nx:run-commands",
                "options": {"command": task.run},
                "cache": True,
                "inputs": [*(_of_nx(one) for one in task.inputs), *({"env": name} for name in task.env)],
                "outputs": [f"{{workspaceRoot}}/{one.removesuffix('/**')}" for one in task.makes],
                "dependsOn": list(task.needs),
            }
            for task in tasks
        }
        _json(folder / "project.json", {"name": "app", "targets": told})

    def link(self, folder: Path) -> None:
        (folder / "node_modules").mkdir(exist_ok=True)
        (folder / "node_modules/nx").symlink_to(PEERS / "nx/node_modules/nx")

    def argv(self, task: str, *, alone: bool, fresh: bool) -> list[str]:
        return [
            str(self._program()), "run", f"app:{task}", "--outputStyle=static",
            *(["--excludeTaskDependencies"] if alone else []), *(["--skipNxCache"] if fresh else []),
        ]  # fmt: skip

    def env(self, folder: Path) -> dict[str, str]:
        return {"NX_DAEMON": "false", "NX_NO_CLOUD": "true", "NX_TUI": "false", "NX_INTERACTIVE": "false"}


class GoTask(Tool):
    name = "task"

    def available(self) -> str:
        program = self._program()
        if program.exists():
            return ""
        if not shutil.which("go"):
            return "go is not installed"
        program.parent.mkdir(parents=True, exist_ok=True)
        return _installed(["env", f"GOBIN={program.parent}", "go", "install", GO_TASK], program)

    def write(self, folder: Path, tasks: Sequence[Task]) -> None:
        told = {
            task.name: {
                "cmds": [task.run],
                "sources": [{"exclude": one[1:]} if one.startswith("!") else one for one in task.inputs],
                "generates": list(task.makes),
                "deps": list(task.needs),
            }
            for task in tasks
        }
        _json(folder / "Taskfile.yml", {"version": "3", "tasks": told})

    def argv(self, task: str, *, alone: bool, fresh: bool) -> list[str]:
        return [str(self._program()), *(["--force"] if fresh else []), task]

    def _program(self) -> Path:
        return PEERS / "task/task"


TOOLS: Mapping[str, type[Tool]] = {one.name: one for one in (Seatrial, Turbo, Moon, Nx, GoTask)}

_PACKAGE = {"name": "app", "version": "1.0.0", "private": True, "packageManager": "npm@10.0.0"}


def _of_nx(pattern: str) -> str:
    return f"!{{workspaceRoot}}/{pattern[1:]}" if pattern.startswith("!") else f"{{workspaceRoot}}/{pattern}"


def _json(path: Path, data: object) -> None:
    """JSON is YAML, too."""
    path.write_text(json.dumps(data, indent=1))


def _installed(argv: Sequence[str], program: Path) -> str:
    print(f"Installing {program.name} …", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALLING, check=False)
    except subprocess.TimeoutExpired:
        return f"{argv[0]} did not install it within {INSTALLING:g} s"
    if program.exists():
        return ""
    return f"{argv[0]} could not install it: {(done.stderr.strip() or 'no message').splitlines()[-1][:200]}"
