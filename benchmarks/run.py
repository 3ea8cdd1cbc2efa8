"""Measure Seatrial against Chaos Toolkit, Robot Framework and pytest: `python -m benchmarks.run`, or `make bench`.

Exit code 0 when every run did its work, whatever the numbers are; 1 when one did not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks import peers
from benchmarks.contests import CONTESTS, Contest, Contestant
from benchmarks.measure import Cost, RunFailed, cost

CHECKOUT = Path(__file__).resolve().parent.parent
# What could make one tool behave otherwise than on a user's machine.
FOREIGN = ("PYTHON", "PYTEST", "SEATRIAL", "E2E_", "ROBOT", "CHAOSTOOLKIT", "VIRTUAL_ENV", "CI", "GITHUB_")

Costs = dict[str, list[Cost]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each, after one that is not counted")
    parser.add_argument("--only", default="", metavar="TEXT", help="the contests whose name contains this")
    parser.add_argument("--peers-only", action="store_true", help="leave Seatrial out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single cost there too")
    return parser.parse_args()


def once(contestant: Contestant, programs: dict[str, Path], scratch: Path, deadline: float) -> Cost:
    """One run in a fresh folder and home, so that nothing an earlier run left can help or hinder."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    home = folder / "home"
    home.mkdir()
    contestant.prepare(folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment["HOME"] = str(home)
    if contestant.program == "chaos":
        environment["PYTHONPATH"] = str(folder)  # where the actions' functions are
    environment |= {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("STATE", "CACHE", "CONFIG", "DATA")}
    program = programs[contestant.program] / contestant.program
    spent = cost((str(program), *contestant.arguments), folder, environment, deadline)
    contestant.proof(folder)
    # The folder stays until all is measured: ext4 does not give out inodes again that were deleted seconds ago, and
    # looks past each of them for a free one, so that the next run would pay (seen: up to 0.8 s for 2,000 files).
    return spent


def hold(contest: Contest, programs: dict[str, Path], scratch: Path, runs: int) -> tuple[Costs, list[str]]:
    """Let the contestants take turns, so that a slow minute is slow for all; the first turn warms up."""
    costs: Costs = {}
    failures: dict[str, str] = {}
    for turn in range(runs + 1):
        for contestant in contest.contestants:
            if contestant.program not in programs or contestant.tool in failures:
                continue
            try:
                spent = once(contestant, programs, scratch, contest.deadline)
            except RunFailed as failure:
                failures[contestant.tool] = f"{contest.name}: {contestant.tool}: {failure}"
                costs.pop(contestant.tool, None)
            else:
                if turn:
                    costs.setdefault(contestant.tool, []).append(spent)
    return costs, list(failures.values())


def median(costs: list[Cost], what: str) -> float:
    return statistics.median(getattr(one, what) for one in costs)


def verdict(contest: Contest, costs: Costs) -> str:
    """One sentence: Seatrial's number beside its limit."""
    if "Seatrial" not in costs:
        return "Seatrial: not measured"
    own = median(costs["Seatrial"], "wall")
    if contest.against:
        rivals = {tool: median(costs[tool], "wall") for tool in contest.against if tool in costs}
        if not rivals:
            return "Seatrial: nobody to compare with"
        fastest = min(rivals, key=lambda tool: rivals[tool])
        ratio = own / rivals[fastest]
        word = "within" if ratio <= contest.limit else "OVER"
        seconds = rivals[fastest] * contest.limit
        return f"Seatrial / {fastest} = {ratio:.2f}: {word} the limit of {contest.limit:.1f} ({seconds:.3f} s)"
    said = f"{own:.3f} s: {'within' if own <= contest.limit else 'OVER'} the limit of {contest.limit:.1f} s"
    if contest.limit_mb is not None:
        peak = max(one.peak_mb for one in costs["Seatrial"])
        said += f"; peak {peak:.0f} MB: {'within' if peak <= contest.limit_mb else 'OVER'} {contest.limit_mb:.0f} MB"
    return f"Seatrial: {said}"


def show(contest: Contest, costs: Costs) -> None:
    print(f"\n{contest.name}")
    print(f"  {'':16} {'median':>9} {'fastest':>9} {'slowest':>9} {'CPU':>9} {'peak':>8}")
    for tool, spent in costs.items():
        walls = [one.wall for one in spent]
        print(
            f"  {tool:16} {statistics.median(walls):7.3f} s {min(walls):7.3f} s {max(walls):7.3f} s"
            f" {median(spent, 'cpu'):7.3f} s {max(one.peak_mb for one in spent):5.0f} MB"
        )
    print(f"  {verdict(contest, costs)}", flush=True)


def main() -> int:
    options = arguments()
    if options.runs < 1:
        sys.exit("--runs must be at least 1")
    contests = [contest for contest in CONTESTS if options.only in contest.name]
    if not contests:
        sys.exit(f"no contest's name contains {options.only!r}; there are: {'; '.join(one.name for one in CONTESTS)}")
    bin_of_peers = peers.install(CHECKOUT / ".bench")
    programs = dict.fromkeys(("chaos", "robot", "pytest"), bin_of_peers)
    if not options.peers_only:
        programs["seatrial"] = Path(sys.executable).parent
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {options.runs} runs of each after a warm-up")

    measured: dict[str, Costs] = {}
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as scratch:
        for contest in contests:
            costs, failed = hold(contest, programs, Path(scratch), options.runs)
            measured[contest.name] = costs
            failures += failed
            if costs:
                show(contest, costs)
    if options.json:
        plain = {
            name: {tool: [asdict(one) for one in spent] for tool, spent in costs.items()}
            for name, costs in measured.items()
        }
        options.json.write_text(json.dumps(plain, indent=1) + "\n")
    for failure in failures:
        print(f"\nA run failed. {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
