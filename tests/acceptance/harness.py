"""Runs the real command in a project of its own, and looks for what it may have left on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Document = dict[str, Any]


def _heed_hang_ups() -> None:
    """As started from a terminal, also when the tests themselves run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass(frozen=True)
class Project:
    """A project in a folder of its own, with a state folder of its own for leases."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SEATRIAL_", "E2E_", "GITHUB_"))}
        return {**kept, "XDG_STATE_HOME": str(self.folder / "xdg"), "NO_COLOR": "1"}

    def write(self, name: str, document: Document) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(document))
        return path

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "seatrial", *map(str, arguments)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": self.environment, **options}
        return subprocess.Popen(
            command, cwd=self.folder, text=True, start_new_session=True, preexec_fn=_heed_hang_ups, **options
        )

    def seatrial(self, *arguments: object, timeout: float = 300, **options: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            process.terminate()  # it gives everything back: the next tests find nothing of it
            out, err = process.communicate(timeout=timeout)
            raise AssertionError(f"{error}\n{out}{err}") from error
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def runs(self) -> list[Path]:
        return sorted((self.folder / ".seatrial" / "runs").glob("r*"))

    def results(self) -> dict[str, Any]:
        """The results.json of the newest run."""
        results: dict[str, Any] = json.loads((self.runs()[-1] / "results.json").read_text())
        return results

    def events(self) -> list[dict[str, Any]]:
        """What of the newest run's journal is whole."""
        runs = self.runs()
        if not runs or not (runs[-1] / "events.jsonl").is_file():
            return []
        *whole, _ = (runs[-1] / "events.jsonl").read_bytes().split(b"\n")  # the last line may be only half written
        return [json.loads(line) for line in whole if line.endswith(b"}")]

    def left(self) -> list[str]:
        """What a run of this project left: processes, leases, ledgers, state folders of trials."""
        found = [f"process {pid}: {what}" for pid, what in processes_of(self.folder)]
        found += [
            f"lease {p.relative_to(self.folder)}"
            for p in files_below(self.folder / "xdg")
            if p.name != "ledger.key" and not _is_kept_of_a_service(p)
        ]
        found += [f"ledger {p.name}" for p in (self.folder / ".seatrial" / "ledger").glob("*")]
        found += [f"state {p}" for p in self.folder.glob(".seatrial/runs/*/*/state")]
        return found


def files_below(folder: Path) -> list[Path]:
    """Every file there, also while others make and remove some."""
    found = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    return [file for file in found if file.is_file()]


