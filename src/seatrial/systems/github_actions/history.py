"""The trials that deployed: by the project's own list, and by the ids in the names of runs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.links.forge.protocol import WorkflowRun
from seatrial.links.forge.runs.order import carries

_ID = re.compile(
    r"(?<![0-9A-Za-z])(?P<trial>t[0-9a-hjkmnp-tv-z]{23})(?:-(?P<environment>[ei][0-9a-f]{10}))?-[0-9a-f]{8}(?![0-9A-Za-z])"
)


@dataclass(frozen=True, slots=True)
class RunId:
    """Seatrial's id in the name of a run."""

    trial: str
    environment: str = ""
    """The digest of its environment; empty: the id has none."""

    def fresh(self, chance: int) -> str:
        """A unique id of this trial and environment, by 32 random bits."""
        return f"{self.trial}-{self.environment}-{chance:08x}"


def id_in(title: str) -> RunId | None:
    """The id in a run's name; None: no trial of Seatrial named it."""
    found = _ID.search(title)
    return RunId(found["trial"], found["environment"] or "") if found else None


class DeploymentHistory:
    """The list of deployments and teardowns requested by a project's trials, in `.seatrial/history`: it identifies a
    deployment as the project's own even if the machine of that trial died."""

    def __init__(self, project: Path) -> None:
        self._file = project / ".seatrial" / "history" / "deployments.jsonl"

    def write(self, record: Mapping[str, Any], trial: str) -> None:
        """A run about to be requested, or one with a known id; `digest` is its environment's."""
        words = ("forge", "api_url", "repository", "workflow", "correlation", "run", "digest")
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
        return self._of(record, run, "trial")

    def environment_of(self, record: Mapping[str, Any], run: WorkflowRun) -> str:
        """The digest of the environment of a run requested by a trial; empty: not known here."""
        return self._of(record, run, "digest")

    def trial_in(self, record: Mapping[str, Any], text: str) -> str:
        """The trial named in a text by its id, correlation or run; empty: none of this project."""
        for row in self._all(record):
            named = [str(row[word]) for word in ("trial", "correlation", "run") if row.get(word)]
            if any(carries(text, name) for name in named):
                return str(row.get("trial") or "")
        return ""

    def _of(self, record: Mapping[str, Any], run: WorkflowRun, word: str) -> str:
        for row in self._all(record):
            if row.get("run") == run.id or (row.get("correlation") and carries(run.title, str(row["correlation"]))):
                return str(row.get(word) or "")
        return ""

    def _all(self, record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Records of this repository, the newest first, without an incomplete line cut by a crash."""
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in reversed(lines):
            try:
                row = json.loads(line)
                same = all(str(row[word]).lower() == str(record[word]).lower() for word in ("api_url", "repository"))
            except (ValueError, KeyError, TypeError):
                continue
            if same:
                yield row
