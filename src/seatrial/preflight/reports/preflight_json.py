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
        view = pipeline_of(self.fold)
        reports = self.options.get("reports") or ()
        data = {
            "result": view.result,
            "duration_seconds": round(view.duration, 3),
            "exit_code": view.exit_code,
            "pipeline": view.name,
            "complete": view.whole,
            "run_id": self.fold.run["run_id"],
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
        return json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n"


def _check(check: CheckView) -> dict[str, Any]:
    keys = ("file", "line", "column", "severity", "message")
    more = {
        "title": check.title if check.title != check.name else "",
        "error": check.error,
        "reason": check.reason,
        "note": check.note,
        "cached": check.cached,
        "cached_by": check.cached_by,
        "cache": list(check.explained),
        "attempts": check.attempts if check.attempts > 1 else 0,
        "problems": [{key: problem[key] for key in keys} for problem in check.problems],
        "lines": [] if check.problems else list(check.lines),
        "log": check.log,
        "command": check.again,
    }
    told = {"name": check.name, "status": check.status, "duration_seconds": round(check.duration, 3)}
    return {**told, **{key: value for key, value in more.items() if value}}
