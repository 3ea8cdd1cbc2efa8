"""JUnit XML: failed is `<failure>`, unknown and left behind are `<error>`, what did not run is `<skipped>`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.cases import Case, CaseSuite, suites_of
from seatrial.reports.document import Document

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NOT_XML = re.compile("[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

BODY = 20_000
"""Characters of a case's details that are kept."""


@reporter("junit")
class JUnit(Document):
    """A test suite per suite, a test case per step."""

    file = "junit.xml"

    def text(self) -> str:
        """The XML document."""
        from xml.etree import ElementTree

        run = self.fold.results()
        root = ElementTree.Element("testsuites", name="seatrial", id=words.plain(run["run_id"]))
        counted = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
        for suite in suites_of(run):
            for name, count in _suite(root, suite, run["host"]).items():
                counted[name] += count
        for name, count in counted.items():
            root.set(name, str(count))
        root.set("time", f"{run['duration']:.3f}")
        ElementTree.indent(root)
        body = ElementTree.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suite(root: Element, suite: CaseSuite, host: str) -> dict[str, int]:
    from xml.etree.ElementTree import SubElement

    row = suite.row
    element = SubElement(root, "testsuite", name=_xml(suite.name))
    counted = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    if row:
        if row["started_at"]:
            element.set("timestamp", datetime.fromtimestamp(row["started_at"], UTC).strftime("%Y-%m-%dT%H:%M:%S"))
        element.set("hostname", _xml(host))
        properties = SubElement(element, "properties")
        told = {key: row[key] for key in ("test_id", "deployment_id", "trial_id", "verdict", "category", "reason")}
        for name, value in {**told, **row["provenance"]}.items():
            if value not in ("", None, {}):
                SubElement(properties, "property", name=name, value=_xml(words.value(value, 2000)))
    for case in suite.cases:
        counted["tests"] += 1
        kind = _case(element, suite, case)
        if kind:
            counted[kind] += 1
    for name, count in counted.items():
        element.set(name, str(count))
    element.set("time", f"{row['duration'] if row else 0.0:.3f}")
    return counted


def _case(parent: Element, suite: CaseSuite, case: Case) -> str:
    """Add one case; gives the count that it belongs to, empty for a pass."""
    from xml.etree.ElementTree import SubElement

    row = suite.row
    classname = _xml(row["test_id"] or suite.name) if row else "seatrial"
    element = SubElement(parent, "testcase", classname=classname, name=_xml(case.name), time=f"{case.duration:.3f}")
    if row and row["provenance"]["document"]:
        element.set("file", _xml(row["provenance"]["document"]))
    message = _xml(case.message)
    if case.state == "passed":
        return ""
    if case.state in ("skipped", "pending", "allowed"):
        told = {"pending": "never ran", "allowed": f"failed, allowed: {message}"}.get(case.state, message)
        SubElement(element, "skipped", message=told)
        return "skipped"
    tag, count = ("failure", "failures") if case.state == "failed" else ("error", "errors")
    category = case.category or "unknown"
    found = SubElement(element, tag, message=message or case.state, type=_xml(category))
    found.text = _xml(_cut(case.body or case.message))
    return count


def _xml(text: object) -> str:
    """Text that XML 1.0 can hold."""
    cleaned = words.plain(text)
    return cleaned if cleaned.isprintable() else _NOT_XML.sub("", cleaned)


def _cut(text: str) -> str:
    return text if len(text) <= BODY else f"… {len(text) - BODY} characters before\n{text[-BODY:]}"
