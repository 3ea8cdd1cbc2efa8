"""The timeline of one suite: a lane for steps, one for check verdicts, and one per node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from html import escape
from typing import Any

from seatrial.model.event import Event
from seatrial.model.frozen import frozen
from seatrial.model.record import record
from seatrial.reports import words
from seatrial.reports.words import Row

SEVERITY = ("failed", "unknown", "allowed", "passed")
"""Check states, the most serious first; a mark for several checks shows the first one."""

NEAR = 1.6
"""Marks of checks closer than this percentage of the width become one."""

MOST = 400
"""Maximum number of state changes per node, and of marks."""


Mark = tuple[float, str, str, str]
"""A fault (time, node, description, step), or a check (time, state, text, step)."""


@record
class Timeline:
    """State changes, faults and checks of a suite; times are seconds since 1970."""

    nodes: dict[str, list[tuple[float, str, str]]] = field(default_factory=dict)
    """Node to (time, state, reason)."""
    faults: list[Mark] = field(default_factory=list)
    checks: list[Mark] = field(default_factory=list)
    cleanup: list[tuple[float, float]] = field(default_factory=list)

    def on(self, event: Event) -> None:
        data: Mapping[str, Any] = event.data
        if event.kind == "node":
            changes = self.nodes.setdefault(words.one_line(data.get("node", ""), 60), [])
            state, why = words.one_line(data.get("state", ""), 30), words.one_line(data.get("why", ""))
            if len(changes) < MOST:
                changes.append((event.at, state, why))
        elif event.kind == "fault" and len(self.faults) < MOST:
            node = words.one_line(data.get("node", ""), 60)
            self.faults.append((event.at, node, words.fault(data), str(data.get("step", ""))))
        elif event.kind == "check_observed" and len(self.checks) < 10 * MOST:
            state = words.check_state({"verdict": None, "allowed_failure": False, **data})
            text = f"{words.one_line(data.get('check', ''), 100)}: {words.word(state)}"
            self.checks.append((event.at, state, text, str(data.get("step", ""))))
        elif event.kind == "cleanup_finished":
            self.cleanup.append((event.at - float(data.get("duration") or 0), event.at))

    def html(self, row: Row, anchor: str) -> str:
        """The lanes; `anchor` is the prefix of step ids."""
        start, length = row["started_at"], row["duration"]
        if not start or length <= 0:
            return ""
        lanes = _Lanes(start, length, anchor)
        parts = [_axis(length), lanes.steps(row["workflow_steps"], self.cleanup)]
        if self.checks:
            parts.append(lanes.checks(self.checks))
        for node, changes in self.nodes.items():
            parts.append(lanes.node(node, changes, [fault for fault in self.faults if fault[1] == node]))
        loose = [fault for fault in self.faults if fault[1] not in self.nodes]
        if loose:
            parts.append(_lane("faults", lanes.faults(loose)))
        legend = "Bars show states · ⚡ fault · ✓ ✗ ? ~ check verdicts · each mark links to its step"
        return f'<div class="lanes">{"".join(parts)}</div><p class="legend">{legend}</p>'


@frozen(kw_only=False)
class _Lanes:
    """The lanes of one suite; `anchor` is the prefix of step ids."""

    start: float
    length: float
    anchor: str

    def at(self, time: float) -> float:
        """Percent of the width."""
        return round(min(100.0, max(0.0, (time - self.start) / self.length * 100)), 2)

    def clock(self, time: float) -> str:
        return words.seconds(max(0.0, time - self.start))

    def steps(self, steps: Iterable[Row], cleanup: list[tuple[float, float]]) -> str:
        bars = []
        for step in steps:
            if not step["started_at"] or step["status"] in ("skipped", "pending"):
                continue
            state = words.state(step)
            mark = "" if state == "passed" else f"{words.MARKS[state]} "
            tip = f"{step['step']} {words.title(step)}: {words.word(state)}, {words.seconds(step['duration'])}"
            left, right = self.at(step["started_at"]), self.at(step["started_at"] + step["duration"])
            text, href = mark + words.plain(step["step_type"]), f"{self.anchor}-{step['step']}"
            bars.append(_bar(state if state != "passed" else "done", left, right, text, tip, href))
        for begin, end in cleanup:
            tip = f"clean-up until {self.clock(end)}"
            bars.append(_bar("cleaning", self.at(begin), self.at(end), "clean-up", tip))
        return _lane("steps", "".join(bars), "steps")

    def checks(self, checks: list[Mark]) -> str:
        """One mark for checks close together: the most serious verdict, with all of them in its tooltip."""
        groups: list[tuple[float, list[Mark]]] = []
        for check in checks:
            left = self.at(check[0])
            if groups and left - groups[-1][0] < NEAR:
                groups[-1][1].append(check)
            else:
                groups.append((left, [check]))
        marks = []
        for left, group in groups[:MOST]:
            state, step = min(((SEVERITY.index(check[1]), check[3]) for check in group), key=lambda pair: pair[0])
            name = SEVERITY[state]
            tip = escape("\n".join(check[2] for check in group[:12]) + f"\nat {self.clock(group[0][0])}")
            marks.append(
                f'<a class="mark {name}" style="left:{left}%" href="#{escape(self.anchor)}-{escape(step)}" '
                f'title="{tip}" aria-label="{tip}">{words.MARKS[name]}</a>'
            )
        return _lane("checks", "".join(marks), "checks")

    def node(self, name: str, changes: list[tuple[float, str, str]], faults: list[Mark]) -> str:
        bars = []
        ends = [at for at, _, _ in changes[1:]]
        if changes[-1][1] != "destroyed":
            ends.append(self.start + self.length)
        for (at, state, why), end in zip(changes, ends, strict=False):
            tip = f"{name} {state} from {self.clock(at)} to {self.clock(end)}" + (f": {why}" if why else "")
            bars.append(_bar(state, self.at(at), self.at(end), state, tip))
        return _lane(name, "".join(bars) + self.faults(faults))

    def faults(self, faults: list[Mark]) -> str:
        return "".join(
            f'<a class="mark fault" style="left:{self.at(at)}%" href="#{escape(self.anchor)}-{escape(step)}" '
            f'title="{escape(what)} at {self.clock(at)}" aria-label="fault: {escape(what)}">⚡</a>'
            for at, _, what, step in faults
        )


def _lane(name: str, inside: str, kind: str = "") -> str:
    kinds = f"lane {kind}".strip()
    title = f'<div class="name" title="{escape(name)}">{escape(name)}</div>'
    return f'<div class="{kinds}">{title}<div class="track">{inside}</div></div>'


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
