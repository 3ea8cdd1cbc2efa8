"""One self-contained HTML file: verdicts, timelines, steps, checks, outputs and logs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from seatrial.model.event import Event
from seatrial.model.record import record
from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.artifacts import artifacts
from seatrial.reports.document import Document
from seatrial.reports.timeline import Timeline
from seatrial.reports.words import Row

TEXTS = 6_000_000
"""Maximum characters of logs, outputs and evidence in the file; each suite gets a share."""

DETAILED = 200
"""Maximum number of suites for full details; with more, passed suites have no timeline and logs."""

SIZE = 6_000_000
"""Size of the page in characters. After it, suites have no timeline, outputs and logs; after twice the size, only a row
in the table."""

OUTPUTS = 2000
"""Maximum number of steps of a suite with outputs, the last ones."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


Outputs = Mapping[str, deque[tuple[str, str, str]]]
"""By step: source, text and file of the last outputs."""


@record
class _SuiteLog:
    """Data of a suite for the page, in addition to its results."""

    timeline: Timeline = field(default_factory=Timeline)
    logs: deque[tuple[float, str, str, str]] = field(default_factory=lambda: deque(maxlen=400))
    outputs: dict[str, deque[tuple[str, str, str]]] = field(default_factory=dict)

    def on(self, event: Event) -> None:
        data: Mapping[str, Any] = event.data
        if event.kind == "log":
            text = str(data.get("text", ""))[:2000]
            self.logs.append((event.at, str(data.get("level", "info")), text, str(data.get("step", ""))))
        elif event.kind == "output":
            kept = self.outputs.setdefault(str(data.get("step", "")), deque(maxlen=8))
            if len(self.outputs) > OUTPUTS:
                del self.outputs[next(iter(self.outputs))]
            kept.append((str(data.get("source", "")), str(data.get("text", ""))[-8000:], str(data.get("file", ""))))
        else:
            self.timeline.on(event)


