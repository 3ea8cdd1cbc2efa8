"""One HTML file that needs nothing else: verdicts, timelines, steps, checks, outputs and logs."""

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
"""Characters of logs, outputs and evidence in the whole file; each suite gets its share."""

DETAILED = 200
"""From more suites on, those that passed are told without timeline and logs."""

SIZE = 6_000_000
"""Characters of the page from which suites are told without timeline, outputs and logs; from twice as many on, those
that follow are told by their row in the table alone."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


class _Story:
    """What the page needs of a suite and the results do not keep."""

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
    """The report to read."""

    file = "report.html"

    def __init__(self, out: TextIO | Path, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(out, options)
        self._stories: dict[str, _Story] = {}
        beside = self.out.parent if isinstance(self.out, Path) else None
        self._folder: Path | None = self.options.get("folder") or beside

    def on(self, event: Event) -> None:
        """Take one event."""
        super().on(event)
        if event.kind in ("log", "output", "node", "fault", "check_observed", "cleanup_finished"):
            self._stories.setdefault(event.trial, _Story()).on(event)

    def text(self) -> str:
        """The page."""
        run = self.fold.results()
        rows = run["results"]
        share = min(64_000, max(2_000, TEXTS // max(1, len(rows))))
        suites = self._suites(rows, share)
        own = self._stories.get("")
        log = _logs(own, share, run["started_at"]) if own else ""
        title = escape(words.plain(f"{_result(run)}: Seatrial {run['run_id']}"))
        by = escape(words.plain(f"Seatrial {run['version']} on {run['host']}"))
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
            f"<style>{STYLE}</style></head><body>{_head(run)}<main>{_overview(rows)}{suites}{log}</main>"
            f"<footer>{by}. Times are UTC. All of it is in events.jsonl and results.json beside this file.</footer>"
            f"<script>{SCRIPT}</script></body></html>\n"
        )

    def _suites(self, rows: list[Row], share: int) -> str:
        """All suites, in less and less detail as the page grows."""
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
            parts.append(f"<p>{bare} suites are not told in detail, so that this page can be opened.</p>")
        return "".join(parts)

    def _suite(self, index: int, row: Row, share: int, count: int, *, full: bool) -> str:
        state, anchor = words.state(row), f"s{index}"
        story = self._stories.get(row["trial_id"])
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
        if story is not None and full:
            lanes = story.timeline.html(row, anchor)
            parts.append(f"<h3>Timeline</h3>{lanes}" if lanes else "")
        parts.append("<h3>Steps</h3>" if row["workflow_steps"] else "")
        outputs = story.outputs if story is not None and full else {}
        parts += [_step(step, anchor, row["folder"], outputs, budget) for step in row["workflow_steps"]]
        if story is not None and full:
            parts.append(_loose(story, row["folder"], budget))
        if self._folder is not None and row["folder"] and full:
            parts.append(_files(self._folder / row["folder"], row["folder"], budget))
        if story is not None and full:
            parts.append(_logs(story, budget.left, row["started_at"]))
        parts.append(_provenance(row))
        told = "ok" if state in ("passed", "skipped") else "red"
        return (
            f'<details class="suite card" id="{anchor}" data-s="{told}" data-n="{name}"{opened}>{head}'
            f'<div class="inside">{"".join(parts)}</div></details>'
        )


class _Budget:
    """How many characters of text a suite may still show; the end of a text is worth the most."""

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
        ""
        if run["finished"]
        else '<p class="why">The run did not finish: what follows is what it wrote until then.</p>'
    )
    if run["left_behind"]:
        lines = "".join(f"<li>{escape(words.left_line(one))}</li>" for one in run["left_behind"])
        more += f'<div class="why left"><b>Left behind</b><ul>{lines}</ul></div>'
    run_id = escape(words.plain(run["run_id"]))
    return (
        f'<header class="top"><h1>Sea trial {_tag(state)}</h1><div class="soft"><code>{run_id}</code>'
        f" · {began} · {words.seconds(run['duration'])} · exit code {code}"
        f"{f': {meaning}' if meaning else ''}</div><div class=chips>{chips}</div>{more}</header>"
    )


def _overview(rows: list[Row]) -> str:
    if not rows:
        return "<p>No suite was planned.</p>"
    lines = []
    for index, row in enumerate(rows, 1):
        state = words.state(row)
        told = "ok" if state in ("passed", "skipped") else "red"
        name = escape(words.one_line(row["name"], 200))
        note = escape(words.one_line(row["reason"] or row["error"], 160))
        category = f"<b>{escape(row['category'])}</b> " if row["category"] else ""
        took = words.seconds(row["duration"]) if row["duration"] else ""
        lines.append(
            f'<tr data-s={told} data-n="{name}"><td><a href="#s{index}">{name}</a></td><td>{_tag(state)}</td>'
            f"<td>{category}{note}</td><td class=num>{took}</td></tr>"
        )
    tools = (
        '<div class="tools" hidden><input id="q" type="search" placeholder="Find a suite" aria-label="Find a suite">'
        '<button id="red" type="button" aria-pressed="false">Only what did not pass</button>'
        '<button id="all" type="button">Open or close all</button></div>'
    )
    count = words.count(len(rows), "suite")
    return (
        f'<h2>{count}</h2>{tools}<div class="card scroll"><table class="list">'
        "<thead><tr><th>Suite<th>Verdict<th>Why<th class=num>Time</tr></thead><tbody>"
        f"{''.join(lines)}</tbody></table></div><h2>What happened</h2>"
    )


def _trouble(row: Row, state: str, budget: _Budget) -> str:
    parts = []
    if row["error"] or row["reason"]:
        category = f"<b>{escape(row['category'])}</b>: " if row["category"] else ""
        text = escape(words.plain(row["error"] or row["reason"]))
        # What a step shows below need not stand here as well.
        shown = {step["evidence"] for _, step in words.walk(row["workflow_steps"])}
        own = row["evidence"] and row["evidence"] not in shown
        evidence = f"<pre>{escape(budget.take(row['evidence']))}</pre>" if own else ""
        kind = state.split(maxsplit=1)[0]
        parts.append(f'<div class="why {kind}">{category}{text}{evidence}</div>')
    if row["left_behind"]:
        lines = "".join(f"<li>{escape(words.left_line(one))}</li>" for one in row["left_behind"])
        parts.append(f'<div class="why left"><b>Left behind</b><ul>{lines}</ul></div>')
    return "".join(parts)


def _step(
    step: Row, anchor: str, folder: str, outputs: Mapping[str, deque[tuple[str, str, str]]], budget: _Budget
) -> str:
    state = words.state(step)
    more = [_checks(step["validation_results"]), _said(step, budget)]
    if step["outputs"]:
        pairs = "".join(
            f"<dt>{escape(words.one_line(name))}</dt><dd><code>{escape(words.value(told, 500))}</code></dd>"
            for name, told in step["outputs"].items()
        )
        more.append(f"<dl>{pairs}</dl>")
    more += [_output(one, folder, budget) for one in outputs.get(step["step"], ())]
    inside = "".join(more)
    kids = "".join(_step(child, anchor, folder, outputs, budget) for child in step["steps"])
    described = step["description"] or step["id"]
    checks = "" if described else ", ".join(words.one_line(one["check"], 50) for one in step["validation_results"][:4])
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


def _said(step: Row, budget: _Budget) -> str:
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
    """A link to a file of the run, relative to the report; `./` keeps it from ever being an address of another kind."""
    path = "/".join(part for part in (folder, file) if part)
    return f'<a href="./{escape(quote(words.plain(path)))}">{escape(words.one_line(file, 200))}</a>'


def _loose(story: _Story, folder: str, budget: _Budget) -> str:
    """Outputs that belong to no step: what was collected from the nodes."""
    told = "".join(_output(one, folder, budget) for one in story.outputs.get("", ()))
    return f"<h3>Collected</h3>{told}" if told else ""


def _files(place: Path, folder: str, budget: _Budget) -> str:
    """What the suite left in its folder, logs with their tails."""
    told = []
    for one in artifacts(place, 8000):
        size = f"{one.size / 1024:.0f} KiB" if one.size >= 10_240 else words.count(one.size, "byte")
        name = f"{_link(folder, one.name)} <span class=soft>{size}</span>"
        if one.tail and budget.left > 0:
            told.append(f"<details><summary>{name}</summary><pre>{escape(budget.take(one.tail, 8000))}</pre></details>")
        else:
            told.append(f'<div class="file">{name}</div>')
    return f"<h3>Files</h3>{''.join(told)}" if told else ""


def _logs(story: _Story, room: int, start: float) -> str:
    lines: list[str] = []
    used = 0
    for at, level, text, step in reversed(story.logs):
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
    where = row["provenance"]
    line = f":{where['line']}" if where["line"] else ""
    told = {
        "document": f"{where['document']}{line}" if where["document"] else "",
        "test id": row["test_id"],
        "deployment": row["deployment_id"],
        "provider": where["provider"],
        "parameters": words.value(where["parameters"], 1000) if where["parameters"] else "",
    }
    pairs = "".join(
        f"<dt>{name}</dt><dd><code>{escape(words.plain(value))}</code></dd>" for name, value in told.items() if value
    )
    folder = row["folder"]
    files = f"<dt>folder</dt><dd>{_link('', folder)}</dd>" if folder else ""
    return f"<details><summary>Where it came from</summary><dl>{pairs}{files}</dl></details>"
