"""Measure a hundred machines over five clouds beside the same calls by hand: `python -m benchmarks.clouds`.

The clouds are the stand-ins on loopback, each a process of its own, reached through the vendors' own SDKs. Their
machines are records that take some seconds to be made, started, stopped and removed: no containers, no SSH.

Exit code 0 when every run did its work, whatever the numbers are; 1 when one did not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clouds.stand_in import DESTROYS, MAKES, STARTS, STOPS
from benchmarks.machines.told import Told, median, show
from benchmarks.measure import Cost, RunFailed, cost
from scripts.clouds import CLOUDS, FOREIGN

CHECKOUT = Path(__file__).resolve().parents[2]
DEADLINE = 600.0
RATIO, MEMORY = 1.5, 300.0
SIDES = ("by_hand", "by_seatrial")

Seconds = Mapping[str, Mapping[str, float]]
"""By cloud and by phase."""


@dataclass(frozen=True)
class StandIn:
    """The process of one cloud."""

    name: str
    process: subprocess.Popen[str]
    environment: Mapping[str, str]
    authority: str

    def ask(self) -> dict[str, Any]:
        """How many machines it made since the last time, and those that it has."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return _line(self.name, self.process)


def _line(name: str, process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        raise RunFailed(f"the stand-in of {name} ended with {process.wait()}")
    told: dict[str, Any] = json.loads(line)
    return told


@contextmanager
def stand_in(name: str) -> Iterator[StandIn]:
    """Start one; it ends with its input."""
    argv = (sys.executable, "-m", "benchmarks.clouds.stand_in", name)
    with subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told = _line(name, process)
        yield StandIn(name, process, told["environment"], told["authority"])
        assert process.stdin is not None
        process.stdin.close()


def environment(clouds: Sequence[StandIn], scratch: Path) -> dict[str, str]:
    """The variables of all these clouds, and no others of any; one file has the authorities of all."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*FOREIGN, "PYTHON"))}
    for cloud in clouds:
        kept |= cloud.environment
    trusted = scratch / "authorities.pem"
    trusted.write_text("".join(Path(cloud.authority).read_text() for cloud in clouds if cloud.authority))
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    own = {"REQUESTS_CA_BUNDLE": str(trusted), "PYTHONPATH": str(CHECKOUT), "XDG_STATE_HOME": str(scratch / "state")}
    return {**kept, **files, **own}


def once(side: str, clouds: Sequence[StandIn], count: int, folder: Path) -> tuple[Cost, Seconds]:
    """One run of a side from the start of its process; RunFailed unless each cloud made its machines and has none."""
    folder.mkdir()
    where = [str(folder)] if side == "by_seatrial" else []
    names = [cloud.name for cloud in clouds]
    argv = (sys.executable, "-m", f"benchmarks.clouds.{side}", *where, str(count), *names)
    spent = cost(argv, folder, environment(clouds, folder), DEADLINE)
    for cloud in clouds:
        if (seen := cloud.ask()) != {"made": count, "left": []}:
            raise RunFailed(f"{side}: {cloud.name} made {seen['made']} of {count} machines, and has {seen['left']}")
    told: Seconds = json.loads((folder / "output").read_text().splitlines()[-1])
    return spent, told


def measure(clouds: Sequence[StandIn], count: int, runs: int, scratch: Path) -> list[Told]:
    """Both sides in turns, the first of which is not counted."""
    costs: dict[str, list[Cost]] = {side: [] for side in SIDES}
    slowest: dict[str, list[float]] = {side: [] for side in SIDES}
    rows: dict[str, list[float]] = {}
    for turn in range(runs + 1):
        for side in SIDES:
            spent, told = once(side, clouds, count, scratch / f"{side}-{turn}")
            if not turn:
                continue
            costs[side].append(spent)
            slowest[side].append(max(sum(seconds.values()) for seconds in told.values()))
            for cloud, seconds in told.items():
                rows.setdefault(f"{cloud}, {side.replace('_', ' ')}", []).append(sum(seconds.values()))
                for phase, length in seconds.items():
                    rows.setdefault(f"  {cloud}, {side.replace('_', ' ')}: {phase}", []).append(length)
    by_hand, own = (costs[side] for side in SIDES)
    whole = {f"the whole process, {side.replace('_', ' ')}": [one.wall for one in costs[side]] for side in SIDES}
    cpu = {f"of that, CPU, {side.replace('_', ' ')}": [one.cpu for one in costs[side]] for side in SIDES}
    name = f"{count * len(clouds)} machines over {len(clouds)} clouds at once"
    delays = f"make {MAKES:g} s, start {STARTS:g} s, stop {STOPS:g} s, destroy {DESTROYS:g} s"
    return [
        Told(
            name=f"{name}: plan, create, crash, start, give back",
            what="the slowest cloud, Seatrial / by hand",
            number=median(slowest["by_seatrial"]) / median(slowest["by_hand"]),
            limit=RATIO,
            unit="×",
            rows={
                **{f"the slowest cloud, {side.replace('_', ' ')}": slowest[side] for side in SIDES},
                **whole,
                **cpu,
                **dict(sorted(rows.items(), key=lambda row: row[0].strip())),
            },
            notes=[f"The machines are records, without containers and SSH: {delays}."],
        ),
        Told(
            name=f"{name}: memory",
            what="peak of Seatrial's process",
            number=max(one.peak_mb for one in own),
            limit=MEMORY,
            unit="MB",
            rows={},
            notes=[f"by hand {max(one.peak_mb for one in by_hand):.0f} MB: the vendors' SDKs alone"],
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clouds", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=3, help="measured turns of each side, after one that is not counted"
    )
    parser.add_argument("--machines", type=int, default=100, help="machines of all clouds together")
    parser.add_argument("--only", default=",".join(CLOUDS), metavar="NAMES", help=f"of {', '.join(CLOUDS)}")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(CLOUDS):
        parser.error(f"{', '.join(sorted(unknown))}: allowed are {', '.join(CLOUDS)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.runs} turns after a warm-up", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as scratch, ExitStack() as opened:
            clouds = [opened.enter_context(stand_in(name)) for name in names]
            for told in measure(clouds, options.machines // len(names), options.runs, Path(scratch)):
                show(told)
    except RunFailed as failure:
        print(f"\nA run failed. {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
