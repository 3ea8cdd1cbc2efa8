"""GitHub workflow commands: an annotation on the document's line for each failure."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.document import Document
from seatrial.reports.words import Row

CAP = 10
"""Maximum annotations of one level; GitHub shows no more per step of a job."""


@reporter("annotations")
class Annotations(Document):
    """Errors for failures, warnings for allowed failures."""

    file = "annotations.txt"

    def text(self) -> str:
        """Workflow commands, one per line, the most serious first."""
        run = self.fold.results()
        failed: list[str] = []
        unsure: list[str] = []
        warnings: list[str] = []
        for row in run["results"]:
            state = words.state(row)
            steps = [step for _, step in words.walk(row["workflow_steps"])]
            problems = [problem for step in steps for problem in self._problems(step, "error")]
            if problems:
                # A tool's line in the sources is nearer to the mistake than the document's line.
                failed += problems
            elif state in ("failed", "unknown", "interrupted", "pending"):
                (failed if state == "failed" else unsure).append(self._command("error", row, state, _why(row)))
            if row["left_behind"]:
                resources = "\n".join(map(words.left_line, row["left_behind"]))
                unsure.append(self._command("error", row, "left behind", resources))
            warnings += [warning for step in steps for warning in self._allowed(row, step)]
        unsure += [f"::error title=left behind::{_data(words.left_line(left))}" for left in run["left_behind"]]
        if not (run["success"] or failed or unsure):
            unsure.append(f"::error title=Seatrial::{_data(words.EXIT_CODES.get(run['exit_code'], 'not a pass'))}")
        lines = _capped([*failed, *unsure], "error") + _capped(warnings, "warning")
        return "".join(f"{line}\n" for line in lines)

    def _problems(self, step: Row, level: str) -> list[str]:
        """Problems in lines of the sources, from the output of a check."""
        state = words.state(step)
        if state not in (("failed", "unknown") if level == "error" else ("allowed",)):
            return []
        matched = step.get("problems") or {}
        name = words.one_line(step["id"] or step["step"], 100)
        if matched and not matched.get("problems"):
            where = {"file": step.get("document"), "line": step.get("line")}
            return [self._at(level, where, name, words.one_line(step["error"], 600))]
        commands = []
        for problem in matched.get("problems") or ():
            file = words.plain(problem["path"] or problem["file"])
            where = {"file": file, "line": problem["line"], "col": problem["column"]}
            kind = "notice" if problem["severity"] == "notice" else level
            commands.append(self._at(kind, where, name, words.plain(problem["message"])))
        return commands

    def _at(self, level: str, where: Mapping[str, object], title: str, text: str) -> str:
        fields = {key: value for key, value in where.items() if value}
        if "file" in fields:
            fields["file"] = self.in_repository(str(fields["file"]))
        return f"::{level} {_properties({**fields, 'title': title})}::{_data(text)}"

    def _allowed(self, row: Row, step: Row) -> list[str]:
        warnings = self._problems(step, "warning")
        for check in step["validation_results"]:
            if words.check_state(check) == "allowed":
                lines = [words.one_line(check["check"]), *words.details(check)]
                warnings.append(self._command("warning", row, "failed, allowed", "\n".join(lines)))
        if not warnings and words.state(step) == "allowed":
            text = f"{step['step']} {words.title(step)}: {words.one_line(step['error'], 600)}"
            warnings.append(self._command("warning", row, "failed, allowed", text))
        return warnings

    def _command(self, level: str, row: Row, state: str, text: str) -> str:
        document, line = words.place(row)
        where = {"file": document, "line": line if document else 0}
        return self._at(level, where, f"{words.one_line(row['name'], 100)}: {state}", text)


def _why(row: Row) -> str:
    """The error of a suite, with its checks that did not pass."""
    category = f"{row['category']}: " if row["category"] else ""
    lines = [category + words.one_line(row["error"] or row["reason"] or "did not run", 600)]
    for _, step in words.walk(row["workflow_steps"]):
        for check in step["validation_results"]:
            if words.check_state(check) in ("failed", "unknown"):
                reasons = "; ".join(words.details(check))
                lines.append(f"step {step['step']}, {words.one_line(check['check'])}: {reasons}")
    return "\n".join(lines[:12])


def _capped(commands: list[str], level: str) -> list[str]:
    if len(commands) <= CAP:
        return commands
    more = len(commands) - CAP + 1
    return [*commands[: CAP - 1], f"::{level} title=Seatrial::{more} more; see the summary or the report"]


def _properties(fields: Mapping[str, object]) -> str:
    return ",".join(f"{name}={_property(str(value))}" for name, value in fields.items())


def _data(text: str) -> str:
    return words.harmless(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
