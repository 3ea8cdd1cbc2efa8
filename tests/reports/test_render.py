"""Reports are found by name, a user's as well, and made from events alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reports.story import frozen, suite

from seatrial.errors import UsageError
from seatrial.registry import Registry
from seatrial.reports import words
from seatrial.reports.document import Document, render

OF_SCENARIOS = ["annotations", "console", "ctrf", "github", "html", "json", "junit", "live", "markdown"]
OF_PIPELINES = ["compact", "preflight", "preflight_github", "preflight_json", "preflight_live", "preflight_watch"]
NAMES = sorted([*OF_SCENARIOS, *OF_PIPELINES])


def test_every_built_in_report_is_known_by_its_name() -> None:
    assert Registry().names("reporter") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_report_is_made_from_events_cut_anywhere(name: str) -> None:
    events = frozen()
    for cut in range(0, len(events) + 1, 9):
        assert isinstance(render(name, events[:cut]), str)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_events_give_the_same_report(name: str) -> None:
    assert render(name, frozen()) == render(name, frozen())


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="did you mean 'junit'"):
        render("junti", [])


def test_a_report_of_a_user_s_own_is_one_file(tmp_path: Path) -> None:
    plugin = tmp_path / "tally.py"
    plugin.write_text(
        "from seatrial.registry import reporter\n"
        "@reporter('tally')\n"
        "class Tally:\n"
        "    def __init__(self, out, options): self.out, self.count = out, 0\n"
        "    def on(self, event): self.count += event.kind == 'step_finished'\n"
        "    def close(self): self.out.write(f'{self.count} steps')\n"
    )
    registry = Registry()
    registry.load(plugin)
    assert render("tally", suite().done().events, registry=registry) == "1 steps"


def test_a_folder_gets_the_report_by_its_usual_name(tmp_path: Path) -> None:
    for name in NAMES:
        report: Document = Registry().get("reporter", name)(tmp_path, {})
        for event in suite().done().events:
            report.on(event)
        report.close()
    made = {file.name for file in tmp_path.iterdir()}
    assert made >= {
        "results.json",
        "junit.xml",
        "ctrf.json",
        "report.html",
        "summary.md",
        "annotations.txt",
        "console.txt",
    }


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0, "0.00s"),
        (0.04, "0.04s"),
        (1.25, "1.2s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (125, "2m05s"),
        (3720, "1h02m"),
    ],
)
def test_durations_are_short_and_never_60_seconds(duration: float, text: str) -> None:
    assert words.seconds(duration) == text


def test_importing_a_report_loads_neither_rich_nor_an_xml_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, seatrial.reports.json, seatrial.reports.console, seatrial.reports.live, seatrial.reports.junit\n"
        "sys.exit(' '.join(name for name in ('rich', 'xml.etree.ElementTree', 'html') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "") or done.stderr.strip() == ""
