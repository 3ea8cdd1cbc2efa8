"""Workflow commands: lines of a step's output with `::` at the start."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from seatrial_stand_ins.github.seam import Level

REFUSED = {"set-env": "GITHUB_ENV", "add-path": "GITHUB_PATH"}
"""Commands disabled by GitHub, and the environment file in place of each."""

OLD = {"set-output": "GITHUB_OUTPUT", "save-state": "GITHUB_STATE"}
"""Commands accepted by GitHub with a warning, and the environment file in place of each."""

LEVELS: Mapping[str, Level] = {"error": "failure", "warning": "warning", "notice": "notice"}

_COMMAND = re.compile(r"\s*::([A-Za-z-]+)(?: ([^\n]*?))?::(.*)", re.DOTALL)


class Listener(Protocol):
    """The receiver of commands."""

    def log(self, line: str) -> None: ...
    def mask(self, value: str) -> None: ...
    def note(self, level: Level, message: str, properties: Mapping[str, str]) -> None: ...


@dataclass(slots=True)
class Output:
    """The output of one step: each line is a command, or goes to the log."""

    listener: Listener
    refused: list[str] = field(default_factory=list)
    """Errors of the step: commands disabled by GitHub."""
    values: dict[str, dict[str, str]] = field(default_factory=lambda: {name: {} for name in OLD})
    """Name to value, by the old command."""
    _stopped: str = ""

    def line(self, text: str) -> None:
        """Take one line."""
        found = _COMMAND.fullmatch(text)
        if found is None:
            self.listener.log(text)
            return
        name, properties, data = found[1].lower(), _properties(found[2] or ""), _data(found[3])
        if self._stopped:
            if found[1] == self._stopped:
                self._stopped = ""
            else:
                self.listener.log(text)
            return
        self._take(name, properties, data, text)

    def _take(self, name: str, properties: Mapping[str, str], data: str, text: str) -> None:
        simple: Mapping[str, Callable[[], None]] = {
            "add-mask": lambda: self._mask(data),
            "group": lambda: self.listener.log(f"##[group]{data}"),
            "endgroup": lambda: self.listener.log("##[endgroup]"),
            "debug": lambda: None,
            "echo": lambda: None,
            "add-matcher": lambda: None,
            "remove-matcher": lambda: None,
        }
        if name in LEVELS:
            self.listener.note(LEVELS[name], data, properties)
        elif name in simple:
            simple[name]()
        elif name == "stop-commands":
            self._stopped = data
        elif name in OLD and properties.get("name"):
            self.values[name][properties["name"]] = data
            message = f"The `{name}` command is deprecated; write to ${OLD[name]} instead"
            self.listener.note("warning", message, {})
        elif name in REFUSED:
            message = f"The `{name}` command is disabled; write to ${REFUSED[name]} instead"
            self.refused.append(message)
            self.listener.log(f"##[error]{message}")
        else:
            self.listener.log(text)

    def _mask(self, data: str) -> None:
        if data.strip():
            self.listener.mask(data)
            self.listener.log("::add-mask::***")


def _properties(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            found[name.strip().lower()] = _data(value.replace("%3A", ":").replace("%2C", ","))
    return found


def _data(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
