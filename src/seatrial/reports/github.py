"""The step summary of a GitHub job: Markdown, kept under the size that GitHub takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.document import Document
from seatrial.reports.words import Row

LIMIT = 1_000_000
"""Bytes; GitHub refuses a summary of more than 1 MiB (1,048,576)."""

ICONS = {
    "passed": "✅",
    "failed": "❌",
    "unknown": "❓",
    "interrupted": "❓",
    "left behind": "🧹",
    "skipped": "⚪",
    "pending": "⚪",
    "running": "▶️",
    "allowed": "⚠️",
}
RED = ("failed", "unknown", "interrupted", "left behind", "pending")
ROWS = 2000
"""Suites in the table, the red ones first when there are more."""


@dataclass(slots=True)
class Block:
    """A part of the summary: evidence may be cut, the text around it goes last."""

    text: str
    evidence: str = ""

    def __str__(self) -> str:
        if not self.evidence:
            return self.text
        fence = "`" * max(3, 1 + _longest_run(self.evidence))
        return f"{self.text}\n{fence}text\n{self.evidence}\n{fence}\n"

    def size(self) -> int:
        """Bytes."""
        return len(str(self).encode()) + 1


@reporter("github")
@reporter("markdown")
class GitHub(Document):
    """A table of suites, and what failed with what was seen and expected."""

    file = "summary.md"

    def text(self) -> str:
        """The Markdown."""
        run = self.fold.results()
        blocks = [Block(_head(run)), Block(_table(run))]
        for row in run["results"]:
            if words.state(row) in RED or row["left_behind"]:
                blocks += _suite(row)
        if run["left_behind"]:
            lines = "".join(f"- {_code(words.left_line(one))}\n" for one in run["left_behind"])
            blocks.append(Block(f"\n### 🧹 Left behind\n\n{lines}"))
        return _fitted(blocks)


def _fitted(blocks: list[Block]) -> str:
    """All blocks in less than LIMIT bytes: the largest evidence is cut first, then the last blocks go."""
    budget = LIMIT - 500
    size = sum(block.size() for block in blocks)
    cut = 0
    for block in sorted(blocks, key=lambda block: len(block.evidence), reverse=True):
        if size <= budget or len(block.evidence) < 2000:
            break
        before = block.size()
        keep = max(1000, len(block.evidence) - (size - budget) - 200)
        block.evidence = f"… {len(block.evidence) - keep} characters before\n{block.evidence[-keep:]}"
        if block.size() > before - (size - budget):  # characters of several bytes: the same again, to the minimum
            block.evidence = f"… cut\n{block.evidence[-1000:]}"
        size += block.size() - before
        cut += 1
    dropped = 0
    while size > budget and len(blocks) > 2:
        size -= blocks.pop().size()
        dropped += 1
    notes = []
    if cut:
        notes.append(f"{words.count(cut, 'piece')} of evidence shortened")
    if dropped:
        notes.append(f"{words.count(dropped, 'section')} left out")
    if notes:
        blocks.append(
            Block(f"\n> This summary has a size limit: {' and '.join(notes)}. The full report has all of it.\n")
        )
    return "\n".join(map(str, blocks))


def _head(run: Row) -> str:
    code = run["exit_code"]
    result = "passed" if run["success"] else "left behind" if code == 4 else str(run["verdict"])
    counts = ", ".join(f"{count} {name}" for name, count in run["totals"].items() if count) or "no suites"
    told = words.EXIT_CODES.get(code, "")
    return (
        f"## {ICONS[result]} Seatrial: {result}\n\n"
        f"{counts} in {words.seconds(run['duration'])} · exit code {code}{f' ({told})' if told else ''}"
        f" · run {_code(run['run_id'])}\n" + ("" if run["finished"] else "\n**The run did not finish.**\n")
    )


def _table(run: Row) -> str:
    rows = run["results"]
    shown, note = rows, ""
    if len(rows) > ROWS:
        shown = sorted(rows, key=lambda row: words.state(row) not in RED)[:ROWS]
        note = f"\n{len(rows) - ROWS} more suites are in the full report.\n"
    lines = [
        "| Suite | Status | Duration | Checks passed | failed | unknown |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in shown:
        state = words.state(row)
        counted = {"passed": 0, "failed": 0, "unknown": 0, "allowed": 0}
        for _, step in words.walk(row["workflow_steps"]):
            for check in step["validation_results"]:
                counted[words.check_state(check)] += 1
        reason = f": {_cell(words.one_line(row['reason'], 120))}" if row["reason"] else ""
        lines.append(
            f"| {_cell(words.one_line(row['name'], 120))} | {ICONS[state]} {words.word(state)}{reason} "
            f"| {words.seconds(row['duration'])} | {counted['passed']} | {counted['failed']} | {counted['unknown']} |"
        )
    return "\n".join(lines) + "\n" + note


def _suite(row: Row) -> list[Block]:
    state = words.state(row)
    where = row["provenance"]["document"]
    line = f":{row['provenance']['line']}" if row["provenance"]["line"] else ""
    text = f"\n### {ICONS[state]} {_cell(words.one_line(row['name'], 120))}: {words.word(state)}\n\n"
    told = [f"category **{_cell(row['category'])}**"] if row["category"] else []
    told += [f"in {_code(f'{where}{line}')}"] if where else []
    text += f"{', '.join(told)}\n\n" if told else ""
    if row["error"] or row["reason"]:
        text += f"{_code(words.one_line(row['error'] or row['reason'], 600))}\n\n"
    blocks = [Block(text)]
    for _, step in words.walk(row["workflow_steps"]):
        if words.state(step) in ("failed", "unknown", "interrupted", "allowed"):
            blocks.append(_step(step))
    if row["left_behind"]:
        lines = "".join(f"- {_code(words.left_line(one))}\n" for one in row["left_behind"])
        blocks.append(Block(f"**Left behind**\n\n{lines}"))
    return blocks


def _step(step: Row) -> Block:
    state = words.state(step)
    title = _cell(words.title(step))
    word = words.word(state, step["verdict"])
    text = f"**{step['step']} {title}**: {ICONS[state]} {word} ({words.seconds(step['duration'])})\n"
    red = [check for check in step["validation_results"] if check["verdict"] != "passed"]
    if red:
        text += "\n| Check | Verdict | Seen | Expected | Why | Attempts |\n| --- | --- | --- | --- | --- | ---: |\n"
        for check in red:
            told = words.check_state(check)
            seen = "" if check["seen"] is None else _code(words.value(check["seen"], 400))
            expected = "" if check["expected"] is None else _code(words.value(check["expected"], 400))
            verdict = f"{ICONS[told]} {words.word(told, check['verdict'])}"
            text += f"| {_code(words.one_line(check['check'], 200))} | {verdict} | {seen} "
            text += f"| {expected} | {_cell(words.one_line(check['why'], 400))} | {check['attempts']} |\n"
    elif step["error"] and not step["steps"]:
        text += f"\n{_code(words.one_line(step['error'], 600))}\n"
    return Block(text, words.plain(step["evidence"]).strip() if not step["steps"] else "")


def _cell(text: str) -> str:
    """Text of anybody's that stays text in a table cell and can make neither markup nor a mention."""
    for mark in "\\`*_[]<>|~":
        text = text.replace(mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return text.replace("\n", " ").replace("@", "@\u200b").replace("#", "#\u200b")


def _code(text: str) -> str:
    """Text as inline code, in a table cell too."""
    ticks = "`" * (1 + _longest_run(text))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}".replace("|", "\\|").replace("\n", " ")


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
