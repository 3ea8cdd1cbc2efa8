"""The machine of one job: its own folders and environment, and programs ending with it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial_stand_ins.github.runner.programs import Programs
from seatrial_stand_ins.github.runner.settings import Settings

TAKEN_OVER = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "USER", "LOGNAME", "SHELL", "TERM")
"""Variables of this host passed on to jobs; no others are."""

FILES = {
    "GITHUB_ENV": "set_env",
    "GITHUB_OUTPUT": "set_output",
    "GITHUB_PATH": "add_path",
    "GITHUB_STATE": "save_state",
    "GITHUB_STEP_SUMMARY": "step_summary",
}
"""Each step has files of its own under these variables."""


class Machine:
    """One job's machine."""

    def __init__(self, settings: Settings, repository: str, event: Mapping[str, Any]) -> None:
        self.settings = settings
        if settings.folder is not None:
            settings.folder.mkdir(parents=True, exist_ok=True)
        self.root = Path(tempfile.mkdtemp(prefix="job-", dir=settings.folder)).resolve()
        name = repository.rpartition("/")[2]
        self.workspace = self.root / "work" / name / name
        self.temp = self.root / "work" / "_temp"
        self.tools = self.root / "tools"
        self.home = self.root / "home"
        for folder in (self.workspace, self.temp / "_runner_file_commands", self.tools, self.home):
            folder.mkdir(parents=True)
        self.event = self.temp / "_github_workflow" / "event.json"
        self.event.parent.mkdir()
        self.event.write_text(json.dumps(event, indent=2))
        self.programs = Programs(f"github_{uuid.uuid4()}", settings.grace)
        self.path: list[str] = [*map(str, settings.tools), *os.environ.get("PATH", os.defpath).split(os.pathsep)]

    def environment(self) -> dict[str, str]:
        """The environment before the workflow's own; PATH is built last."""
        taken = {name: os.environ[name] for name in TAKEN_OVER if name in os.environ}
        return {"LANG": "C.UTF-8", **taken, "HOME": str(self.home), "CI": "true", **self.settings.environment}

    def runner(self) -> dict[str, str]:
        """The `runner` context, also RUNNER_… in the environment."""
        machine = platform.machine().lower()
        return {
            "name": "seatrial",
            "os": "Linux",
            "arch": {"x86_64": "X64", "aarch64": "ARM64"}.get(machine, machine.upper()),
            "temp": str(self.temp),
            "tool_cache": str(self.tools),
            "environment": "self-hosted",
        }

    def step_files(self) -> dict[str, Path]:
        """New, empty files for one step."""
        mark = uuid.uuid4()
        found = {name: self.temp / "_runner_file_commands" / f"{stem}_{mark}" for name, stem in FILES.items()}
        for file in found.values():
            file.touch()
        return found

    def which(self, program: str, path: str = "") -> str | None:
        """Where a program is for this job."""
        if os.sep in program:
            return program
        return shutil.which(program, path=path or os.pathsep.join(self.path))

    def close(self) -> None:
        """Kill every program of the job, and remove its folders."""
        self.programs.close()
        if not self.settings.keep:
            try:
                shutil.rmtree(self.root)
            except PermissionError:  # a job may remove its own rights to a folder
                for folder, _, _ in os.walk(self.root):
                    Path(folder).chmod(0o700)
                shutil.rmtree(self.root)
