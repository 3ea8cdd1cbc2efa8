"""The files for a step's outputs, variables and folders of PATH."""

from __future__ import annotations

from pathlib import Path

from seatrial_stand_ins.github.runner.calls import ActionFailed

SUMMARY = 1024 * 1024
"""GitHub's limit for one step's summary, in bytes."""


def pairs(path: Path, what: str) -> dict[str, str]:
    """`NAME=VALUE`, or `NAME<<END` with lines up to `END`; ActionFailed for any other line."""
    lines = _lines(path)
    found: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line[:equals], line[equals + 1 :]
        elif heredoc >= 0:
            name, end = line[:heredoc], line[heredoc + 2 :]
            if not name or not end:
                raise ActionFailed(f"Unable to process file command '{what}': invalid format '{line}'")
            begin = at
            while at < len(lines) and lines[at] != end:
                at += 1
            if at == len(lines):
                raise ActionFailed(f"Unable to process file command '{what}': matching delimiter not found '{end}'")
            value = "\n".join(lines[begin:at])
            at += 1
        else:
            raise ActionFailed(f"Unable to process file command '{what}': invalid format '{line}'")
        if not name:
            raise ActionFailed(f"Unable to process file command '{what}': invalid format '{line}', the name is empty")
        found[name] = value
    return found


def folders(path: Path) -> list[str]:
    """The folders for PATH, in the order of the file."""
    return [line for line in _lines(path) if line.strip()]


def summary(path: Path) -> str:
    """The Markdown of a step; ActionFailed above GitHub's limit."""
    size = path.stat().st_size if path.exists() else 0
    if size > SUMMARY:
        raise ActionFailed(
            f"$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got {size // 1024}k"
        )
    return path.read_text("utf-8-sig", errors="replace") if size else ""


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    text = path.read_text("utf-8-sig", errors="replace")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines
