"""CTRF whose readers never see green where the run was not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.reports.story import Story, frozen, suite
from tests.reports.test_junit import NOT_GREEN

from seatrial.reports.document import render


def parsed(story: Story) -> Any:
    return json.loads(render("ctrf", story.events))


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["results", "reportFormat", "specVersion"],
    "properties": {
        "reportFormat": {"const": "CTRF"},
        "specVersion": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
        "results": {
            "required": ["tool", "summary", "tests"],
            "additionalProperties": False,
            "properties": {
                "tool": {"required": ["name"]},
                "summary": {
                    "required": ["tests", "passed", "failed", "skipped", "pending", "other", "start", "stop"],
                    "additionalProperties": {"type": "integer"},
                    "properties": {"extra": {"type": "object"}},
                },
                "tests": {
                    "items": {
                        "required": ["name", "status", "duration"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string", "minLength": 1},
                            "status": {"enum": ["passed", "failed", "skipped", "pending", "other"]},
                            "duration": {"type": "integer"},
                            "suite": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                            "start": {"type": "integer"},
                            "stop": {"type": "integer"},
                            "line": {"type": "integer"},
                            "retries": {"type": "integer"},
                            "extra": {"type": "object"},
                            **{
                                key: {"type": "string"} for key in ("message", "trace", "rawStatus", "type", "filePath")
                            },
                        },
                    }
                },
            },
        },
    },
}
"""The part of CTRF's own schema that we use."""


def test_the_document_is_as_the_schema_says() -> None:
    import jsonschema  # type: ignore[import-untyped]

    jsonschema.validate(json.loads(render("ctrf", frozen())), SCHEMA)
    for story in NOT_GREEN:
        jsonschema.validate(parsed(story), SCHEMA)


def test_counts_agree_with_the_tests() -> None:
    results = json.loads(render("ctrf", frozen()))["results"]
    statuses = [test["status"] for test in results["tests"]]
    for name in ("passed", "failed", "skipped", "pending", "other"):
        assert results["summary"][name] == statuses.count(name)
    assert results["summary"]["tests"] == len(statuses)


@pytest.mark.parametrize("story", NOT_GREEN)
def test_a_run_that_is_not_a_pass_has_a_failed_test(story: Story) -> None:
    assert parsed(story)["results"]["summary"]["failed"] > 0


def test_unknown_is_other_and_its_suite_is_red() -> None:
    tests = parsed(suite("unknown", error="key refused").done("unknown", 3))["results"]["tests"]
    assert [(test["status"], test["rawStatus"]) for test in tests] == [("other", "unknown"), ("failed", "unknown")]
    assert "could not be judged" in tests[1]["message"]


def test_a_pass_has_no_failed_test() -> None:
    summary = parsed(suite().done())["results"]["summary"]
    assert (summary["tests"], summary["passed"], summary["failed"], summary["other"]) == (1, 1, 0, 0)
