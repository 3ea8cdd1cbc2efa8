"""The same checks on this host, in containers, in Dagger, and by a program written with Dagger's own SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machines.told import Told, median
from benchmarks.measure import RunFailed, cost

ENGINE = os.environ.get("SEATRIAL_DAGGER_ENGINE", "")
IMAGE = "localhost/seatrial-toolbox"
CHECKS = 3
TURNS = ("cold", "nothing changed", "one file changed")
COMMAND = ["python3", "-c", "import ast, pathlib; [ast.parse(p.read_text()) for p in pathlib.Path('src').glob('*.py')]"]

BY_SDK = """
import asyncio, sys
import dagger

async def main(archive, count, *command):
    async with dagger.Connection() as client:
        image = client.container().import_(client.host().file(archive))
        sources = client.host().directory(".", include=["src"])
        made = image.with_mounted_directory("/source", sources).with_workdir("/source")

        async def check(number):
            done = made.with_env_variable("CHECK", number).with_exec(list(command), expect=dagger.ReturnType.ANY)
            code = await done.exit_code()
            print(code, *await asyncio.gather(done.stdout(), done.stderr()))
            return code

        codes = await asyncio.gather(*(check(str(at)) for at in range(int(count))))
        sys.exit(any(codes))

asyncio.run(main(*sys.argv[1:]))
"""
"""The same work: as many containers, which differ by the same variable, and of each its exit code and output."""


def contest(scratch: Path, runs: int) -> Iterator[Told]:
    """Each way in turn, so that all meet the same machine: cold, nothing changed, one file changed."""
    if not ENGINE:
        raise RunFailed("SEATRIAL_DAGGER_ENGINE names no running engine")
    archive = scratch / "image.tar"
    subprocess.run(["podman", "save", "--quiet", "--format", "oci-archive", "-o", archive, IMAGE], check=True)
    ways = {
        "host": ("--host",), "containers": ("--executor", "containers"),
        "Dagger": ("--executor", "dagger", "--set", f"image=oci-archive:{archive}"),
    }  # fmt: skip
    seconds: dict[str, list[float]] = {f"{way}, {turn}": [] for way in (*ways, "the SDK") for turn in TURNS}
    for number in range(runs + 1):
        for way in (*ways, "the SDK"):
            folder = scratch / f"{way}-{number}".replace(" ", "-") / "project"
            _project(folder)
            home = folder.parent
            own = {"SEATRIAL_CACHE_DIR": str(home / "cache"), "XDG_STATE_HOME": str(home / "state")}
            environment = {**os.environ, "_EXPERIMENTAL_DAGGER_RUNNER_HOST": ENGINE, "DO_NOT_TRACK": "1", **own}
            at_once = ("--parallel", str(CHECKS))  # as the program does
            argv = [sys.executable, "-m", "seatrial", "preflight", "pipeline.json", *at_once, *ways.get(way, ())]
            if way == "the SDK":
                argv = [sys.executable, "-c", BY_SDK, str(archive), str(CHECKS), *COMMAND]
            for turn in TURNS:
                if turn == "one file changed":
                    (folder / "src/m0.py").write_text(f"x = {os.urandom(8).hex()!r}\n")
                spent = cost(tuple(argv), folder, environment, 600.0).wall
                if number:  # the first round brings the images
                    seconds[f"{way}, {turn}"].append(spent)
    told = {name: median(each) for name, each in seconds.items()}
    added = {turn: told[f"Dagger, {turn}"] - told[f"the SDK, {turn}"] for turn in TURNS}
    yield Told(
        name=f"dagger: {CHECKS} checks of 50 files, in four ways",
        what="seconds that Seatrial adds to a program with the SDK, the most of all turns",
        number=max(added.values()),
        limit=0.3,
        unit="s",
        rows=seconds,
        notes=[
            f"{turn}: {added[turn]:+.2f} s; "
            + ", ".join(f"{way} / the SDK {told[f'{way}, {turn}'] / told[f'the SDK, {turn}']:.2f}" for way in ways)
            for turn in TURNS
        ],
    )  # fmt: skip


def _project(folder: Path) -> None:
    (folder / "src").mkdir(parents=True)
    for at in range(50):
        (folder / f"src/m{at}.py").write_text(f"x = {os.urandom(8).hex()!r}\n" * 40)
    checks = {
        f"c{at}": {
            "run": COMMAND, "image": "${{ parameters.image }}", "inputs": ["src/**"],
            "env": {"CHECK": str(at)},  # without it Dagger would run the three as one
        }
        for at in range(CHECKS)
    }  # fmt: skip
    pipeline = {"parameters": {"image": IMAGE}, "stages": {"all": {"checks": checks}}}
    (folder / "pipeline.json").write_text(json.dumps({"pipeline": pipeline}))
