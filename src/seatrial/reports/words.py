"""The words of reports: marks, durations, values, and text without terminal escapes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Row = dict[str, Any]

_SIGNS = {
    "passed": ("✓", "+", "32"),
    "failed": ("✗", "x", "1;31"),
    "unknown": ("?", "?", "1;33"),
    "interrupted": ("?", "?", "1;33"),
    "left behind": ("!", "!", "1;31"),
    "skipped": ("○", "o", "2"),
    "pending": ("·", ".", "2"),
    "running": ("▸", ">", "36"),
    "allowed": ("~", "~", "33"),
    "fault": ("⚡", "!", "35"),
    "more": ("…", "...", ""),
    "line": ("─", "-", ""),
}
MARKS = {state: mark for state, (mark, _, _) in _SIGNS.items()}
ASCII_MARKS = {state: mark for state, (_, mark, _) in _SIGNS.items()}
COLOURS = {state: colour for state, (_, _, colour) in _SIGNS.items() if colour}
"""The terminal's code for the colour of a state."""

EXIT_CODES = {
    0: "all suites passed",
    1: "a suite failed",
    2: "invalid usage or document; nothing was started",
    3: "unknown: at least one suite could not be judged",
    4: "resources left behind",
    5: "nothing was selected, everything was skipped, or nothing that decides was measured",
    129: "interrupted by SIGHUP",
    130: "interrupted by SIGINT",
    143: "interrupted by SIGTERM",
}

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: object) -> str:
    """Text without terminal escapes. Other control characters become `\\x07`; tabs and line ends stay."""
    text = str(text)
    if text.isprintable():  # nearly all text; the patterns below match only unprintable characters
        return text
    cleaned = _ESCAPES.sub("", text).replace("\r\n", "\n")
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", cleaned)


_COMMANDS = re.compile(r"##(?=\[|vso\[|teamcity\[)|^(\s*):(?=:)")


def harmless(line: str) -> str:
    """A line without commands to a CI's runner: `##[` and `::` of a product get a space inside."""
    if "::" not in line and "##" not in line:
        return line
    return _COMMANDS.sub(lambda match: "# #" if match[1] is None else f"{match[1]}: ", line)


def one_line(text: object, limit: int = 300) -> str:
    """Plain text on one line, cut at `limit` characters with the number of omitted ones."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else f"{line[:limit]}… ({len(line) - limit} more characters)"


def tail(text: str, most: int) -> str:
    """The end of a text, at most this many characters, with the number of omitted ones."""
    return text if len(text) <= most else f"… {len(text) - most} characters before\n{text[-most:]}"


def value(seen: object, limit: int = 300) -> str:
    """An observed value: text unchanged, everything else as JSON."""
    if isinstance(seen, str):
        return one_line(seen, limit) or "(empty)"
    return one_line(json.dumps(seen, ensure_ascii=False, default=str), limit)


def seconds(duration: float) -> str:
    """A duration for people: `0.04s`, `1.2s`, `2m05s`, `1h02m`."""
    if duration < 0.1:
        return f"{max(duration, 0):.2f}s"
    if duration < 59.95:
        return f"{duration:.1f}s"
    minutes, rest = divmod(round(duration), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def count(number: int, noun: str) -> str:
    """`1 suite`, `2 suites`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def result(run: Mapping[str, Any]) -> str:
    """The result of a run, a key of MARKS."""
    return "passed" if run["success"] else "left behind" if run["exit_code"] == 4 else str(run["verdict"])


def totals(run: Mapping[str, Any]) -> str:
    """The number of suites in each state: `3 passed, 1 failed`."""
    return ", ".join(f"{number} {state}" for state, number in run["totals"].items() if number) or "no suites"


def state(row: Mapping[str, Any]) -> str:
    """The state of a suite or step, a key of MARKS."""
    status = row["status"]
    if status == "running":
        return "interrupted" if row.get("interrupted") else "running"
    if row.get("left_behind") and (status == "skipped" or row["verdict"] == "passed"):
        return "left behind"
    if status in ("skipped", "pending"):
        return str(status)
    if row.get("allowed_failure") and row["verdict"] != "passed":
        return "allowed"
    return str(row["verdict"]) if row["verdict"] in ("passed", "failed") else "unknown"


def check_state(check: Mapping[str, Any]) -> str:
    """The state of a check, a key of MARKS."""
    if check["verdict"] == "passed":
        return "passed"
    if check["allowed_failure"]:
        return "allowed"
    return "failed" if check["verdict"] == "failed" else "unknown"


def word(state: str, verdict: str = "failed") -> str:
    """The word for a state, so that no meaning depends on a mark or colour; `verdict`: of an allowed failure."""
    return f"{verdict}, allowed" if state == "allowed" else state


def title(step: Mapping[str, Any]) -> str:
    """The title of a step: its type, and its description or id."""
    name = plain(step["step_type"] or "step")
    more = step["description"] or step["id"]
    return f"{name}  {one_line(more, 120)}" if more else name


def place(suite: Mapping[str, Any]) -> tuple[str, int]:
    """Document and line of the innermost step that did not pass, else of the suite."""
    source = suite["provenance"]["document"], suite["provenance"]["line"]
    for _, step in walk(suite["workflow_steps"]):
        if step.get("line") and not step["allowed_failure"]:
            source = step["document"], step["line"]
    return source


def walk(steps: Iterable[Row], depth: int = 0) -> Iterator[tuple[int, Row]]:
    """Every step with its depth, parents before their children."""
    for step in steps:
        yield depth, step
        yield from walk(step["steps"], depth + 1)


def details(check: Mapping[str, Any], limit: int = 300) -> list[str]:
    """Lines about a check that did not pass: observed and expected values, reason, attempts."""
    lines = [f"{key}: {value(check[key], limit)}" for key in ("seen", "expected") if check[key] is not None]
    if check["why"]:
        lines.append(f"why: {one_line(check['why'], limit)}")
    if check["attempts"] != 1:
        lines.append(f"attempts: {check['attempts']} in {seconds(check['duration'])}")
    return lines


def fault(data: Mapping[str, Any]) -> str:
    """A fault from its event: `crash n11 by destroy`."""
    method = f" by {data['method']}" if data.get("method") else ""
    return one_line(f"{data.get('fault', 'fault')} {data.get('node', '')}{method}")


def left_line(left: Mapping[str, Any]) -> str:
    """One resource left behind."""
    owner = f" ({left['owner']})" if left["owner"] else ""
    return one_line(f"{left['kind']} {left['name']}{owner}" + (f": {left['error']}" if left["error"] else ""))
