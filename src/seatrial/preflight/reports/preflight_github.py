"""The step summary of a preflight: stages and checks in one table, then the useful lines of failures."""

from __future__ import annotations

from seatrial.preflight.reports.stages import CheckView, PipelineView, StageView, pipeline_of
from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.document import Document
from seatrial.reports.github import ICONS
from seatrial.reports.markdown import Block, cell, code, fitted


@reporter("preflight_github")
class PreflightGitHub(Document):
    """A table of stages and checks, and the useful lines of checks that did not pass."""

    file = "summary.md"

    def text(self) -> str:
        """The Markdown."""
        view = pipeline_of(self.fold)
        found = [Block(_head(view)), Block(_table(view))]
        found += [_red(check) for check in view.checks() if check.red or check.status == "allowed"]
        if view.left:
            found.append(Block("\n### 🧹 Left behind\n\n" + "".join(f"- {code(one)}\n" for one in view.left)))
        return fitted(found)


def _head(view: PipelineView) -> str:
    counts = ", ".join(f"{number} {status}" for status, number in view.counts().items()) or "no checks"
    told = f"\n\n{code(view.error)}" if view.error and view.exit_code else ""
    return (
        f"## {ICONS.get(view.result, '❓')} Preflight {cell(view.name)}: {view.result}\n\n"
        f"{counts} in {words.seconds(view.duration)} · exit code {view.exit_code}{told}\n"
    )


def _table(view: PipelineView) -> str:
    lines = ["| Check | Status | Duration | |", "| --- | --- | ---: | --- |"]
    for stage in view.stages:
        lines.append(_row(f"**{cell(stage.title)}**", stage, ""))
        lines += [_row(cell(check.title), check, _more(check)) for check in stage.checks]
    return "\n".join(lines) + "\n"


def _row(name: str, one: StageView | CheckView, more: str) -> str:
    status = f"{ICONS.get(one.status, '❓')} {words.word(one.status)}"
    ran = "" if one.status in ("skipped", "pending") else words.seconds(one.duration)
    return f"| {name} | {status} | {ran} | {more} |"


def _more(check: CheckView) -> str:
    if check.status in ("skipped", "pending"):
        return cell(check.reason)
    if check.lines:
        return code(words.one_line(check.lines[0], 200))
    return cell(check.origin or check.note)


def _red(check: CheckView) -> Block:
    text = f"\n### {ICONS[check.status]} {cell(check.id)}: {words.word(check.status)}\n"
    if check.again:
        text += f"\nAgain: {code(check.again)}\n"
    if check.log:
        text += f"\nComplete output: {code(check.log)}\n"
    return Block(text, "\n".join(check.lines))
