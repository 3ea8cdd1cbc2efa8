"""Whatever changes of what a check declares: the cache says what a run without it says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.effort import examples

from seatrial.app.preflight import PreflightOptions, preflight
from seatrial.app.run_options import RunOptions

TALK = 'cat in/*.txt; echo "$WORD $AROUND"; test ! -e in/bad.txt'
COMMANDS = [TALK, TALK + "; echo more", TALK + "; mkdir -p out; cat in/*.txt >out/all; chmod 750 out/all"]

CHANGES = st.one_of(
    st.tuples(st.just("file"), st.sampled_from(["a.txt", "b.txt", "bad.txt"]), st.sampled_from(["", "1", "2", None])),
    st.tuples(st.just("word"), st.just(""), st.sampled_from(["x", "y"])),
    st.tuples(st.just("around"), st.just(""), st.sampled_from(["x", "y", None])),
    st.tuples(st.just("command"), st.just(""), st.sampled_from(COMMANDS)),
    st.tuples(st.just("tool"), st.just(""), st.sampled_from(["1", "2"])),
    st.tuples(st.just("lose"), st.just(""), st.just("")),
)


class World:
    """A source folder with its document, and what is around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.word, self.command = "x", COMMANDS[2]
        self.taken = 0
        (folder / "in").mkdir()
        (folder / "in/first.txt").write_text("first")
        (folder / "tool").write_text("1")
        (folder / ".gitignore").write_text("out/\n")

    def change(self, what: str, name: str, value: str | None) -> None:
        if what == "file" and value is None:
            (self.folder / "in" / name).unlink(missing_ok=True)
        elif what == "file":
            (self.folder / "in" / name).write_text(value or "")
        elif what == "around":
            os.environ.pop("AROUND", None)
            os.environ.update({"AROUND": value} if value else {})
        elif what == "tool":
            (self.folder / "tool").write_text(value or "")
        elif what == "lose":
            (self.folder / "out/all").unlink(missing_ok=True)
        else:
            setattr(self, what, value)

    def run(self, *, cache: bool) -> Mapping[str, Any]:
        """What became of each check: status, outputs, artifacts with modes, log; and what stands in the source."""
        kept = {"inputs": ["in/*.txt"], "env_inputs": ["AROUND"], "tools": [["cat", "tool"]]}
        out = ["out/*"] if "out" in self.command else []
        first = {
            "run": self.command,
            **kept,
            "artifacts": out,
            "outputs": {"said": "stdout"},
            "env": {"WORD": self.word},
        }
        # It uses what the first made: by an output, and by the file itself.
        said = "${{ steps['only/first'].outputs.said }}"
        then = {"run": 'cat tool; cat out/all; echo "$SAID"', "needs": ["first"], **kept, "env": {"SAID": said}}
        checks = {"first": first, "then": then if out else {**then, "run": 'cat tool; echo "$SAID"'}}
        document = self.folder / "pipeline.json"
        document.write_text(json.dumps({"pipeline": {"stages": {"only": {"checks": checks}}}}))
        run = RunOptions(format="none", project=self.folder)
        report = asyncio.run(preflight(PreflightOptions(document=document, cache=cache, run=run)))
        [stages] = report.results["results"][0]["workflow_steps"]
        found: dict[str, Any] = {"exit code": report.exit_code}
        for check in stages["steps"][0]["steps"]:
            outputs = dict(check["outputs"] or {})
            self.taken += bool(outputs.pop("cached", False))
            folder = Path(report.folder) / report.results["results"][0]["folder"]
            files = [folder / one for one in outputs.get("artifacts", ())]
            log = folder / "artifacts/logs" / f"{check['id'].replace('/', '-')}.log"
            found[check["id"]] = (
                check["status"],
                outputs,
                [(file.stat().st_mode, file.read_bytes()) for file in files],
                log.read_text() if log.is_file() else "",
            )
        if out and report.exit_code == 0:
            made = self.folder / "out/all"
            found["made"] = (made.stat().st_mode, made.read_bytes())
        return found


@pytest.mark.slow
@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(CHANGES, max_size=2), min_size=3, max_size=6))
def test_the_cache_says_what_a_run_without_it_says(rounds: list[list[tuple[str, str, str | None]]]) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(_put_back, dict(os.environ))
        os.environ.update(
            SEATRIAL_CACHE_DIR=str(folder / "cache"), XDG_STATE_HOME=str(folder / "state"), WORD="", AROUND="x"
        )
        (folder / "source").mkdir()
        world = World(folder / "source")
        for changes in [[], *rounds]:
            for change in changes:
                world.change(*change)
            assert world.run(cache=True) == world.run(cache=False)
            taken = world.taken
            if world.run(cache=True)["exit code"] == 0:
                assert world.taken == taken + 2


def _put_back(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
