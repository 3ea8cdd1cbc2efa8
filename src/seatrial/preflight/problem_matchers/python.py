"""Tools of Python: ruff, mypy, pytest, and the interpreter's own tracebacks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seatrial.preflight.problem_matchers.line import Problem, by_line

_RULE = re.compile(r"(?P<code>[A-Z]+\d+|[a-z]+(?:-[a-z]+)*:)(?: \[\*\])? (?P<message>\S.*)")
_FIXABLE = re.compile(r"\[\*\] ")
_ARROW = re.compile(r"\s*--> (?P<file>.+?):(?P<line>\d+)(?::(?P<column>\d+))?\s*")
_REFORMAT = re.compile(r"Would reformat: (?P<file>.+)")
_SECTION = re.compile(r"_{3,} (?:ERROR (?:at \w+ of|collecting) )?(?P<name>\S.*?) _{3,}")
_RULED = re.compile(r"(=|-){5,}.*")
_RAISED = re.compile(r"(?P<file>[^\s:][^:]*\.\w+):(?P<line>\d+): (?:in \S.*|(?P<error>[\w.]+(?:: .*)?))?\s*")
_SUMMARY = re.compile(r"(?:FAILED|ERROR) (?P<file>[^\s:]+)(?:::(?P<name>\S+?))?(?: - (?P<message>.*))?")
_FRAME = re.compile(r'\s*File "(?P<file>[^"<]+)", line (?P<line>\d+)(?:, in .*)?')
_EXCEPTION = re.compile(r"(?P<message>[A-Za-z_][\w.]*+(?::.*)?)")
_ISSUE = re.compile(r">> Issue: (?P<message>\S.*)")
_LOCATION = re.compile(r"Location: (?P<file>[^\s:]+):(?P<line>\d+)(?::(?P<column>\d+))?")
_LIBRARY = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen")


def ruff(lines: Sequence[str]) -> Iterator[Problem]:
    """`check` in the full and the concise form, and `format --check`."""
    for at, line in enumerate(lines):
        arrow = _ARROW.fullmatch(line)
        rule = _RULE.fullmatch(lines[at - 1].strip()) if arrow and at else None
        if arrow and rule:
            message = f"{rule['code']} {rule['message']}"
            yield Problem(arrow["file"], int(arrow["line"]), message, int(arrow["column"] or 0))
        elif found := _REFORMAT.fullmatch(line.strip()):
            yield Problem(found["file"], 0, "would be reformatted: run `ruff format`")
        elif not line.startswith((" ", "\t")):
            yield from by_line([_FIXABLE.sub("", line)])


def mypy(lines: Sequence[str]) -> Iterator[Problem]:
    """Its errors; notes only explain them."""
    for one in by_line(lines):
        if one.severity != "notice":
            yield one


def pytest(lines: Sequence[str]) -> Iterator[Problem]:
    """Each failed test with the failing line; from the short summary without a traceback."""
    told: set[str] = set()
    for name, body in _sections(lines):
        one = _failure(name, body)
        if one is not None:
            told.add(name)
            yield one
    places = {one.message: one for one in by_line(lines)}
    for line in lines:
        found = _SUMMARY.fullmatch(line.strip())
        if found is None or "." not in found["file"]:
            continue
        # The report joins class and method with a dot, the summary with two colons.
        name, message = (found["name"] or found["file"]).replace("::", "."), found["message"] or "failed"
        if name not in told:
            place = places.get(message)
            told_by = f"{name}: {message}" if found["name"] else message
            yield Problem(place.file if place else found["file"], place.line if place else 0, told_by)


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The parts of the report between the underlined names of tests."""
    name: str = ""
    body: list[str] = []
    for line in lines:
        head = _SECTION.fullmatch(line.strip())
        if head or _RULED.fullmatch(line.strip()):
            if name:
                yield name, body
            name, body = (head["name"] if head else ""), []
        else:
            body.append(line)
    if name:
        yield name, body


def _failure(name: str, body: Sequence[str]) -> Problem | None:
    """The place of a failure: the last one of the test's own traceback, and pytest's first line marked E."""
    error = next((line[1:].strip() for line in body if line.startswith("E ") and line[1:].strip()), "")
    places = [found for line in body if (found := _RAISED.fullmatch(line.rstrip()))]
    ours = [one for one in places if not any(part in one["file"] for part in _LIBRARY)] or places
    if ours:
        place = ours[-1]
        return Problem(place["file"], int(place["line"]), f"{name}: {error or place['error'] or 'failed'}")
    native = list(traceback(body))
    if native:
        return Problem(native[-1].file, native[-1].line, f"{name}: {native[-1].message}")
    # A file that failed to collect stands for itself.
    return Problem(name, 0, error) if error and name.endswith(".py") else None


def bandit(lines: Sequence[str]) -> Iterator[Problem]:
    """`>> Issue: message`, then the location some lines below."""
    message = ""
    for line in lines:
        if issue := _ISSUE.fullmatch(line.strip()):
            message = issue["message"]
        elif message and (place := _LOCATION.fullmatch(line.strip())):
            yield Problem(place["file"].removeprefix("./"), int(place["line"]), message, int(place["column"] or 0))
            message = ""


def traceback(lines: Sequence[str]) -> Iterator[Problem]:
    """Each exception at its last frame outside libraries."""
    frames: list[re.Match[str]] = []
    for line in lines:
        text = line.removeprefix("E ")
        frame = _FRAME.fullmatch(text)
        if frame:
            frames.append(frame)
        elif frames and text[:1].strip() and (found := _EXCEPTION.fullmatch(text.strip())):
            ours = [one for one in frames if not any(part in one["file"] for part in _LIBRARY)] or frames
            yield Problem(ours[-1]["file"], int(ours[-1]["line"]), found["message"])
            frames = []
