"""The result of a pipeline as JSON: the same view as the console's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seatrial.preflight.reports.stages import CheckView, pipeline_of
from seatrial.registry import reporter
from seatrial.reports.document import Document


@reporter("preflight_json")
class PreflightJson(Document):
    """One document: result, stages and their checks."""

    file = "preflight.json"

    def text(self) -> str:
        """The document, indented."""
        return json.dumps(self.data(), ensure_ascii=False, indent=2, default=str) + "\n"

    def data(self) -> dict[str, Any]:
        """The document as values."""
        view = pipeline_of(self.fold)
        run = self.fold.run
        reports = self.options.get("reports") or ()
        return {
            "result": view.result,
            "duration_seconds": round(view.duration, 3),
            "exit_code": view.exit_code,
            "pipeline": view.name,
            "complete": view.whole,
            "run_id": run["run_id"],
            **({"folder": str(Path(reports[0]).parent)} if reports else {}),
            **({"error": view.error} if view.error and view.exit_code else {}),
            **({"left_behind": list(view.left)} if view.left else {}),
            "stages": {
                stage.name: {
                    "status": stage.status,
                    "duration_seconds": round(stage.duration, 3),
                    "checks": [_check(check) for check in stage.checks],
                }
                for stage in view.stages
            },
        }


def _check(check: CheckView) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": check.name,
        "status": check.status,
        "duration_seconds": round(check.duration, 3),
    }
    more = {
        "title": check.title if check.title != check.name else "",
        "error": check.error,
        "reason": check.reason,
        "note": check.note,
        "cached": check.cached,
        "cache": list(check.explained),
        "attempts": check.attempts if check.attempts > 1 else 0,
        "problems": [
            {key: one[key] for key in ("file", "line", "column", "severity", "message")} for one in check.problems
        ],
        "lines": [] if check.problems else list(check.lines),
        "log": check.log,
        "command": check.again,
    }
    return {**told, **{key: value for key, value in more.items() if value}}
