"""The step summary of a GitHub job: Markdown within GitHub's size limit."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath
from urllib.parse import quote

from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.document import Document
from seatrial.reports.markdown import Block, cell, code, fitted
from seatrial.reports.words import Row

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
"""Maximum number of suites in the table; failed ones come first in a longer list."""


@reporter("github")
@reporter("markdown")
class GitHub(Document):
    """A table of suites, and failures with observed and expected values."""

    file = "summary.md"

    def text(self) -> str:
        run = self.fold.results()
        blocks = [Block(_head(run)), Block(_table(run))]
        for row in run["results"]:
            if words.state(row) in RED or row["left_behind"]:
                blocks += _suite(row, self._url(*words.place(row)))
        if run["left_behind"]:
            lines = "".join(f"- {code(words.left_line(left))}\n" for left in run["left_behind"])
            blocks.append(Block(f"\n### 🧹 Left behind\n\n{lines}"))
        return fitted(blocks)

    def _url(self, document: str, line: int) -> str:
        """The URL of a document's line at this commit; empty if unknown."""
        source, path = self.options.get("source_url"), self.in_repository(document)
        if not source or not document or PurePath(path).is_absolute() or path.startswith(".."):
            return ""
        return f"{source}/{quote(path)}" + (f"#L{line}" if line else "")


def _head(run: Row) -> str:
    number, result = run["exit_code"], words.result(run)
    meaning = words.EXIT_CODES.get(number)
    exit_code = f"exit code {number} ({meaning})" if meaning else f"exit code {number}"
    facts = f"{words.totals(run)} in {words.seconds(run['duration'])} · {exit_code} · run {code(run['run_id'])}"
    unfinished = "" if run["finished"] else "\n**The run did not finish.**\n"
    return f"## {ICONS[result]} Seatrial: {result}\n\n{facts}\n{unfinished}"


def _table(run: Row) -> str:
    rows = run["results"]
    shown, note = rows, ""
    if len(rows) > ROWS:
        shown = sorted(rows, key=lambda row: words.state(row) not in RED)[:ROWS]
        note = f"\n{len(rows) - ROWS} more suites in the full report.\n"
    head = "| Suite | Status | Duration | Checks passed | failed | unknown |"
    lines = [head, "| --- | --- | ---: | ---: | ---: | ---: |"]
    for row in shown:
        state, steps = words.state(row), words.walk(row["workflow_steps"])
        counted = Counter(words.check_state(check) for _, step in steps for check in step["validation_results"])
        reason = f": {cell(words.one_line(row['reason'], 120))}" if row["reason"] else ""
        lines.append(
            f"| {cell(words.one_line(row['name'], 120))} | {ICONS[state]} {words.word(state)}{reason} "
            f"| {words.seconds(row['duration'])} | {counted['passed']} | {counted['failed']} | {counted['unknown']} |"
        )
    return "\n".join(lines) + "\n" + note


def _suite(row: Row, page: str) -> list[Block]:
    state = words.state(row)
    document, line = words.place(row)
    where = code(f"{document}:{line}" if line else document)
    text = f"\n### {ICONS[state]} {cell(words.one_line(row['name'], 120))}: {words.word(state)}\n\n"
    facts = [f"category **{cell(row['category'])}**"] if row["category"] else []
    facts += [f"in [{where}]({page})" if page else f"in {where}"] if document else []
    text += f"{', '.join(facts)}\n\n" if facts else ""
    if row["error"] or row["reason"]:
        text += f"{code(words.one_line(row['error'] or row['reason'], 600))}\n\n"
    blocks = [Block(text)]
    for _, step in words.walk(row["workflow_steps"]):
        if words.state(step) in ("failed", "unknown", "interrupted", "allowed"):
            blocks.append(_step(step))
    if row["left_behind"]:
        lines = "".join(f"- {code(words.left_line(left))}\n" for left in row["left_behind"])
        blocks.append(Block(f"**Left behind**\n\n{lines}"))
    return blocks


def _step(step: Row) -> Block:
    state = words.state(step)
    title = cell(words.title(step))
    word = words.word(state, step["verdict"])
    text = f"**{step['step']} {title}**: {ICONS[state]} {word} ({words.seconds(step['duration'])})\n"
    red = [check for check in step["validation_results"] if check["verdict"] != "passed"]
    if red:
        text += "\n| Check | Verdict | Seen | Expected | Why | Attempts |\n| --- | --- | --- | --- | --- | ---: |\n"
        for check in red:
            state = words.check_state(check)
            seen, expected = (
                "" if check[key] is None else code(words.value(check[key], 400)) for key in ("seen", "expected")
            )
            verdict = f"{ICONS[state]} {words.word(state, check['verdict'])}"
            text += f"| {code(words.one_line(check['check'], 200))} | {verdict} | {seen} "
            text += f"| {expected} | {cell(words.one_line(check['why'], 400))} | {check['attempts']} |\n"
    elif step["error"] and not step["steps"]:
        text += f"\n{code(words.one_line(step['error'], 600))}\n"
    return Block(text, words.plain(step["evidence"]).strip() if not step["steps"] else "")
