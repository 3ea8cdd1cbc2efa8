"""JUnit XML that parsers take, and that never looks greener than the run."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from tests.reports.story import Story, frozen, suite

from seatrial.reports.document import render


def parsed(story: Story) -> ElementTree.Element:
    return ElementTree.fromstring(render("junit", story.events))


def test_counts_agree_with_the_cases() -> None:
    root = ElementTree.fromstring(render("junit", frozen()))
    for element in [root, *root.findall("testsuite")]:
        cases = element.findall(".//testcase")
        assert int(element.get("tests", "")) == len(cases)
        for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.get(count, "")) == len(element.findall(f".//{tag}"))


def test_failed_is_a_failure_and_unknown_an_error() -> None:
    assert parsed(suite("failed", error="exit code 1").done("failed", 1)).find(".//failure") is not None
    unknown = parsed(suite("unknown", error="key refused", category="infrastructure").done("unknown", 3))
    assert unknown.find(".//failure") is None
    error = unknown.find(".//error")
    assert error is not None
    assert (error.get("message"), error.get("type")) == ("key refused", "infrastructure")


NOT_GREEN = [
    suite("failed").done("failed", 1),
    suite("unknown").done("unknown", 3),
    suite().done("passed", 4, left=1),
    suite().done("passed", 0, "SIGINT"),
    suite().plan("t2").done(),
    suite(),
    Story().plan().begin().start("1"),
    Story().plan().begin().over("unknown", error="the lease is taken").done("unknown", 3),
    Story().plan().over("", status="skipped", reason="no").done("unknown", 5),
    Story().tell("run_started").done("unknown", 5),
    suite().done("unknown", 3),
]


@pytest.mark.parametrize("story", NOT_GREEN)
def test_a_run_that_is_not_a_pass_has_a_failure_or_an_error(story: Story) -> None:
    root = parsed(story)
    assert int(root.get("failures", "0")) + int(root.get("errors", "0")) > 0


def test_a_pass_has_none() -> None:
    root = parsed(suite().done())
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("1", "0", "0")


def test_characters_that_xml_cannot_hold_are_shown_as_text() -> None:
    nasty = "a\x00b\x1b[31mc\ufffe\ud800<&>\"']]>"
    story = Story().plan(name=nasty).begin().start("1").check("1", nasty, "failed", seen=nasty)
    root = parsed(story.end("1", "failed", error=nasty, evidence=nasty).over("failed").done("failed", 1))
    assert "a\\x00bc" in (root[0].get("name") or "")
    assert "<&>" in (root[0].get("name") or "")


def test_a_failure_that_is_allowed_is_neither_green_nor_red() -> None:
    story = Story().plan(steps=[("1", "validate")]).begin().start("1").end("1", "failed", error="no", allowed=True)
    skipped = parsed(story.over().done()).find(".//skipped")
    assert skipped is not None
    assert "failed, allowed" in (skipped.get("message") or "")
