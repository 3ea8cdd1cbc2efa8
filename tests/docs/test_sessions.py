"""The sessions on the pages are what the commands print, except times, ids, ports and the order of parallel steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
LESSONS = CHECKOUT / "docs" / "getting-started"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def seatrial(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, as a person does who has set nothing."""
    ours = ("SEATRIAL_", "E2E_", "GITHUB_", "CI")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment["XDG_STATE_HOME"] = str(folder.parent / "state")
    command = [sys.executable, "-m", "seatrial", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


def blocks(page: Path, language: str) -> list[str]:
    """The pieces of code on a page."""
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def shape(text: str) -> Counter[str]:
    """The parts of its lines without numbers: checks of one step end, and are listed, in any order."""
    lines = (re.sub(r"\d+(\.\d+)?(ms|s)?", "#", line) for line in text.splitlines())
    return Counter(part for line in lines for part in re.split(r"\s{2,}", line.strip()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


def test_the_session_of_the_readme_is_what_the_demo_prints(folder: Path) -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (session,) = re.findall(
        r"<!-- session -->\n```console\n\$ seatrial demo\n(.*?)```\n<!-- end -->", readme, re.DOTALL
    )
    done = seatrial("demo", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    missing = shape(session) - shape(done.stdout)
    assert missing == Counter(), f"the demo does not print it; it prints:\n{done.stdout}"


def test_the_first_lesson_shows_what_init_writes_and_prints(folder: Path) -> None:
    page = LESSONS / "first-scenario.md"
    done = seatrial("init", folder=folder)
    printed = next(block for block in blocks(page, "console") if "$ seatrial init" in block)
    assert done.stdout == printed.partition("$ seatrial init\n")[2]
    assert (folder / "scenarios" / "first.yaml").read_text() == blocks(page, "yaml")[0]


def test_the_first_lesson_shows_what_check_and_run_print(folder: Path) -> None:
    page = LESSONS / "first-scenario.md"
    seatrial("init", folder=folder)
    checked = next(block for block in blocks(page, "console") if "no problems found" in block)
    assert seatrial("check", folder=folder).stdout == checked.partition("$ seatrial check\n")[2]
    session = next(block for block in blocks(page, "console") if "$ seatrial run" in block)
    done = seatrial("run", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    missing = shape(session.partition("$ seatrial run\n")[2]) - shape(done.stdout)
    assert missing == Counter(), done.stdout


def test_the_second_lesson_shows_how_a_misspelt_key_is_reported(folder: Path) -> None:
    page = LESSONS / "first-scenario.md"
    seatrial("init", folder=folder)
    scenario = folder / "scenarios" / "first.yaml"
    scenario.write_text(
        scenario.read_text().replace("target_node: n11\n        method", "target_nod: n11\n        method")
    )
    session = next(block for block in blocks(page, "console") if "target_nod" in block)
    shown = session.partition("$ seatrial check\n")[2].rstrip().removesuffix("…")
    done = seatrial("check", folder=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(shown)


def test_the_failure_of_the_last_lesson_is_the_one_that_is_shown(folder: Path) -> None:
    page = LESSONS / "first-failure.md"
    (document,) = blocks(page, "yaml")
    assert yaml.safe_load(document)["test_suites"].keys() == {"two_nodes_fail"}
    (folder / "lost.yaml").write_text(document)
    done = seatrial("run", "lost.yaml", folder=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    session = next(block for block in blocks(page, "console") if "$ seatrial run lost.yaml\n" in block)
    lines = [line for line in session.splitlines()[1:] if "…" not in line]
    missing = shape("\n".join(lines)) - shape(done.stdout)
    assert missing == Counter(), done.stdout
    (why,) = [line.partition("…")[0] for line in session.splitlines() if "why:" in line]
    assert re.sub(r"\d+", "#", why.strip()) in re.sub(r"\d+", "#", done.stdout)


def test_the_lesson_of_your_own_system_shows_what_init_prints_beside_a_deployer(folder: Path) -> None:
    page = LESSONS / "aboard.md"
    verbs = " ".join(f"{verb}) echo n1 >inventory.ini;;" for verb in ("deploy", "stop-node", "start-node", "destroy"))
    (folder / "cluster.sh").write_text("#!/bin/sh\ncase $1 in\n" + verbs.replace(";;", ";;\n") + "esac\n")
    (folder / "cluster.sh").chmod(0o755)
    done = seatrial("init", folder=folder)
    assert done.stdout == blocks(page, "console")[0].partition("$ seatrial init\n")[2]
