"""Small values in documents: durations, expressions, argument lists."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, get_args

from seatrial.model.frozen import frozen

__all__ = [
    "Argv",
    "CutText",
    "Duration",
    "Expression",
    "FileNames",
    "Names",
    "Pattern",
    "Range",
    "Timeout",
    "WaitFor",
    "argv_of",
    "duration",
    "json_safe",
]

Duration = NewType("Duration", float)
"""Seconds. In documents: a number of seconds, or `500ms`, `10s`, `5m`, `1h`, `1h30m`."""

Timeout = NewType("Timeout", float)
"""A duration that is not 0: that would leave no time."""

Expression = NewType("Expression", str)
"""A CEL expression."""

Rule = NewType("Rule", str)
"""A name of `cluster.RULES`, or CEL over `healthy` and `total`."""

Pattern = NewType("Pattern", str)
"""A regular expression of Python, for `ctx.search`."""


class _NotGiven:
    def __repr__(self) -> str:
        return "not given"


class CutText(str):
    """The end of a longer text, with a mark of the cut: data for people, and for no judgement."""

    __slots__ = ("whole",)

    whole: int
    """The length of the whole text."""

    @classmethod
    def end(cls, text: str, most: int, missing: int = 0) -> CutText:
        """The last characters of a text; `missing` more are lost already."""
        whole = len(text) + missing
        cut = cls(f"… ({whole - most} characters before)\n{text[-most:]}")
        cut.whole = whole
        return cut


NOT_GIVEN: Any = _NotGiven()
"""The default of a key whose value may be null."""

WaitFor = Literal["service", "link", "power"]
"""What has to answer before a started node is up; `power` alone: nothing on it."""

Keep = Literal["never", "failed", "always"]
"""The runs after which nodes are kept."""

Format = Literal["auto", "plain", "live", "json", "compact", "github", "none"]
"""The console's presentation of a run; `compact` is for pipelines only."""

ContainerExecutor = Literal["containers", "dagger"]
"""Where a pipeline's checks with an image run."""

EXECUTORS: tuple[str, ...] = get_args(ContainerExecutor)
KEEP: tuple[str, ...] = get_args(Keep)
PIPELINE_FORMATS: tuple[str, ...] = get_args(Format)
FORMATS = tuple(name for name in PIPELINE_FORMATS if name != "compact")
WATCH_FORMATS = ("auto", "plain", "live")

REPORTS = (
    "html", "junit", "ctrf", "json", "github", "annotations", "console", "preflight", "preflight_json", "compact"
)  # fmt: skip
"""The formats of a later report."""

Argv = Annotated[tuple[str, ...] | str, "command"]
"""A command: a list of arguments, or one string for a shell."""

FileNames = Annotated[tuple[str, ...] | str, "files"]
"""The name of a file, or several."""

Names = Annotated[tuple[str, ...] | str, "names"]
"""One name, or several."""


SHELL = ("/bin/sh", "-e")
"""The shell of a command written as text: a line that fails ends it."""

_PIPEFAIL = "(set -o pipefail) 2>/dev/null && set -o pipefail; "
"""Not every shell has it."""

_BUILTINS = frozenset(
    {".", ":", "cd", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "source", "trap", "ulimit"}
    | {"umask", "unset", "wait"}
)
"""Words that only a shell knows."""

_SIMPLE = re.compile(r"[\w./:=@%+,-]+")


def argv_of(command: Argv | Sequence[str], *more: str, shell: str = "") -> tuple[str, ...]:
    """The argument list of a command with more arguments; a text goes to the shell, `/bin/sh -e` unless another is
    given. With the default, a pipe fails with any of its commands where the shell can do that."""
    if not isinstance(command, str):
        return (*map(str, command), *more)
    text = f"{command} {shlex.join(more)}" if more else command
    if shell:
        return (*shlex.split(shell), "-c", text)
    return (*SHELL, "-c", _PIPEFAIL + text if "|" in text else text)


def words_of(command: str) -> tuple[str, ...]:
    """The words of a text that is one command without any syntax of a shell; `${{ }}` is allowed in a word. Empty: it
    needs a shell."""
    words = re.findall(r"(?:\$\{\{.*?\}\}|\S)+", command) if "\n" not in command.strip() else []
    plain = (re.sub(r"\$\{\{.*?\}\}", "x", word) for word in words)
    return tuple(words) if words and words[0] not in _BUILTINS and all(map(_SIMPLE.fullmatch, plain)) else ()


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


def json_safe(value: object, depth: int = 0) -> Any:
    """The nearest value with a JSON form: NaN and infinities become null, other objects text."""
    if depth > 20:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): json_safe(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(one, depth + 1) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a plugin's value may raise anything
        return f"a {type(value).__name__} without a text form: {type(error).__name__}"
