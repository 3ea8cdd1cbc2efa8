"""Kills Seatrial at random moments, cleans up after it, and looks for anything that is left on this machine.

    python -m benchmarks.kills --kills 200 --on local,containers,ssh --seed 7

Before and after each kill the machine is compared: processes, mounts, namespaces, cgroups, containers, files. What is
left must be said by `clean` (exit code 4). The seed is printed: `--seed S --first N --kills 1` does kill N once more.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.kill_suites import MARK, PLACES, Place, write
from benchmarks.snapshots import Snapshot
from tests.acceptance.harness import Project, processes_of

SLOWEST = 120.0
"""Seconds for the end of a run after a signal, and of a `clean`."""

LEFT = 4
"""The exit code of `clean` when it says what it could not remove."""

SETTLE = 20.0
"""Seconds for the kernel and the container engine to finish what was ended."""


@dataclass
class Kill:
    """One run that is killed, and what became of it."""

    number: int
    place: str
    way: str
    after: float
    """Seconds from the start of the run, or of the cleaning, to the signal."""
    escapes: tuple[str, ...] = ()
    ended: bool = False
    """Whether the run was over before the signal."""
    said: str = ""
    """The words of `clean` about what it could not remove."""
    left: list[str] = field(default_factory=list)
    slow: str = ""

    def __str__(self) -> str:
        return f"kill {self.number}: {self.place}, {self.way} after {self.after:.2f} s; {', '.join(self.escapes)}"


Way = Callable[[Project, "subprocess.Popen[str]", random.Random], None]


def _signal(*numbers: signal.Signals) -> Way:
    def act(project: Project, run: subprocess.Popen[str], chance: random.Random) -> None:
        for number in numbers:
            with suppress(ProcessLookupError):
                os.kill(run.pid, number)
            time.sleep(chance.uniform(0, 0.3))

    return act


def _programs(word: str, *, also: bool) -> Way:
    """SIGKILL of one of the project's processes with a word in its command, and of the run too."""

    def act(project: Project, run: subprocess.Popen[str], chance: random.Random) -> None:
        some = [pid for pid, command in processes_of(project.folder, most=400) if word in command]
        if some:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(some), signal.SIGKILL)
        if also:
            run.kill()

    return act


WAYS: dict[str, tuple[int, Way]] = {
    "SIGKILL": (10, _signal(signal.SIGKILL)),
    "SIGTERM": (2, _signal(signal.SIGTERM)),
    "SIGHUP": (1, _signal(signal.SIGHUP)),
    "SIGINT three times": (2, _signal(signal.SIGINT, signal.SIGINT, signal.SIGINT)),
    "SIGKILL of a supervisor": (2, _programs("supervisor.py", also=False)),
    "SIGKILL of a supervisor and the run": (2, _programs("supervisor.py", also=True)),
    "SIGKILL of a node's box and the run": (1, _programs("providers.local.machine", also=True)),
    "SIGKILL, and of clean": (3, _signal(signal.SIGKILL)),
}
"""How it is killed, with its share."""


def _project(folder: Path) -> tuple[Project, dict[str, str]]:
    """A project with temporary files of its own, and its environment."""
    project, temporary = Project(folder), folder / "tmp"
    temporary.mkdir(parents=True)
    return project, {**project.environment, "TMPDIR": str(temporary)}


