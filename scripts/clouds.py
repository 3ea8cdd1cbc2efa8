"""Run the provider contract and examples/etcd on stand-ins of five clouds: `python3 -m scripts.clouds [CLOUD …]`.

Each cloud is a server on loopback with containers of Podman as machines, reached through the vendor's own SDK. No
variable with credentials of yours gets through to it. The first Ctrl-C (or SIGTERM) ends the tests, which remove what
they made; the second kills them, and the servers remove their machines.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.registry import Registry
from seatrial.testing import ProviderContract

ROOT = Path(__file__).resolve().parent.parent
CLASSIC = ROOT / "examples" / "etcd" / "classic.yaml"
LEFT_BEHIND = 4
FOREIGN = ("AWS_", "AZURE_", "ARM_", "GOOGLE_", "CLOUDSDK_", "DIGITALOCEAN_", "HCLOUD_", "SEATRIAL_", "E2E_", "GITHUB_")
"""Beginnings of variables that would name another account, or change a run."""
ENDED = re.compile(r"\S (\w+)  ([A-Z]+)  ")
"""The line with the verdict of a suite."""


@dataclass(frozen=True)
class Cloud:
    """A stand-in, and the settings that its catalog allows."""

    server: str
    """Module and class."""
    settings: Mapping[str, str]

    def stand_in(self, machines: Any = None) -> Any:
        """The server; without `machines`, they are only a state."""
        module, _, name = self.server.partition(":")
        return getattr(importlib.import_module(f"seatrial_stand_ins.{module}"), name)(machines)


CLOUDS = {
    "aws": Cloud("aws:AwsServer", {"image": "ami-1e749f67", "size": "t3.small", "address": "private"}),
    "azure": Cloud(
        "azure:AzureServer",
        {"image": "Debian:debian-12:12-gen2:latest", "size": "Standard_B1s", "location": "westeurope"},
    ),
    "gcp": Cloud(
        "gcp:GoogleServer",
        {"image": "ubuntu-os-cloud/ubuntu-2404-lts-amd64", "size": "e2-small", "zone": "europe-west3-a"},
    ),
    "digitalocean": Cloud("digitalocean:DigitalOceanServer", {"image": "debian-12-x64", "size": "s-1vcpu-1gb"}),
    "hetzner": Cloud("hetzner:HetznerServer", {"image": "debian-12", "size": "cx23"}),
}


def environment(server: Any) -> dict[str, str]:
    """The variables of a test on this server, and no others of any cloud."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**own, **files, **server.environment}


def settings_file(name: str) -> str:
    """`seatrial.toml` for this cloud."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in CLOUDS[name].settings.items()]
    return "\n".join([f"[providers.{name}]", *lines, ""])


# Inside of a test's own process, which has the variables of one cloud


def keep(name: str, folder: str) -> None:
    """Keep all promises, and name them as they are kept. It ends with the program that started it, whose end closes its
    input: the server is gone then too."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    contract = ProviderContract(name, CLOUDS[name].settings, deadline=120)
    for group, promises in contract.groups().items():
        contract.keep_together(promises, Path(folder) / group)
        print(f"kept: {group} ({len(promises)} promises)" if len(promises) > 1 else f"kept: {group}", flush=True)


def find(name: str) -> None:
    """Name what of Seatrial the cloud lists."""
    from seatrial.loading.provider_settings import settings_from

    provider = Registry().get("provider", name)
    for resource in asyncio.run(provider(settings_from(provider, CLOUDS[name].settings)).find("*")):
        print(f"{resource.kind} {resource.name}", flush=True)


# The whole


@dataclass
class Row:
    """What was seen of one cloud: exit codes and seconds, and what it still lists."""

    codes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    left: list[str] | None = None
    """None: the tests were stopped before."""


