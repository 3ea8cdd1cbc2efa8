"""One HTML file that needs nothing else, shows everything, and runs nothing that others wrote."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path

from tests.reports.story import Story, frozen, suite

from seatrial.reports.document import render
from seatrial.reports.html import Html

VOID = {"meta", "input", "br"}
OPTIONAL = {"tr", "td", "th", "thead", "tbody", "li", "dt", "dd", "p"}


class Page(HTMLParser):
    """Collects what a page is made of, and that its elements close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.handlers: list[str] = []
        self.tags: list[str] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self._text: list[str] = []
        self.feed(text)
        self.text = "".join(self._text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID | OPTIONAL:
            self._open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href":
                self.links.append(value or "")
            elif name in ("src", "action", "data", "srcset"):
                self.sources.append(value or "")
            elif name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        if tag in OPTIONAL:
            return
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"{tag} at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self._text.append(data)


def page(story: Story) -> Page:
    return Page(render("html", story.events))


def test_the_page_is_well_formed_and_its_links_lead_somewhere() -> None:
    frozen_page = Page(render("html", frozen()))
    assert frozen_page.wrong == []
    assert len(frozen_page.ids) == len(set(frozen_page.ids))
    inside = [link[1:] for link in frozen_page.links if link.startswith("#")]
    assert inside
    assert set(inside) <= set(frozen_page.ids)


def test_nothing_is_fetched_from_anywhere() -> None:
    text = render("html", frozen())
    frozen_page = Page(text)
    assert frozen_page.sources == []
    assert all(link.startswith(("#", "./")) for link in frozen_page.links)
    assert not re.search(r"https?://|@import|url\(|<link|<img", text.replace("http://127.0.3.11:41011", ""))
    assert "default-src 'none'" in text


def test_every_suite_step_check_and_verdict_is_there_in_words() -> None:
    text = Page(render("html", frozen())).text
    for word in (
        "failsafety_basic",
        "two_nodes_lost",
        "kvm_only",
        "failed, allowed",
        "left behind",
        "skipped",
        "unknown",
    ):
        assert word in text
    assert "n13 does not have 2 acknowledged records: 87, 88" in text
    assert "every acknowledged record on every healthy node" in text
    assert "follower of n11" in text
    assert "Device or resource busy" in text


def test_the_timeline_has_a_lane_per_node_with_its_states_and_faults() -> None:
    text = render("html", frozen())
    lanes = re.findall(r'<div class="name" title="(n1\d)">', text)
    assert lanes.count("n11") == 4
    assert lanes.count("n13") == 2
    for state in ("creating", "running", "crashed", "starting", "stopping"):
        assert f'class="bar {state}' in text
    assert 'aria-label="fault: crash n12 by destroy"' in text
    assert "n12 crashed from 2.0s to 3.3s: crash_node by destroy" in text


NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover=alert(1) x=\x1b[31m"


def test_what_others_wrote_stays_text() -> None:
    step = {"step": NASTY, "type": NASTY, "id": NASTY, "description": NASTY}
    story = Story(NASTY).tell("run_started", version=NASTY, host=NASTY)
    story.plan(steps=[step], name=NASTY, description=NASTY, document=NASTY, provider=NASTY, parameters={NASTY: NASTY})
    story.tell("suite_started", "t1", folder=NASTY).start(NASTY, description=NASTY)
    story.check(NASTY, NASTY, "failed", seen=NASTY, expected={NASTY: NASTY}, why=NASTY)
    story.tell("node", "t1", node=NASTY, state=NASTY, why=NASTY).tell(
        "fault", "t1", node=NASTY, fault=NASTY, step=NASTY
    )
    story.tell("output", "t1", step=NASTY, source=NASTY, text=NASTY, file=NASTY)
    story.tell("log", "t1", level=NASTY, text=NASTY, step=NASTY)
    left = [{"kind": NASTY, "name": NASTY, "owner": NASTY, "error": NASTY}]
    story.tell("cleanup_finished", "t1", given_back=0, kept=[], left=left, duration=1)
    story.end(NASTY, "failed", error=NASTY, evidence=NASTY, category=NASTY, outputs={NASTY: NASTY})
    found = page(story.over("failed", error=NASTY, evidence=NASTY, category=NASTY, reason=NASTY).done("failed", 1))
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    assert found.handlers == []
    assert found.wrong == []
    assert all(link.startswith(("#", "./")) for link in found.links)


def test_a_file_name_never_becomes_an_address_of_another_kind() -> None:
    story = Story().plan().tell("suite_started", "t1", folder="").start("1")
    story.tell("output", "t1", step="1", source="x", text="x", file="javascript:alert(1)")
    assert "./javascript%3Aalert%281%29" in page(story).links


def test_logs_that_lie_in_the_suite_s_folder_are_a_click_away(tmp_path: Path) -> None:
    logs = tmp_path / "suites/t1/artifacts/nodes/n11"
    logs.mkdir(parents=True)
    (logs / "service.log").write_bytes(b"first line\n" + b"x" * 20_000 + b"\n</pre><script>last line \xff\n")
    (logs / "core.bin").write_bytes(b"\0" * 11_000)
    (logs / "loop.log").symlink_to("/etc/hosts")
    report = Html(tmp_path)
    for event in suite().done().events:
        report.on(event)
    report.close()
    found = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "./suites/t1/artifacts/nodes/n11/service.log" in found.links
    assert "./suites/t1/artifacts/nodes/n11/core.bin" in found.links
    assert "</pre><script>last line" in found.text
    assert "first line" not in found.text
    assert "loop.log" not in found.text


def test_a_run_that_was_cut_off_is_told_as_such() -> None:
    text = page(Story().plan().begin().start("1")).text
    assert "The run did not finish" in text
    assert "interrupted" in text


def test_a_run_without_suites_has_a_page_too() -> None:
    assert "No suites were planned" in page(Story().tell("run_started").done("unknown", 5)).text


def test_a_thousand_suites_with_much_to_say_stay_under_15_megabytes() -> None:
    story = Story().tell("run_started")
    for index in range(1000):
        trial, verdict = f"t{index}", "failed" if index % 2 else "passed"
        story.plan(trial, [(str(number), "validate") for number in range(1, 11)]).begin(trial)
        for number in range(1, 11):
            step = str(number)
            story.start(step, trial).check(step, "http", trial=trial, seen="x" * 50, expected="y" * 50)
            story.tell("node", trial, node=f"n{number % 3}", state="running")
            story.tell("output", trial, step=step, source="script.sh", text="line\n" * 800, file="test.log")
            story.tell("log", trial, level="info", text="z" * 500).end(step, trial=trial)
        story.over(verdict, trial, error="no", evidence="e" * 20_000, duration=60.0)
    begin = time.process_time()
    text = render("html", story.done("failed", 1).events)
    assert len(text.encode()) < 15_000_000
    assert time.process_time() - begin < 30
    shown = Page(text)
    assert {f"s{index}" for index in range(1, 1001)} <= set(shown.ids)
    assert shown.wrong == []


def test_a_passed_suite_alone_is_open() -> None:
    assert re.search(r'<details class="suite card"[^>]* open>', render("html", suite().done().events))