@reporter("html")
class Html(Document):
    """The report for people."""

    file = "report.html"

    def __init__(self, out: TextIO | Path, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(out, options)
        self._suite_logs: dict[str, _SuiteLog] = {}
        beside = self.out.parent if isinstance(self.out, Path) else None
        self._folder: Path | None = self.options.get("folder") or beside

    def on(self, event: Event) -> None:
        super().on(event)
        if event.kind in ("log", "output", "node", "fault", "check_observed", "cleanup_finished"):
            self._suite_logs.setdefault(event.trial, _SuiteLog()).on(event)

    def text(self) -> str:
        run = self.fold.results()
        rows = run["results"]
        share = min(64_000, max(2_000, TEXTS // max(1, len(rows))))
        suites = self._suites(rows, share)
        log = _logs(self._suite_logs.get(""), share, run["started_at"])
        result = "Nothing ran" if run["exit_code"] == 5 else words.result(run).capitalize()
        title = _plain(f"{result}: Seatrial {run['run_id']}")
        by = _plain(f"Seatrial {run['version']} on {run['host']}")
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
            f"<style>\n{_part('page.css')}</style></head><body>{_head(run)}<main>{_overview(rows)}{suites}{log}</main>"
            f"<footer>{by}. Times are UTC. See events.jsonl and results.json in the same folder for all data.</footer>"
            f"<script>\n{_part('page.js')}</script></body></html>\n"
        )

    def _suites(self, rows: list[Row], share: int) -> str:
        """All suites, in less detail as the page grows."""
        parts: list[str] = []
        size = bare = 0
        for index, row in enumerate(rows, 1):
            if size > 2 * SIZE:
                name = _line(row["name"], 200)
                part = f'<p id="s{index}" class=soft>{name}: see <code>{_plain(row["folder"])}</code></p>'
                bare += 1
            else:
                full = size < SIZE and (len(rows) <= DETAILED or words.state(row) != "passed")
                part = self._suite(index, row, share, len(rows), full=full)
            size += len(part)
            parts.append(part)
        if bare:
            parts.append(f"<p>{bare} suites are shown without details, to limit the size of this page.</p>")
        return "".join(parts)

    def _suite(self, index: int, row: Row, share: int, count: int, *, full: bool) -> str:
        state, anchor, folder = words.state(row), f"s{index}", row["folder"]
        opened = " open" if count <= 3 or (state not in ("passed", "skipped") and count <= 50) else ""
        name, provider = _line(row["name"], 200), _plain(row["provenance"]["provider"])
        head = (
            f"<summary><b>{name}</b>{_tag(state)}<span class=soft>{provider}</span>"
            f'<span class="soft push num">{words.seconds(row["duration"])}</span></summary>'
        )
        budget = _Budget(share)
        log = self._suite_logs.get(row["trial_id"]) if full else None
        lanes = log.timeline.html(row, anchor) if log else ""
        outputs = log.outputs if log else {}
        parts = [
            f"<p>{_plain(row['description'])}</p>" if row["description"] else "",
            _trouble(row, state, budget),
            f"<h3>Timeline</h3>{lanes}" if lanes else "",
            "<h3>Steps</h3>" if row["workflow_steps"] else "",
            *(_step(step, anchor, folder, outputs, budget) for step in row["workflow_steps"]),
            _collected(outputs, folder, budget),
            _files(self._folder / folder, folder, budget) if self._folder and folder and full else "",
            _logs(log, budget.left, row["started_at"]),
            _provenance(row),
        ]
        return (
            f'<details class="suite card" id="{anchor}" data-s="{_kind(state)}" data-n="{name}"{opened}>{head}'
            f'<div class="inside">{"".join(parts)}</div></details>'
        )


@record
class _Budget:
    """The remaining characters of text for a suite; a longer text loses its beginning."""

    left: int

    def take(self, text: str, most: int = 16_000) -> str:
        text = words.plain(text).rstrip()
        room = max(200, min(most, self.left))
        self.left -= min(len(text), room)
        return words.tail(text, room)


def _part(name: str) -> str:
    """The style or the script of the page; it also works without the script."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _plain(text: object) -> str:
    return escape(words.plain(text))


def _line(text: object, limit: int = 300) -> str:
    return escape(words.one_line(text, limit))


def _kind(state: str) -> str:
    """The kind of a suite for the filter of the page."""
    return "ok" if state in ("passed", "skipped") else "red"


def _why(state: str, row: Row, text: str, evidence: str) -> str:
    category = f"<b>{escape(row['category'])}</b>: " if row["category"] else ""
    evidence = f"<pre>{escape(evidence)}</pre>" if evidence else ""
    return f'<div class="why {state.split(maxsplit=1)[0]}">{category}{text}{evidence}</div>'


def _left(resources: list[Row]) -> str:
    lines = "".join(f"<li>{escape(words.left_line(left))}</li>" for left in resources)
    return f'<div class="why left"><b>Left behind</b><ul>{lines}</ul></div>' if lines else ""


def _folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary><pre>{escape(text)}</pre></details>"


def _pair(name: str, value: str) -> str:
    return f"<dt>{name}</dt><dd><code>{value}</code></dd>"


def _tag(state: str) -> str:
    kind = state.split(maxsplit=1)[0]
    return f'<span class="tag {kind}"><span aria-hidden="true">{words.MARKS[state]}</span>{words.word(state)}</span>'


def _head(run: Row) -> str:
    began = datetime.fromtimestamp(run["started_at"], UTC).strftime("%Y-%m-%d %H:%M:%S") if run["started_at"] else ""
    chips = "".join(
        f'<span class="tag {name}"><b>{count}</b> {name}</span>' for name, count in run["totals"].items() if count
    )
    code = run["exit_code"]
    meaning = words.EXIT_CODES.get(code, "")
    unfinished = '<p class="why">The run did not finish. This page shows its results until then.</p>'
    more = "" if run["finished"] else unfinished
    return (
        f'<header class="top"><h1>Sea trial {_tag(words.result(run))}</h1><div class="soft">'
        f"<code>{_plain(run['run_id'])}</code> · {began} · {words.seconds(run['duration'])} · exit code {code}"
        f"{f': {meaning}' if meaning else ''}</div>"
        f"<div class=chips>{chips}</div>{more}{_left(run['left_behind'])}</header>"
    )


def _overview(rows: list[Row]) -> str:
    if not rows:
        return "<p>No suites were planned.</p>"
    lines = []
    for index, row in enumerate(rows, 1):
        state, name = words.state(row), _line(row["name"], 200)
        note = _line(row["reason"] or row["error"], 160)
        category = f"<b>{escape(row['category'])}</b> " if row["category"] else ""
        took = words.seconds(row["duration"]) if row["duration"] else ""
        lines.append(
            f'<tr data-s={_kind(state)} data-n="{name}"><td><a href="#s{index}">{name}</a></td><td>{_tag(state)}</td>'
            f"<td>{category}{note}</td><td class=num>{took}</td></tr>"
        )
    tools = (
        '<div class="tools" hidden><input id="q" type="search" placeholder="Find a suite" aria-label="Find a suite">'
        '<button id="red" type="button" aria-pressed="false">Only suites that did not pass</button>'
        '<button id="all" type="button">Expand or collapse all</button></div>'
    )
    return (
        f'<h2>{words.count(len(rows), "suite")}</h2>{tools}<div class="card scroll"><table class="list">'
        "<thead><tr><th>Suite<th>Verdict<th>Why<th class=num>Time</tr></thead><tbody>"
        f"{''.join(lines)}</tbody></table></div><h2>Details</h2>"
    )


def _trouble(row: Row, state: str, budget: _Budget) -> str:
    left = _left(row["left_behind"])
    if not (row["error"] or row["reason"]):
        return left
    repeated = row["evidence"] in {step["evidence"] for _, step in words.walk(row["workflow_steps"])}
    evidence = "" if repeated or not row["evidence"] else budget.take(row["evidence"])
    return _why(state, row, _plain(row["error"] or row["reason"]), evidence) + left


def _step(step: Row, anchor: str, folder: str, outputs: Outputs, budget: _Budget) -> str:
    state = words.state(step)
    more = [_checks(step["validation_results"]), _error(step, budget)]
    if step["outputs"]:
        pairs = [_pair(_line(name), escape(words.value(output, 500))) for name, output in step["outputs"].items()]
        more.append(f"<dl>{''.join(pairs)}</dl>")
    more += [_output(output, folder, budget) for output in outputs.get(step["step"], ())]
    inside = "".join(more)
    kids = "".join(_step(child, anchor, folder, outputs, budget) for child in step["steps"])
    checks = ", ".join(words.one_line(check["check"], 50) for check in step["validation_results"][:4])
    about = step["description"] or step["id"] or checks
    what = f"<b>{_plain(step['step_type'] or 'step')}</b> {_line(about, 200)}"
    if step["reason"]:
        what += f' <span class="soft">({_line(step["reason"], 200)})</span>'
    if left_out := step.get("rounds_left_out"):
        what += f' <span class="soft">({left_out} passed rounds are not listed: see events.jsonl)</span>'
    took = words.seconds(step["duration"]) if step["duration"] else ""
    tries = f'<span class="soft">{step["attempts"]} attempts</span>' if step["attempts"] > 1 else ""
    foldable = bool(inside or kids)
    arrow = f'<span class="arrow" aria-hidden="true">{"▸" if foldable else ""}</span>'
    path = f"<span class=path>{escape(step['step'])}</span>"
    line = (
        f'<span class="line">{arrow}{path}<span class="what">{what}</span>{tries}'
        f"{_tag(state)}<span class=num>{took}</span></span>"
    )
    if foldable:
        opened = " open" if state not in ("passed", "skipped", "pending") or kids else ""
        inside = f'<div class="more">{inside}</div>' if inside else ""
        kids = f'<div class="kids">{kids}</div>' if kids else ""
        line = f"<details{opened}><summary>{line}</summary>{inside}{kids}</details>"
    return f'<div class="step" id="{anchor}-{escape(step["step"])}">{line}</div>'


def _checks(checks: list[Row]) -> str:
    if not checks:
        return ""
    lines = []
    for check in checks:
        seen, expected = (
            "" if check[key] is None else f"<code>{escape(words.value(check[key], 1000))}</code>"
            for key in ("seen", "expected")
        )
        why = f"<div class=soft>{_line(check['why'], 1000)}</div>" if check["why"] else ""
        lines.append(
            f"<tr><td><code>{_line(check['check'])}</code>{why}<td>{_tag(words.check_state(check))}"
            f"<td>{seen}<td>{expected}<td class=num>{check['attempts']}<td class=num>{words.seconds(check['duration'])}"
        )
    return (
        '<div class="scroll"><table class="checks"><tr><th>Check<th>Verdict<th>Seen<th>Expected'
        f"<th class=num>Attempts<th class=num>Time{''.join(lines)}</table></div>"
    )


def _error(step: Row, budget: _Budget) -> str:
    if not step["error"]:
        return ""
    evidence = budget.take(step["evidence"]) if step["evidence"] else ""
    return _why(words.state(step), step, _line(step["error"], 2000), evidence)


def _output(output: tuple[str, str, str], folder: str, budget: _Budget) -> str:
    source, text, file = output
    link = f" · {_link(folder, file)}" if file else ""
    return _folded(f"Output of <code>{_line(source, 200)}</code>{link}", budget.take(text, 8000))


def _link(folder: str, file: str) -> str:
    """A link to a file of the run, relative to the report; `./` prevents any other kind of address."""
    path = "/".join(part for part in (folder, file) if part)
    return f'<a href="./{escape(quote(words.plain(path)))}">{_line(file, 200)}</a>'


def _collected(outputs: Outputs, folder: str, budget: _Budget) -> str:
    """Outputs without a step: files collected from nodes."""
    collected = "".join(_output(output, folder, budget) for output in outputs.get("", ()))
    return f"<h3>Collected</h3>{collected}" if collected else ""


def _files(place: Path, folder: str, budget: _Budget) -> str:
    """The files in the suite's folder, logs with their ends."""
    lines = []
    for file in artifacts(place, 8000):
        size = f"{file.size / 1024:.0f} KiB" if file.size >= 10_240 else words.count(file.size, "byte")
        name = f"{_link(folder, file.name)} <span class=soft>{size}</span>"
        if file.tail and budget.left > 0:
            lines.append(_folded(name, budget.take(file.tail, 8000)))
        else:
            lines.append(f'<div class="file">{name}</div>')
    return f"<h3>Files</h3>{''.join(lines)}" if lines else ""


def _logs(suite_log: _SuiteLog | None, room: int, start: float) -> str:
    lines: list[str] = []
    used = 0
    for at, level, text, step in reversed(suite_log.logs if suite_log else ()):
        line = f"{at - start:8.3f}s {level:<7} {f'[{step}] ' if step else ''}{words.plain(text)}"
        used += len(line)
        if used > max(500, room) and lines:
            lines.append("… earlier lines are in events.jsonl")
            break
        lines.append(line)
    if not lines:
        return ""
    return _folded(f"Log ({words.count(len(lines), 'line')})", "\n".join(reversed(lines)))


def _provenance(row: Row) -> str:
    provenance = row["provenance"]
    line = f":{provenance['line']}" if provenance["line"] else ""
    facts = {
        "document": f"{provenance['document']}{line}" if provenance["document"] else "",
        "test id": row["test_id"],
        "deployment": row["deployment_id"],
        "provider": provenance["provider"],
        "parameters": words.value(provenance["parameters"], 1000) if provenance["parameters"] else "",
    }
    pairs = "".join(_pair(name, _plain(value)) for name, value in facts.items() if value)
    files = f"<dt>folder</dt><dd>{_link('', row['folder'])}</dd>" if row["folder"] else ""
    return f"<details><summary>Source</summary><dl>{pairs}{files}</dl></details>"
