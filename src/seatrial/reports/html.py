"""One self-contained HTML file: verdicts, timelines, steps, checks, outputs and logs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from seatrial.model.event import Event
from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.artifacts import artifacts
from seatrial.reports.document import Document
from seatrial.reports.page import SCRIPT, STYLE
from seatrial.reports.timeline import Timeline
from seatrial.reports.words import Row

TEXTS = 6_000_000
"""Maximum characters of logs, outputs and evidence in the file; each suite gets a share."""

DETAILED = 200
"""Maximum number of suites for full details; with more, passed suites have no timeline and logs."""

SIZE = 6_000_000
"""Size of the page in characters. After it, suites have no timeline, outputs and logs; after twice the size, only a row
in the table."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


class _SuiteLog:
    """Data of a suite for the page, in addition to its results."""

    __slots__ = ("logs", "outputs", "timeline")

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.logs: deque[tuple[float, str, str, str]] = deque(maxlen=400)
        self.outputs: dict[str, deque[tuple[str, str, str]]] = {}

    def on(self, event: Event) -> None:
        data: Mapping[str, Any] = event.data
        if event.kind == "log":
            text = str(data.get("text", ""))[:2000]
            self.logs.append((event.at, str(data.get("level", "info")), text, str(data.get("step", ""))))
        elif event.kind == "output":
            kept = self.outputs.setdefault(str(data.get("step", "")), deque(maxlen=8))
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
        """Take one event."""
        super().on(event)
        if event.kind in ("log", "output", "node", "fault", "check_observed", "cleanup_finished"):
            self._suite_logs.setdefault(event.trial, _SuiteLog()).on(event)

    def text(self) -> str:
        """The page."""
        run = self.fold.results()
        rows = run["results"]
        share = min(64_000, max(2_000, TEXTS // max(1, len(rows))))
        suites = self._suites(rows, share)
        own = self._suite_logs.get("")
        log = _logs(own, share, run["started_at"]) if own else ""
        title = escape(words.plain(f"{_result(run)}: Seatrial {run['run_id']}"))
        by = escape(words.plain(f"Seatrial {run['version']} on {run['host']}"))
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
            f"<style>{STYLE}</style></head><body>{_head(run)}<main>{_overview(rows)}{suites}{log}</main>"
            f"<footer>{by}. Times are UTC. See events.jsonl and results.json in the same folder for all data.</footer>"
            f"<script>{SCRIPT}</script></body></html>\n"
        )

    def _suites(self, rows: list[Row], share: int) -> str:
        """All suites, in less detail as the page grows."""
        parts: list[str] = []
        size = bare = 0
        for index, row in enumerate(rows, 1):
            if size > 2 * SIZE:
                name = escape(words.one_line(row["name"], 200))
                part = f'<p id="s{index}" class=soft>{name}: see <code>{escape(words.plain(row["folder"]))}</code></p>'
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
        state, anchor = words.state(row), f"s{index}"
        suite_log = self._suite_logs.get(row["trial_id"])
        opened = " open" if count <= 3 or (state not in ("passed", "skipped") and count <= 50) else ""
        name = escape(words.one_line(row["name"], 200))
        provider = escape(words.plain(row["provenance"]["provider"]))
        head = (
            f"<summary><b>{name}</b>{_tag(state)}<span class=soft>{provider}</span>"
            f'<span class="soft push num">{words.seconds(row["duration"])}</span></summary>'
        )
        budget = _Budget(share)
        parts = [
            f"<p>{escape(words.plain(row['description']))}</p>" if row["description"] else "",
            _trouble(row, state, budget),
        ]
        if suite_log is not None and full:
            lanes = suite_log.timeline.html(row, anchor)
            parts.append(f"<h3>Timeline</h3>{lanes}" if lanes else "")
        parts.append("<h3>Steps</h3>" if row["workflow_steps"] else "")
        outputs = suite_log.outputs if suite_log is not None and full else {}
        parts += [_step(step, anchor, row["folder"], outputs, budget) for step in row["workflow_steps"]]
        if suite_log is not None and full:
            parts.append(_loose(suite_log, row["folder"], budget))
        if self._folder is not None and row["folder"] and full:
            parts.append(_files(self._folder / row["folder"], row["folder"], budget))
        if suite_log is not None and full:
            parts.append(_logs(suite_log, budget.left, row["started_at"]))
        parts.append(_provenance(row))
        kind = "ok" if state in ("passed", "skipped") else "red"
        return (
            f'<details class="suite card" id="{anchor}" data-s="{kind}" data-n="{name}"{opened}>{head}'
            f'<div class="inside">{"".join(parts)}</div></details>'
        )


class _Budget:
    """The remaining characters of text for a suite; a longer text loses its beginning."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, text: str, most: int = 16_000) -> str:
        text = words.plain(text).rstrip()
        room = max(200, min(most, self.left))
        self.left -= min(len(text), room)
        return text if len(text) <= room else f"… {len(text) - room} characters before\n{text[-room:]}"


def _result(run: Row) -> str:
    if run["success"]:
        return "Passed"
    return {4: "Left behind", 5: "Nothing ran"}.get(run["exit_code"], str(run["verdict"]).capitalize())


def _tag(state: str) -> str:
    kind = state.split(maxsplit=1)[0]
    return f'<span class="tag {kind}"><span aria-hidden="true">{words.MARKS[state]}</span>{words.word(state)}</span>'


def _head(run: Row) -> str:
    state = "passed" if run["success"] else "left behind" if run["exit_code"] == 4 else str(run["verdict"])
    began = datetime.fromtimestamp(run["started_at"], UTC).strftime("%Y-%m-%d %H:%M:%S") if run["started_at"] else ""
    chips = "".join(
        f'<span class="tag {name}"><b>{count}</b> {name}</span>' for name, count in run["totals"].items() if count
    )
    code = run["exit_code"]
    meaning = words.EXIT_CODES.get(code, "")
    more = (
        "" if run["finished"] else '<p class="why">The run did not finish. This page shows its results until then.</p>'
    )
    if run["left_behind"]:
        lines = "".join(f"<li>{escape(words.left_line(left))}</li>" for left in run["left_behind"])
        more += f'<div class="why left"><b>Left behind</b><ul>{lines}</ul></div>'
    run_id = escape(words.plain(run["run_id"]))
    return (
        f'<header class="top"><h1>Sea trial {_tag(state)}</h1><div class="soft"><code>{run_id}</code>'
        f" · {began} · {words.seconds(run['duration'])} · exit code {code}"
        f"{f': {meaning}' if meaning else ''}</div><div class=chips>{chips}</div>{more}</header>"
    )


def _overview(rows: list[Row]) -> str:
    if not rows:
        return "<p>No suites were planned.</p>"
    lines = []
    for index, row in enumerate(rows, 1):
        state = words.state(row)
        kind = "ok" if state in ("passed", "skipped") else "red"
        name = escape(words.one_line(row["name"], 200))
        note = escape(words.one_line(row["reason"] or row["error"], 160))
        category = f"<b>{escape(row['category'])}</b> " if row["category"] else ""
        took = words.seconds(row["duration"]) if row["duration"] else ""
        lines.append(
            f'<tr data-s={kind} data-n="{name}"><td><a href="#s{index}">{name}</a></td><td>{_tag(state)}</td>'
            f"<td>{category}{note}</td><td class=num>{took}</td></tr>"
        )
    tools = (
        '<div class="tools" hidden><input id="q" type="search" placeholder="Find a suite" aria-label="Find a suite">'
        '<button id="red" type="button" aria-pressed="false">Only suites that did not pass</button>'
        '<button id="all" type="button">Expand or collapse all</button></div>'
    )
    count = words.count(len(rows), "suite")
    return (
        f'<h2>{count}</h2>{tools}<div class="card scroll"><table class="list">'
        "<thead><tr><th>Suite<th>Verdict<th>Why<th class=num>Time</tr></thead><tbody>"
        f"{''.join(lines)}</tbody></table></div><h2>Details</h2>"
    )


def _trouble(row: Row, state: str, budget: _Budget) -> str:
    parts = []
    if row["error"] or row["reason"]:
        category = f"<b>{escape(row['category'])}</b>: " if row["category"] else ""
        text = escape(words.plain(row["error"] or row["reason"]))
        # Do not repeat the evidence of a step.
        shown = {step["evidence"] for _, step in words.walk(row["workflow_steps"])}
        own = row["evidence"] and row["evidence"] not in shown
        evidence = f"<pre>{escape(budget.take(row['evidence']))}</pre>" if own else ""
        kind = state.split(maxsplit=1)[0]
        parts.append(f'<div class="why {kind}">{category}{text}{evidence}</div>')
    if row["left_behind"]:
        lines = "".join(f"<li>{escape(words.left_line(left))}</li>" for left in row["left_behind"])
        parts.append(f'<div class="why left"><b>Left behind</b><ul>{lines}</ul></div>')
    return "".join(parts)


def _step(
    step: Row, anchor: str, folder: str, outputs: Mapping[str, deque[tuple[str, str, str]]], budget: _Budget
) -> str:
    state = words.state(step)
    more = [_checks(step["validation_results"]), _error(step, budget)]
    if step["outputs"]:
        pairs = "".join(
            f"<dt>{escape(words.one_line(name))}</dt><dd><code>{escape(words.value(output, 500))}</code></dd>"
            for name, output in step["outputs"].items()
        )
        more.append(f"<dl>{pairs}</dl>")
    more += [_output(output, folder, budget) for output in outputs.get(step["step"], ())]
    inside = "".join(more)
    kids = "".join(_step(child, anchor, folder, outputs, budget) for child in step["steps"])
    described = step["description"] or step["id"]
    checks = (
        "" if described else ", ".join(words.one_line(check["check"], 50) for check in step["validation_results"][:4])
    )
    what = (
        f"<b>{escape(words.plain(step['step_type'] or 'step'))}</b> {escape(words.one_line(described or checks, 200))}"
    )
    if step["reason"]:
        what += f' <span class="soft">({escape(words.one_line(step["reason"], 200))})</span>'
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
        why = f"<div class=soft>{escape(words.one_line(check['why'], 1000))}</div>" if check["why"] else ""
        lines.append(
            f"<tr><td><code>{escape(words.one_line(check['check']))}</code>{why}<td>{_tag(words.check_state(check))}"
            f"<td>{seen}<td>{expected}<td class=num>{check['attempts']}<td class=num>{words.seconds(check['duration'])}"
        )
    return (
        '<div class="scroll"><table class="checks"><tr><th>Check<th>Verdict<th>Seen<th>Expected'
        f"<th class=num>Attempts<th class=num>Time{''.join(lines)}</table></div>"
    )


def _error(step: Row, budget: _Budget) -> str:
    if not step["error"]:
        return ""
    category = f"<b>{escape(step['category'])}</b>: " if step["category"] else ""
    evidence = f"<pre>{escape(budget.take(step['evidence']))}</pre>" if step["evidence"] else ""
    kind = words.state(step)
    return f'<div class="why {kind}">{category}{escape(words.one_line(step["error"], 2000))}{evidence}</div>'


def _output(output: tuple[str, str, str], folder: str, budget: _Budget) -> str:
    source, text, file = output
    link = f" · {_link(folder, file)}" if file else ""
    return (
        f"<details><summary>Output of <code>{escape(words.one_line(source, 200))}</code>{link}</summary>"
        f"<pre>{escape(budget.take(text, 8000))}</pre></details>"
    )


def _link(folder: str, file: str) -> str:
    """A link to a file of the run, relative to the report; `./` prevents any other kind of address."""
    path = "/".join(part for part in (folder, file) if part)
    return f'<a href="./{escape(quote(words.plain(path)))}">{escape(words.one_line(file, 200))}</a>'


def _loose(suite_log: _SuiteLog, folder: str, budget: _Budget) -> str:
    """Outputs without a step: files collected from nodes."""
    outputs = "".join(_output(output, folder, budget) for output in suite_log.outputs.get("", ()))
    return f"<h3>Collected</h3>{outputs}" if outputs else ""


def _files(place: Path, folder: str, budget: _Budget) -> str:
    """The files in the suite's folder, logs with their ends."""
    lines = []
    for file in artifacts(place, 8000):
        size = f"{file.size / 1024:.0f} KiB" if file.size >= 10_240 else words.count(file.size, "byte")
        name = f"{_link(folder, file.name)} <span class=soft>{size}</span>"
        if file.tail and budget.left > 0:
            tail = escape(budget.take(file.tail, 8000))
            lines.append(f"<details><summary>{name}</summary><pre>{tail}</pre></details>")
        else:
            lines.append(f'<div class="file">{name}</div>')
    return f"<h3>Files</h3>{''.join(lines)}" if lines else ""


def _logs(suite_log: _SuiteLog, room: int, start: float) -> str:
    lines: list[str] = []
    used = 0
    for at, level, text, step in reversed(suite_log.logs):
        line = f"{at - start:8.3f}s {level:<7} {f'[{step}] ' if step else ''}{words.plain(text)}"
        used += len(line)
        if used > max(500, room) and lines:
            lines.append("… earlier lines are in events.jsonl")
            break
        lines.append(line)
    if not lines:
        return ""
    shown = escape("\n".join(reversed(lines)))
    return f"<details><summary>Log ({words.count(len(lines), 'line')})</summary><pre>{shown}</pre></details>"


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
    pairs = "".join(
        f"<dt>{name}</dt><dd><code>{escape(words.plain(value))}</code></dd>" for name, value in facts.items() if value
    )
    folder = row["folder"]
    files = f"<dt>folder</dt><dd>{_link('', folder)}</dd>" if folder else ""
    return f"<details><summary>Source</summary><dl>{pairs}{files}</dl></details>"