def contents_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file there with what it holds, also while others make and remove some."""
    for file in files_below(folder):
        with suppress(FileNotFoundError):  # removed by now
            yield file, file.read_bytes()


def _is_kept_of_a_service(file: Path) -> bool:
    """Logs and locks of a service stay; its record says that it is there."""
    return file.parent.parent.name == "services" and file.name != "service.json"


LEDGER_KILLER = '''
"""Kills the process at the N-th record of its ledger: before it is written, or as soon as it is."""
import os, signal
from seatrial.engine.ledger import Ledger

append, left = Ledger._append, int(os.environ["KILL_AT"])

def killing(self, record, *, sync):
    global left
    left -= 1
    if left == 0 and os.environ["KILL_WHEN"] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, record, sync=sync)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Ledger._append = killing
'''

Lister = Callable[[Project], Sequence[str]]
"""What of this project there still is, in words: nothing, when all was given back."""


def killed_at_record(
    project: Project,
    document: Path | str,
    record: int,
    *,
    when: str,
    arguments: Sequence[object] = (),
    command: str = "run",
) -> bool:
    """Run a document with SIGKILL at the n-th record of its ledger (`before` or `after` it is written); whether it was
    killed: it ends by itself when it has fewer records, and then it has to pass."""
    # A command that takes no plugin has it from the start of its Python.
    killer = project.folder / "killer" / ("killer.py" if command == "run" else "sitecustomize.py")
    killer.parent.mkdir()
    killer.write_text(LEDGER_KILLER)
    environment = {**project.environment, "KILL_AT": str(record), "KILL_WHEN": when}
    plugin = ("--plugin", killer, "--format", "none") if command == "run" else ()
    environment |= {} if plugin else {"PYTHONPATH": str(killer.parent)}
    done = project.seatrial(command, document, *plugin, *arguments, env=environment, timeout=300)
    if done.returncode == 0:
        return False
    why = [(row["error"], row["evidence"]) for row in project.results()["results"]] if done.returncode > 0 else ""
    assert done.returncode == -signal.SIGKILL, f"{when} record {record}: {why}{done.stderr}"
    return True


def assert_clean_leaves_nothing(project: Project, listers: Sequence[Lister], about: str) -> str:
    """`clean`, and then none of these may show anything, and a second `clean` finds nothing; what the first said."""
    cleaned = project.seatrial("clean", timeout=300)
    assert cleaned.returncode == 0, f"{about}: {cleaned.stdout}{cleaned.stderr}"
    left = [one for lister in listers for one in lister(project)]
    assert left == [], f"{about}: {cleaned.stdout}"
    again = project.seatrial("clean", timeout=300)
    assert again.returncode == 0, again.stdout
    assert "removed" not in again.stdout, f"{about}: {again.stdout}"
    return cleaned.stdout


def kill_and_clean(
    folder: Path,
    make: Callable[[Project], Sequence[object]],
    listers: Sequence[Lister],
    *,
    when: str,
    record: int,
    command: str = "run",
) -> bool:
    """Kill a run at a record of its ledger, in a project of its own, and clean after it; whether it was killed.

    `make` writes the project's settings and its document, and says the arguments of the command, the document first.
    """
    project = Project(folder / f"{when}-{record}")
    project.folder.mkdir(parents=True)
    document, *arguments = make(project)
    killed = killed_at_record(project, str(document), record, when=when, arguments=arguments, command=command)
    about = f"killed {when} record {record}" if killed else "a run that ended by itself"
    assert_clean_leaves_nothing(project, listers, about)
    return killed


def kill_and_clean_elsewhere(
    folder: Path,
    make: Callable[[Project], Sequence[object]],
    provider: str,
    *,
    record: int,
    stands: Callable[[], bool],
) -> None:
    """Kill a run after a record of its ledger, and clean it from another project, which has no ledger of it; `stands`:
    whether there was something to clean."""
    first, second = Project(folder / "first"), Project(folder / "second")
    for project in (first, second):
        project.folder.mkdir()
    (document,) = make(first)
    make(second)
    assert killed_at_record(first, str(document), record, when="after")
    assert stands()
    (run,) = (entry.name for entry in (first.folder / ".seatrial" / "runs").iterdir())
    cleaned = second.seatrial("clean", "--provider", provider, "--run", run, timeout=600)
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr


def kill_at_records(
    folder: Path,
    make: Callable[[Project], Sequence[object]],
    listers: Sequence[Lister],
    *,
    when: str,
    first: int = 1,
    step: int = 1,
    command: str = "run",
) -> int:
    """Kill a run at its first, first + step, … ledger record and clean after each, until a run ends by itself; the
    number of runs that were killed."""
    record, killed = first, 0
    while kill_and_clean(folder, make, listers, when=when, record=record, command=command):
        killed += 1
        record += step
    return killed


def processes_of(folder: Path, *, most: int = 120) -> list[tuple[int, str]]:
    """Every process that has this folder's state home in its environment: a run's own, and all that it started."""
    mark = f"XDG_STATE_HOME={folder / 'xdg'}".encode()
    also = str(folder).encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            environ = Path(f"/proc/{entry}/environ").read_bytes()
            command = Path(f"/proc/{entry}/cmdline").read_bytes()
            dead = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        # Podman's name server is one for all networks of this machine, whoever made the first of them.
        if (
            not dead
            and b"/aardvark-dns" not in command.split(b"\0")[0]
            and (mark in environ.split(b"\0") or also in environ or also in command)
        ):
            found.append((int(entry), command.replace(b"\0", b" ").decode(errors="replace")[:most]))
    return found


def until(holds: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Wait for a condition, with a deadline that a busy machine does not reach either."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.01)


def suite(*steps: Document | str, provider: str = "local", **more: Any) -> Document:
    """A document with one suite called `trial`."""
    workflow = [{"step": one} if isinstance(one, str) else one for one in steps]
    return {"test_suites": {"trial": {"provider": provider, "workflow": workflow, **more}}}


def validate(*checks: Any, **more: Any) -> Document:
    """A validate step."""
    return {"step": "validate", "checks": list(checks), **more}


def only(rows: Sequence[Any]) -> Any:
    """The one element."""
    assert len(rows) == 1, rows
    return rows[0]