class Programs:
    """The tests that run, each a process in a session of its own: a Ctrl-C reaches this program alone."""

    def __init__(self) -> None:
        self._begun, self._turn = time.monotonic(), threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self.stopped = 0
        """The number of the signal."""

    def say(self, name: str, text: str) -> None:
        print(f"{time.monotonic() - self._begun:6.1f} s  {name:<12}  {text}", flush=True)

    def stop(self, number: int, _: object = None) -> None:
        """End what runs; the second time, at once."""
        with self._turn:
            for process in self._running:
                process.kill() if self.stopped else process.terminate()
            self.stopped = self.stopped or number

    def run(
        self, argv: Sequence[str], folder: Path, given: Mapping[str, str], log: Path, told: Callable[[str], None]
    ) -> int | None:
        """Run it and pass on each line; its exit code, None: it never began."""
        with self._turn:
            if self.stopped:
                return None
            process = subprocess.Popen(
                argv, cwd=folder, env=dict(given), start_new_session=True, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            self._running.add(process)
        try:
            assert process.stdout is not None
            with process, log.open("w") as file:
                for line in process.stdout:
                    file.write(line)
                    told(line.rstrip())
            return process.returncode
        finally:
            with self._turn:
                self._running.discard(process)


def tested(programs: Programs, name: str, server: Any, folder: Path, row: Row) -> None:
    """The contract, then the document, then what is left."""
    given = {**environment(server), "XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1"}
    (folder / "seatrial.toml").write_text(settings_file(name))
    inside = [sys.executable, "-c"]
    kept = [*inside, f"from scripts.clouds import keep; keep({name!r}, {str(folder / 'contract')!r})"]
    command = [sys.executable, "-m", "seatrial", "run", str(CLASSIC), "--on", name, "--format", "plain"]
    found = [*inside, f"from scripts.clouds import find; find({name!r})"]

    def told(line: str) -> None:
        verdict = ENDED.match(line)
        if line.startswith("kept: ") or verdict:
            programs.say(name, f"{verdict[1]}: {verdict[2].lower()}" if verdict else line)

    for what, argv, where in (("contract", kept, ROOT), ("etcd", command, folder)):
        begun, log = time.monotonic(), folder / f"{what}.log"
        code = programs.run(argv, where, given, log, told)
        if code is None:
            return
        row.codes[what], row.seconds[what] = code, time.monotonic() - begun
        if code and not programs.stopped:
            last = "".join(f"\n    {line}" for line in log.read_text().splitlines()[-25:])
            programs.say(name, f"{what}: exit code {code}{last}")
    left = [f"machine {one}" for one in machines(server)]
    code = programs.run(found, ROOT, given, folder / "find.log", left.append)
    if code is not None:
        row.codes["find"], row.left = code, left


def machines(server: Any) -> list[str]:
    """The machines that the stand-in itself still has."""
    if hasattr(server, "instances"):
        return [one.id for one in server.instances.known.values() if one.state != "terminated"]
    own = server.cloud.instances if hasattr(server, "cloud") else server.machines
    return [str(one.name) for one in own.values()]


def table(rows: Mapping[str, Row]) -> str:
    """A line for each cloud."""
    lines = [f"  {'':<14}{'contract':>18}{'etcd, 4 suites':>18}   left"]
    for name, row in rows.items():
        cells = []
        for what in ("contract", "etcd"):
            code = row.codes.get(what)
            word = "passed" if code == 0 else "-" if code is None else f"exit {code}"
            cells.append(f"{word}{row.seconds[what]:>7.1f} s" if code is not None else word)
        left = "-" if row.left is None else ", ".join(row.left) or "nothing"
        lines.append(f"  {name:<14}{cells[0]:>18}{cells[1]:>18}   {left}")
    return "\n".join(lines)


def code_of(rows: Mapping[str, Row], stopped: int) -> int:
    """0: all is green and nothing is left; 1: a test failed; 4: something is left; 128 + N: stopped by the signal N."""
    if stopped:
        return 128 + stopped
    if any(row.left for row in rows.values()):
        return LEFT_BEHIND
    return int(any(row.codes.get(what) != 0 for row in rows.values() for what in ("contract", "etcd", "find")))


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the code of `code_of`, or 1 when a stand-in does not start."""
    parser = argparse.ArgumentParser(prog="clouds", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--at-once", type=int, default=len(CLOUDS), help="clouds that are tested at the same time")
    parser.add_argument("clouds", nargs="*", metavar="CLOUD", help=f"default: {' '.join(CLOUDS)}")
    asked = parser.parse_args(argv)
    if unknown := set(asked.clouds) - set(CLOUDS):
        parser.error(f"unknown cloud {', '.join(sorted(unknown))}; allowed: {', '.join(CLOUDS)}")
    from seatrial.errors import SeatrialError
    from seatrial_stand_ins.machines import MachineFailed
    from seatrial_stand_ins.machines.podman import PodmanMachines

    programs = Programs()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, programs.stop)
    rows = {name: Row() for name in CLOUDS if name in (asked.clouds or CLOUDS)}
    with tempfile.TemporaryDirectory(prefix="seatrial-clouds-") as place, ExitStack() as opened:
        work = []
        with ThreadPoolExecutor(asked.at_once) as pool:
            for name, row in rows.items():
                if programs.stopped:
                    break
                (folder := Path(place) / name).mkdir()
                try:
                    own = CLOUDS[name].stand_in(PodmanMachines(folder=folder))
                    server = opened.enter_context(own)
                except (SeatrialError, MachineFailed, ImportError) as error:
                    print(f"the stand-in of {name} does not start: {error}", file=sys.stderr)
                    programs.stop(signal.SIGTERM)
                    return 1
                programs.say(name, f"stand-in at {server.root}")
                work.append(pool.submit(tested, programs, name, server, folder, row))
        for done in work:
            done.result()
        print(f"\n{table(rows)}")
    return code_of(rows, programs.stopped)


if __name__ == "__main__":
    sys.exit(main())
