"""GitHub workflow commands: each failure as an annotation on the document's line."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.registry import reporter
from seatrial.reports import places, words
from seatrial.reports.document import Document
from seatrial.reports.words import Row

CAP = 10
"""Annotations of one level that GitHub shows per step of a job."""


@reporter("annotations")
class Annotations(Document):
    """Errors for what is red, warnings for failures that are allowed."""

    file = "annotations.txt"

    def text(self) -> str:
        """Workflow commands, a line each; the gravest first."""
        run = self.fold.results()
        failed: list[str] = []
        unsure: list[str] = []
        warnings: list[str] = []
        for row in run["results"]:
            state = words.state(row)
            told = [one for _, step in words.walk(row["workflow_steps"]) for one in self._problems(step, "error")]
            if told:
                # What the tools say of a line of the sources is nearer to the mistake than the document's own line.
                failed += told
            elif state == "failed":
                failed.append(self._command("error", row, state, _why(row)))
            elif state in ("unknown", "interrupted", "pending"):
                unsure.append(self._command("error", row, state, _why(row)))
            if row["left_behind"]:
                what = "\n".join(words.left_line(one) for one in row["left_behind"])
                unsure.append(self._command("error", row, "left behind", what))
            for _, step in words.walk(row["workflow_steps"]):
                warnings += self._allowed(row, step)
        unsure += [f"::error title=left behind::{_data(words.left_line(one))}" for one in run["left_behind"]]
        if not (run["success"] or failed or unsure):
            unsure.append(f"::error title=Seatrial::{_data(words.EXIT_CODES.get(run['exit_code'], 'not a pass'))}")
        lines = _capped([*failed, *unsure], "error") + _capped(warnings, "warning")
        return "".join(f"{line}\n" for line in lines)

    def _problems(self, step: Row, level: str) -> list[str]:
        """What a check's own output says of lines of the sources."""
        state = words.state(step)
        if state not in (("failed", "unknown") if level == "error" else ("allowed",)):
            return []
        told = step.get("problems") or {}
        name = step["id"] or step["step"]
        if told and not told.get("problems"):
            where = {"file": step.get("document"), "line": step.get("line")}
            return [self._at(level, where, name, words.one_line(step["error"], 600))]
        return [
            self._at(
                "notice" if one["severity"] == "notice" else level,
                {"file": words.plain(one["path"] or one["file"]), "line": one["line"], "col": one["column"]},
                name,
                words.plain(one["message"]),
            )
            for one in told.get("problems") or ()
        ]

    def _at(self, level: str, where: Mapping[str, object], title: str, text: str) -> str:
        fields = {key: value for key, value in where.items() if value}
        if "file" in fields:
            fields["file"] = places.in_repository(str(fields["file"]), self.options)
        fields["title"] = words.one_line(title, 100)
        return f"::{level} {_told(fields)}::{_data(text)}"

    def _allowed(self, row: Row, step: Row) -> list[str]:
        found = self._problems(step, "warning")
        for check in step["validation_results"]:
            if words.check_state(check) == "allowed":
                lines = [words.one_line(check["check"]), *words.details(check)]
                found.append(self._command("warning", row, "failed, allowed", "\n".join(lines)))
        if not found and words.state(step) == "allowed":
            text = f"{step['step']} {words.title(step)}: {words.one_line(step['error'], 600)}"
            found.append(self._command("warning", row, "failed, allowed", text))
        return found

    def _command(self, level: str, row: Row, state: str, text: str) -> str:
        document, line = words.place(row)
        fields = {"title": f"{words.one_line(row['name'], 100)}: {state}"}
        if document:
            fields = {
                "file": places.in_repository(document, self.options),
                **({"line": str(line)} if line else {}),
                **fields,
            }
        return f"::{level} {_told(fields)}::{_data(text)}"


def _why(row: Row) -> str:
    """What went wrong in a suite, with the checks that say so."""
    category = f"{row['category']}: " if row["category"] else ""
    lines = [category + words.one_line(row["error"] or row["reason"] or "it did not run", 600)]
    for _, step in words.walk(row["workflow_steps"]):
        for check in step["validation_results"]:
            if words.check_state(check) in ("failed", "unknown"):
                told = "; ".join(words.details(check))
                lines.append(f"step {step['step']}, {words.one_line(check['check'])}: {told}")
    return "\n".join(lines[:12])


def _capped(commands: list[str], level: str) -> list[str]:
    if len(commands) <= CAP:
        return commands
    more = len(commands) - CAP + 1
    return [*commands[: CAP - 1], f"::{level} title=Seatrial::{more} more; the summary and the report have them all"]


def _told(fields: Mapping[str, object]) -> str:
    return ",".join(f"{name}={_property(str(value))}" for name, value in fields.items())


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
