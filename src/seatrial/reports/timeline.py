"""The timeline of one suite: a lane for steps, one for check verdicts, and one per node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from seatrial.model.event import Event
from seatrial.reports import words
from seatrial.reports.words import Row

SEVERITY = ("failed", "unknown", "allowed", "passed")
"""Check states, the most serious first; a mark for several checks shows the first one."""

NEAR = 1.6
"""Marks of checks closer than this percentage of the width become one."""

MOST = 400
"""Maximum number of state changes per node, and of marks."""


@dataclass(slots=True)
class Timeline:
    """State changes, faults and checks of a suite; times are seconds since 1970."""

    nodes: dict[str, list[tuple[float, str, str]]] = field(default_factory=dict)
    """Node to (time, state, reason)."""
    faults: list[tuple[float, str, str, str]] = field(default_factory=list)
    """(time, node, description, step)."""
    checks: list[tuple[float, str, str, str]] = field(default_factory=list)
    """(time, state, text, step)."""
    cleanup: list[tuple[float, float]] = field(default_factory=list)

    def on(self, event: Event) -> None:
        data: Mapping[str, Any] = event.data
        if event.kind == "node":
            changes = self.nodes.setdefault(words.one_line(data.get("node", ""), 60), [])
            if len(changes) < MOST:
                changes.append(
                    (event.at, words.one_line(data.get("state", ""), 30), words.one_line(data.get("why", "")))
                )
        elif event.kind == "fault" and len(self.faults) < MOST:
            method = f" by {data['method']}" if data.get("method") else ""
            what = words.one_line(f"{data.get('fault', 'fault')} {data.get('node', '')}{method}")
            self.faults.append((event.at, words.one_line(data.get("node", ""), 60), what, str(data.get("step", ""))))
        elif event.kind == "check_observed" and len(self.checks) < 10 * MOST:
            check = {"verdict": data.get("verdict"), "allowed_failure": data.get("allowed_failure", False)}
            state = words.check_state(check)
            text = f"{words.one_line(data.get('check', ''), 100)}: {words.word(state)}"
            self.checks.append((event.at, state, text, str(data.get("step", ""))))
        elif event.kind == "cleanup_finished":
            self.cleanup.append((event.at - float(data.get("duration") or 0), event.at))

    def html(self, row: Row, anchor: str) -> str:
        """The lanes; `anchor` is the prefix of step ids."""
        start, length = row["started_at"], row["duration"]
        if not start or length <= 0:
            return ""
        scale = _Scale(start, length)
        lanes = [_axis(length), _steps(row["workflow_steps"], scale, anchor, self.cleanup)]
        if self.checks:
            lanes.append(_checks(self.checks, scale, anchor))
        for node in self.nodes:
            faults = [fault for fault in self.faults if fault[1] == node]
            lanes.append(_node(node, self.nodes[node], faults, scale, anchor))
        loose = [fault for fault in self.faults if fault[1] not in self.nodes]
        if loose:
            lanes.append(_lane("faults", _faults(loose, scale, anchor)))
        legend = "Bars show states · ⚡ fault · ✓ ✗ ? ~ check verdicts · each mark links to its step"
        return f'<div class="lanes">{"".join(lanes)}</div><p class="legend">{legend}</p>'


@dataclass(frozen=True, slots=True)
class _Scale:
    start: float
    length: float

    def at(self, time: float) -> float:
        """Percent of the width."""
        return round(min(100.0, max(0.0, (time - self.start) / self.length * 100)), 2)

    def clock(self, time: float) -> str:
        return words.seconds(max(0.0, time - self.start))


def _lane(name: str, inside: str, kind: str = "") -> str:
    kinds = f"lane {kind}".strip()
    shown = escape(name)
    return (
        f'<div class="{kinds}"><div class="name" title="{shown}">{shown}</div><div class="track">{inside}</div></div>'
    )


def _axis(length: float) -> str:
    ticks = "".join(f'<span style="left:{part * 20}%">{words.seconds(length * part / 5)}</span>' for part in range(6))
    return _lane("", ticks, "axis")


def _bar(state: str, left: float, right: float, text: str, tip: str, href: str = "") -> str:
    width = round(max(0.15, right - left), 2)
    thin = width < 3
    kind = escape("".join(c for c in state if c.isalnum() or c in "-_"))
    head = f'class="bar {kind}{" thin" if thin else ""}" style="left:{left}%;width:{width}%" title="{escape(tip)}"'
    shown = "" if thin else escape(text)
    if href:
        return f'<a {head} href="#{escape(href)}" aria-label="{escape(tip)}">{shown}</a>'
    return f"<span {head}>{shown}</span>"


def _steps(steps: Iterable[Row], scale: _Scale, anchor: str, cleanup: list[tuple[float, float]]) -> str:
    bars = []
    for step in steps:
        if not step["started_at"] or step["status"] in ("skipped", "pending"):
            continue
        state, end = words.state(step), step["started_at"] + step["duration"]
        mark = "" if state == "passed" else f"{words.MARKS[state]} "
        tip = f"{step['step']} {words.title(step)}: {words.word(state)}, {words.seconds(step['duration'])}"
        left = scale.at(step["started_at"])
        text = mark + words.plain(step["step_type"])
        bars.append(
            _bar(state if state != "passed" else "done", left, scale.at(end), text, tip, f"{anchor}-{step['step']}")
        )
    for begin, end in cleanup:
        bars.append(_bar("cleaning", scale.at(begin), scale.at(end), "clean-up", f"clean-up until {scale.clock(end)}"))
    return _lane("steps", "".join(bars), "steps")


def _checks(checks: list[tuple[float, str, str, str]], scale: _Scale, anchor: str) -> str:
    """One mark for checks close together: the most serious verdict, with all of them in its tooltip."""
    groups: list[tuple[float, list[tuple[float, str, str, str]]]] = []
    for check in checks:
        left = scale.at(check[0])
        if groups and left - groups[-1][0] < NEAR:
            groups[-1][1].append(check)
        else:
            groups.append((left, [check]))
    marks = []
    for left, group in groups[:MOST]:
        state, step = min(((SEVERITY.index(check[1]), check[3]) for check in group), key=lambda pair: pair[0])
        name = SEVERITY[state]
        tip = "\n".join(check[2] for check in group[:12]) + f"\nat {scale.clock(group[0][0])}"
        marks.append(
            f'<a class="mark {name}" style="left:{left}%" href="#{escape(anchor)}-{escape(step)}" '
            f'title="{escape(tip)}" aria-label="{escape(tip)}">{words.MARKS[name]}</a>'
        )
    return _lane("checks", "".join(marks), "checks")


def _node(
    name: str,
    changes: list[tuple[float, str, str]],
    faults: list[tuple[float, str, str, str]],
    scale: _Scale,
    anchor: str,
) -> str:
    bars = []
    for index, (at, state, why) in enumerate(changes):
        end = changes[index + 1][0] if index + 1 < len(changes) else scale.start + scale.length
        if state == "destroyed" and index + 1 == len(changes):
            continue
        tip = f"{name} {state} from {scale.clock(at)} to {scale.clock(end)}" + (f": {why}" if why else "")
        bars.append(_bar(state, scale.at(at), scale.at(end), state, tip))
    return _lane(name, "".join(bars) + _faults(faults, scale, anchor))


def _faults(faults: list[tuple[float, str, str, str]], scale: _Scale, anchor: str) -> str:
    return "".join(
        f'<a class="mark fault" style="left:{scale.at(at)}%" href="#{escape(anchor)}-{escape(step)}" '
        f'title="{escape(what)} at {scale.clock(at)}" aria-label="fault: {escape(what)}">⚡</a>'
        for at, _, what, step in faults
    )
