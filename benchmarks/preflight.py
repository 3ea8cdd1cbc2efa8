"""Measure `seatrial preflight` beside the same commands by a plain shell: `python -m benchmarks.preflight`.

Exit code 0 when every run did its work, whatever the numbers are; 1 when one did not.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from benchmarks import dagger
from benchmarks.machines.told import Told, median, show
from benchmarks.measure import Cost, RunFailed, cost

from scripts import consultancy

FOREIGN = ("PYTHON", "SEATRIAL", "E2E_", "VIRTUAL_ENV", "CI", "GITHUB_")
MANY = 40
"""Checks of which each does next to nothing."""
FILES = 50_000
DEADLINE = 300.0
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Place:
    """A project in a folder of its own, with a cache and a state of its own."""

    folder: Path
    environment: Mapping[str, str]

    def preflight(self, *arguments: str) -> tuple[Cost, dict[str, Any]]:
        """One run from the start of its process to its end, and its JSON; RunFailed unless all passed."""
        argv = (sys.executable, "-m", "seatrial", "preflight", *arguments)
        spent = cost(argv, self.folder, dict(self.environment), DEADLINE)
        told: dict[str, Any] = json.loads(max(self.folder.glob(".seatrial/runs/*/preflight.json")).read_text())
        wrong = [check for _, check in _checks(told) if check["status"] != "passed"]
        if wrong:
            raise RunFailed(f"{wrong}")
        return spent, told

    def shell(self, lines: Sequence[str]) -> float:
        """Seconds of the same commands by one shell that stops at the first that fails."""
        argv = ("/bin/sh", "-e", "-c", "\n".join(lines))
        return cost(argv, self.folder, dict(self.environment), DEADLINE).wall


def _checks(told: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for stage, one in told["stages"].items():
        yield from ((f"{stage}/{check['name']}", check) for check in one["checks"])


def place(folder: Path, **more: str) -> Place:
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    homes = {"SEATRIAL_CACHE_DIR": str(folder.parent / "cache"), "XDG_STATE_HOME": str(folder.parent / "state")}
    return Place(folder, {**kept, **homes, **more})


def example(scratch: Path) -> Place:
    """The example of the checkout, with its tools in front of PATH, its secrets, and files that are old enough."""
    venv = consultancy.virtual_environment(consultancy.EXAMPLE)
    folder = consultancy.copied(scratch / "example" / "consultancy")
    lines = (folder / "development.env").read_text().splitlines()
    secrets = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return place(folder, PATH=f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", **secrets)


def pipeline_of(folder: Path) -> dict[str, Any]:
    """Its document, as plain data."""
    document: dict[str, Any] = yaml.safe_load((folder / "pipeline.yaml").read_text())["pipeline"]
    return document


def warm(scratch: Path, runs: int) -> Iterator[Told]:
    """The example, all of it on this host: cold, nothing changed, one file changed."""
    here = example(scratch)
    changed = here.folder / consultancy.CHANGED
    cold = here.preflight("--host")[0].wall
    time.sleep(2.1)  # the times of files are trusted when they were left alone for 2 s
    same, one = [], []
    for turn in range(runs + 1):
        spent, told = here.preflight("--host")
        if turn:
            assert all(check.get("cached") for _, check in _checks(told)), told
            same.append(spent.wall)
    for turn in range(runs):
        with changed.open("a") as file:
            file.write(f"# {turn}\n")
        one.append(here.preflight("--host")[0].wall)
    yield Told(
        name="warm: the example, ten checks with a database, on this host",
        what="seconds when nothing changed",
        number=median(same),
        limit=0.5,
        unit="s",
        rows={"cold": [cold], "nothing changed": same, "one file changed": one},
        notes=[f"of the cold run: one file {median(one) / cold:.2f}, nothing changed {median(same) / cold:.3f}"],
    )


def parallel(scratch: Path, runs: int) -> Iterator[Told]:
    """The example without its cache, beside the longest chain of its checks and the processors that it needs."""
    here = example(scratch)
    pipeline = pipeline_of(here.folder)
    whole, chains, processors, own = [], [], [], []
    for turn in range(runs + 1):
        _, alone = here.preflight("--host", "--no-cache", "--parallel", "1")
        spent, together = here.preflight("--host", "--no-cache")
        if turn:
            whole.append(spent.wall)
            chains.append(longest(pipeline, alone))
            own.append(longest(pipeline, together))
            processors.append(spent.cpu / CORES)
    floor = max(median(chains), median(processors))
    yield Told(
        name=f"parallel: the example without its cache, {CORES} cores",
        what="the whole / the larger of both floors",
        number=median(whole) / floor,
        limit=1.15,
        unit="×",
        rows={"the whole command": whole, "its longest chain, one check at a time": chains,
              "its CPU seconds over the cores": processors, "the longest chain of the same run": own},
        notes=[f"the whole / the longest chain of the same run = {median(whole) / median(own):.2f}"],
    )  # fmt: skip


def longest(pipeline: Mapping[str, Any], told: Mapping[str, Any]) -> float:
    """The longest way through the needs of stages and checks, with the times that a run told."""
    stages = pipeline["stages"]
    seconds = {name: check["duration_seconds"] for name, check in _checks(told)}

    def stage_end(name: str) -> float:
        begin = max((stage_end(one) for one in stages[name].get("needs", ())), default=0.0)
        return begin + max(check_end(name, one) for one in stages[name]["checks"])

    def check_end(stage: str, name: str) -> float:
        before = stages[stage]["checks"][name].get("needs", ())
        return max((check_end(stage, one) for one in before), default=0.0) + seconds[f"{stage}/{name}"]

    return max(map(stage_end, stages))


def overhead(scratch: Path, runs: int) -> Iterator[Told]:
    """One check at a time, nothing cached: what each costs above the same command by a plain shell."""
    many = place(scratch / "many" / "project")
    checks = {f"c{at}": {"run": ["/bin/true"]} for at in range(MANY)}
    (many.folder / "pipeline.json").write_text(json.dumps({"pipeline": {"stages": {"all": {"checks": checks}}}}))
    yield _above("/bin/true", many, ["/bin/true"] * MANY, (), MANY, runs)
    here = example(scratch)
    pipeline = pipeline_of(here.folder)
    lines, only = [], []
    for stage, one in pipeline["stages"].items():
        for name, check in one["checks"].items():
            if not check.get("services"):
                only += ["--only", f"{stage}/{name}"]
                command = check["run"] if isinstance(check["run"], str) else shlex.join(check["run"])
                lines.append(f"(cd ./{check.get('cwd', '')}\n{command})")
    yield _above("the example's checks without a database", here, lines, ("--host", *only), len(lines), runs)


def _above(what: str, here: Place, lines: Sequence[str], arguments: Sequence[str], count: int, runs: int) -> Told:
    shell, own, inner = [], [], []
    for turn in range(runs + 1):
        by_shell = here.shell(lines)
        spent, told = here.preflight("--no-cache", "--parallel", "1", *arguments)
        if turn:
            shell.append(by_shell)
            own.append(spent.wall)
            inner.append(told["duration_seconds"])
    return Told(
        name=f"overhead: {count} × {what}, one at a time",
        what="(Seatrial - shell) / checks",
        number=(median(own) - median(shell)) / count * 1000,
        limit=50.0,
        unit="ms",
        rows={"by a plain shell": shell, "by Seatrial, the whole command": own, "of that, the run itself": inner},
        notes=[f"Seatrial / shell = {median(own) / median(shell):.2f}; "
               f"without the start of the command {(median(inner) - median(shell)) / count * 1000:.1f} ms a check"],
    )  # fmt: skip


def unchanged(scratch: Path, runs: int) -> Iterator[Told]:
    """A check with many inputs, all of them as before: the whole command."""
    here = place(scratch / "files" / "project")
    for folder in range(FILES // 100):
        inner = here.folder / f"src/{folder // 25}/{folder}"
        inner.mkdir(parents=True)
        for at in range(100):
            (inner / f"{at}.py").write_text(f"x = {folder * 100 + at}\n" * 20)
    (here.folder / ".gitignore").write_text("*.pyc\nnode_modules\n/dist\n")
    checks = {"c": {"run": ["/bin/true"], "inputs": ["src/**"]}}
    (here.folder / "pipeline.json").write_text(json.dumps({"pipeline": {"stages": {"all": {"checks": checks}}}}))
    cold = here.preflight()[0].wall
    time.sleep(2.1)  # the times of files are trusted when they were left alone for 2 s
    same, cpu = [], []
    for turn in range(runs + 1):
        spent, told = here.preflight()
        if turn:
            assert all(check.get("cached") for _, check in _checks(told)), told
            same.append(spent.wall)
            cpu.append(spent.cpu)
    yield Told(
        name=f"unchanged: {FILES:,} files",
        what="seconds when nothing changed",
        number=median(same),
        limit=1.0,
        unit="s",
        rows={"cold": [cold], "nothing changed": same, "of that, CPU": cpu},
    )


CONTESTS: Mapping[str, Callable[[Path, int], Iterator[Told]]] = {
    "warm": warm,
    "parallel": parallel,
    "overhead": overhead,
    "unchanged": unchanged,
    **({"dagger": dagger.contest} if dagger.ENGINE else {}),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preflight", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each, after one that is not counted")
    parser.add_argument("--only", default="", metavar="NAMES", help=f"{', '.join(CONTESTS)}, parted by commas")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(CONTESTS)
    if unknown := [name for name in names if name not in CONTESTS]:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(CONTESTS)}")
    if names != ["dagger"] and not shutil.which("npm"):
        parser.error("npm is not installed: the example's worker is built with Node and npm")
    failed = False
    for name in names:
        with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as scratch:
            try:
                for told in CONTESTS[name](Path(scratch), options.runs):
                    show(told)
            except RunFailed as failure:
                failed = True
                print(f"\nA run failed. {name}: {failure}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