def length(place: Place, folder: Path) -> float:
    """Seconds of a run that nobody kills, at most those of the place: later signals would meet no run."""
    project, environment = _project(folder / f"whole-{place.name}")
    write(place, project, random.Random(0))
    start = time.monotonic()
    run = project.start(*place.words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run.wait(SLOWEST)
    seconds = time.monotonic() - start
    project.seatrial("clean", timeout=300, env=environment)
    place.stop(project)
    shutil.rmtree(project.folder, ignore_errors=True)
    return min(seconds, place.seconds)


def kill(number: int, seed: str, place: Place, folder: Path, longest: float, *, whole: bool = False) -> Kill:
    """Run the place's suites in a project of their own, kill that within `longest` seconds, clean, and compare the
    machine."""
    chance = random.Random(f"{seed}/{number}")
    project, environment = _project(folder / f"kill-{number}")
    way = chance.choices([*WAYS], [share for share, _ in WAYS.values()])[0]
    if place.command == "preflight":
        way = "SIGKILL"
    done = Kill(number, place.name, way, chance.uniform(0.2, longest))
    before = Snapshot.take()
    done.escapes = write(place, project, chance)
    run = project.start(*place.words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with suppress(subprocess.TimeoutExpired):
        run.wait(done.after)
    done.ended = run.poll() is not None
    WAYS[way][1](project, run, chance)
    done.slow = _ended(run, f"the run after {way}")
    if way.endswith("of clean"):
        cleaning = project.start("clean", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.1, 1.5))
        cleaning.kill()
        cleaning.wait()
    start = time.monotonic()
    cleaned = project.seatrial("clean", timeout=300, env=environment)
    if time.monotonic() - start > SLOWEST:
        done.slow += f" clean took {time.monotonic() - start:.0f} s"
    words = (cleaned.stdout + cleaned.stderr).strip()
    done.said = words if cleaned.returncode == LEFT else ""
    place.stop(project)
    done.left = _left(before, project, whole=whole)
    if cleaned.returncode not in (0, LEFT):
        done.left.insert(0, f"clean ended with exit code {cleaned.returncode}: {words}")
    if not done.left:
        shutil.rmtree(project.folder, ignore_errors=True)
    return done


def _ended(run: subprocess.Popen[str], what: str) -> str:
    """Wait for a process; words when it takes too long."""
    try:
        run.wait(SLOWEST)
    except subprocess.TimeoutExpired:
        spy = shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy"))
        if Path(spy).exists():
            subprocess.run([spy, "dump", "--pid", str(run.pid)], check=False)
        run.kill()
        run.wait()
        return f"{what} did not end within {SLOWEST:g} s"
    return ""


def _left(before: Snapshot, project: Project, *, whole: bool) -> list[str]:
    """What was not there before, and is of this project (`whole`: whatever it is)."""
    until = time.monotonic() + SETTLE
    while True:
        fresh = Snapshot.take().since(before)
        ours = fresh if whole else [one for one in fresh if str(project.folder) in one or MARK in one]
        ours += project.left()
        if not ours or time.monotonic() > until:
            return sorted(set(ours))
        time.sleep(0.2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, and print what was found; 1 when something was left that nobody said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the number of the first kill")
    parser.add_argument("--seed", default=str(random.randrange(10**6)))
    parser.add_argument("--on", default=",".join(PLACES), help=f"of {', '.join(PLACES)}")
    parser.add_argument("--whole", action="store_true", help="anything new on the machine counts: for a quiet one")
    options = parser.parse_args(arguments)
    places = []
    for name in options.on.split(","):
        if why := PLACES[name].absent():
            print(f"not on {name}: {why}", flush=True)
        else:
            places.append(PLACES[name])
    folder = Path(tempfile.mkdtemp(prefix="seatrial-kills-"))
    print(f"seed {options.seed}, in {folder}", flush=True)
    longest = {place.name: length(place, folder) for place in places}
    counts: Counter[str] = Counter()
    for number in range(options.first, options.first + options.kills):
        place = places[number % len(places)]
        done = kill(number, options.seed, place, folder, longest[place.name], whole=options.whole)
        result = "left" if done.left and not done.said else "said" if done.said else "clean"
        counts[f"{done.place}: {result}"] += 1
        counts["ended before the kill"] += done.ended
        counts["slow"] += bool(done.slow)
        if result != "clean" or done.slow:
            print("\n  ".join([f"{result}: {done}", done.slow, done.said, *done.left]), flush=True)
    for name, count in sorted(counts.items()):
        print(f"{count:5} {name}")
    if not any(folder.iterdir()):
        folder.rmdir()
    return int(any(name.endswith(": left") for name in counts) or counts["slow"] > 0)


if __name__ == "__main__":
    sys.exit(main())
