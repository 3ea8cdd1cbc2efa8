"""Small values in documents: durations, expressions, argument lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NewType, get_args

from seatrial.model.frozen import frozen

__all__ = ["Argv", "Duration", "Expression", "Range", "argv_of", "duration"]

Duration = NewType("Duration", float)
"""Seconds. In documents: a number of seconds, or `500ms`, `10s`, `5m`, `1h`, `1h30m`."""

Expression = NewType("Expression", str)
"""A CEL expression."""

Keep = Literal["never", "failed", "always"]
"""The runs after which nodes are kept."""

Format = Literal["auto", "plain", "live", "json", "compact", "github", "none"]
"""The console's presentation of a run; `compact` is for pipelines only."""

KEEP: tuple[str, ...] = get_args(Keep)
PIPELINE_FORMATS: tuple[str, ...] = get_args(Format)
FORMATS = tuple(name for name in PIPELINE_FORMATS if name != "compact")
WATCH_FORMATS = ("auto", "plain", "live")

REPORTS = (
    "html", "junit", "ctrf", "json", "github", "annotations", "console", "preflight", "preflight_json", "compact"
)  # fmt: skip
"""The formats of a later report."""

Argv = tuple[str, ...] | str
"""A command: a list of arguments, or one string for a shell."""


def argv_of(command: Argv | Sequence[str]) -> tuple[str, ...]:
    """The argument list of a command: a string goes to the shell."""
    return ("/bin/sh", "-c", command) if isinstance(command, str) else tuple(map(str, command))


@frozen(kw_only=False)
class Range:
    """The allowed numbers, beside a number's type: `Annotated[int, Range(1)]`."""

    least: float
    most: float | None = None


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def duration(value: object) -> Duration:
    """Read a duration in seconds; ValueError names the allowed forms."""
    allowed = "a duration is a number of seconds or like 500ms, 10s, 5m, 1h, 1h30m"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"invalid duration {value!r}; {allowed}")
    if isinstance(value, str):
        text = value.strip()
        try:
            seconds = float(text)
        except ValueError:
            parts = _PART.findall(text)
            if not parts or "".join(number + unit for number, unit in parts) != text:
                raise ValueError(f"invalid duration {value!r}; {allowed}") from None
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        seconds = float(value)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"invalid duration {value!r}; {allowed}, finite and not negative")
    return Duration(seconds)
