"""What the tools say with `-json`: one JSON object a line, for each change, each step forward and each diagnostic."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seatrial.model.frozen import frozen

_SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "-/+", "read": "<=", "move": "->", "import": "<-",
          "forget": "."}  # fmt: skip

_SILENT = ("refresh_start", "refresh_complete", "resource_drift", "version", "init_output", "outputs", "log")
"""Types of messages that tell people nothing about their resources."""

_STARTS, _ENDS = "apply_start", ("apply_complete", "apply_errored")

_LOCKED = ("state lock", "state is locked", "workspace is already locked")
_UNREACHABLE = re.compile(
    r"no such host|connection refused|connection reset|timed? ?out|TLS handshake|network is unreachable|"
    r"server misbehaving|temporary failure|could not connect|\b(429|50[0-9])\b",
    re.IGNORECASE,
)

_PROVIDER = re.compile(r"provider\s+((?:[\w.-]+/)*[\w-]+/[\w-]+)")
"""The address of a provider in what the tools say."""

_EMPTY = re.compile(r"^execution halted$|encountered problems during initiali[sz]ation")
"""Summaries of errors that only say that there are others."""


@frozen
class Diagnostic:
    """An error or a warning of the tool."""

    severity: str
    summary: str
    detail: str = ""
    file: str = ""
    line: int = 0
    address: str = ""
    """The resource, as in `aws_instance.web[0]`."""

    def __str__(self) -> str:
        """On one line, without the box that the tool draws for people."""
        place = f"{self.file}:{self.line}: " if self.file else ""
        about = f" ({self.address})" if self.address and self.address not in self.summary + self.detail else ""
        text = ": ".join(" ".join(part.split()) for part in (self.summary, self.detail) if part.strip())
        return f"{place}{text}{about}"

    @property
    def locked(self) -> bool:
        """Whether somebody else holds the lock of the state."""
        return any(word in self.summary.lower() for word in _LOCKED)

    @property
    def unreachable(self) -> bool:
        """Whether a server did not answer; in `init`, this says nothing about the configuration."""
        return bool(_UNREACHABLE.search(self.detail))


@frozen
class Change:
    """One planned change."""

    action: str
    address: str

    def __str__(self) -> str:
        return f"{_SIGNS.get(self.action, '?')} {self.address}"


class Messages:
    """All messages of one call so far; `source` is the folder to name before files."""

    def __init__(self, verb: str = "", source: str = "") -> None:
        self._verb, self._source = verb, source
        self.errors: list[Diagnostic] = []
        self.changes: list[Change] = []
        self.working: dict[str, str] = {}
        """Resource to action, begun and not ended: what a tool that was killed leaves in doubt."""

    @property
    def touches(self) -> bool:
        """Whether any resource changes."""
        return any(change.action not in ("read", "noop") for change in self.changes)

    def read(self, line: str) -> str:
        """Take one line; what it says to people, empty for nothing."""
        try:
            said = json.loads(line)
        except ValueError:
            return "" if self._verb == "init" else line.rstrip()  # a panic; `init` explains the tool
        if not isinstance(said, dict):
            return line.rstrip()
        kind = said.get("type")
        if kind == "diagnostic":
            return self._diagnosed(said.get("diagnostic") or {})
        if self._verb == "init":
            return ""
        if kind == "planned_change":
            change = Change(action=_text(said, "change", "action"), address=_text(said, "change", "resource", "addr"))
            self.changes.append(change)
            return "" if self._verb == "apply" else str(change)  # it says the plan again
        if kind == _STARTS:
            self.working[_text(said, "hook", "resource", "addr")] = _text(said, "hook", "action")
        elif kind in _ENDS:
            self.working.pop(_text(said, "hook", "resource", "addr"), None)
        return "" if kind in _SILENT else str(said.get("@message", "")).rstrip()

    def locate(self, place_of_provider: Callable[[str], str]) -> None:
        """Fill in the places of errors about a provider: the tools leave them out."""
        for at, error in enumerate(self.errors):
            about = _PROVIDER.search(error.detail) if not error.file else None
            if about and (place := place_of_provider(about[1])):
                file, _, line = place.rpartition(":")
                self.errors[at] = replace(error, file=_below(self._source, file), line=int(line))

    def _diagnosed(self, said: Mapping[str, Any]) -> str:
        found = diagnostic(said, self._source)
        if found.severity == "error" and found not in self.errors:
            self.errors.append(found)
        return f"{found.severity}: {found}"


def _below(source: str, file: str) -> str:
    return f"{source}/{file}" if file and source not in ("", ".") else file


def diagnostic(said: Mapping[str, Any], source: str = "") -> Diagnostic:
    """One diagnostic, from a message or from `validate -json`."""
    where = said.get("range") or {}
    file = str(where.get("filename") or "")
    return Diagnostic(
        severity=str(said.get("severity", "error")),
        summary=str(said.get("summary") or "").strip(),
        detail=str(said.get("detail") or "").strip(),
        file=_below(source, file),
        line=int((where.get("start") or {}).get("line", 0)),
        address=str(said.get("address") or ""),
    )


def in_words(errors: Sequence[Diagnostic], most: int = 1) -> str:
    """The errors on one line, the ones with a place in a file first; an interruption explains nothing if others do."""
    telling = [error for error in errors if not _EMPTY.search(error.summary)] or list(errors)
    telling.sort(key=lambda error: not error.file)
    more = f" (and {len(telling) - most} more)" if len(telling) > most else ""
    return "; ".join(map(str, telling[:most])) + more


def _text(said: Mapping[str, Any], *path: str) -> str:
    here: Any = said
    for name in path:
        here = here.get(name) if isinstance(here, Mapping) else None
    return str(here or "")
