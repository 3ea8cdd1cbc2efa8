"""The project's list of deployments requested by its trials, in `.seatrial/history`: it identifies a deployment as the
project's own even if the machine of that trial died."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial.links.forge.protocol import WorkflowRun
from seatrial.links.forge.runs.order import carries

FILE = "deployments.jsonl"


class DeploymentHistory:
    """The list of one project."""

    def __init__(self, project: Path) -> None:
        self._file = project / ".seatrial" / "history" / FILE

    def write(self, record: Mapping[str, Any], trial: str) -> None:
        """A deployment about to be requested, or one with a known run."""
        words = ("forge", "api_url", "repository", "workflow", "correlation", "run")
        line = json.dumps({**{word: record.get(word, "") for word in words}, "trial": trial}) + "\n"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line.encode())
            os.fsync(fd)
        finally:
            os.close(fd)

    def trial_of(self, record: Mapping[str, Any], run: WorkflowRun) -> str:
        """The trial that requested this run of the record's repository; empty: none of this project."""
        for one in self._all(record):
            if one.get("run") == run.id or (one.get("correlation") and carries(run.title, str(one["correlation"]))):
                return str(one.get("trial") or "")
        return ""

    def trial_in(self, record: Mapping[str, Any], text: str) -> str:
        """The trial named in a text by its id, correlation or run; empty: none of this project."""
        for one in self._all(record):
            named = [str(one[word]) for word in ("trial", "correlation", "run") if one.get(word)]
            if any(carries(text, name) for name in named):
                return str(one.get("trial") or "")
        return ""

    def _all(self, record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Records of this repository, the newest first, without an incomplete line cut by a crash."""
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in reversed(lines):
            try:
                one = json.loads(line)
                same = all(str(one[word]).lower() == str(record[word]).lower() for word in ("api_url", "repository"))
            except (ValueError, KeyError, TypeError):
                continue
            if same:
                yield one
