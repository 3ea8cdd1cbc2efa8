"""Run examples/consultancy like its developers, and print the time of each run: `python3 -m scripts.consultancy`.

It prepares the example: a virtual environment beside it, and for its containers a base image with the packages, because
a machine without a registry cannot download them during the build. Then the pipeline runs on this host and, if an
engine and the images are available, in containers: cold, warm (nothing changed), and with one file changed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__" and not __package__:
    sys.path[0] = str(ROOT)

from scripts.images import cache, engines, toolbox  # noqa: E402 - found by the line above
from scripts.images.cache import Failed  # noqa: E402

from seatrial.errors import ToolMissing  # noqa: E402
from seatrial.links.containers import Engine  # noqa: E402
from seatrial.links.containers.engines import find  # noqa: E402

EXAMPLE = ROOT / "examples" / "consultancy"
BASE = "localhost/seatrial-consultancy"
NPM = "npm@10.9.4"
"""The last release line for Debian's Node."""
CHANGED = "engagements/views.py"
"""The file changed before the third measurement."""

# Built without a network: the wheels, npm itself, and where pip finds them.
CONTAINERFILE = f"""\
FROM {engines.TOOLBOX}
COPY wheels /opt/wheels
ADD npm.tgz /usr/lib/node_modules/
RUN ln -s ../lib/node_modules/package/bin/npm-cli.js /usr/bin/npm
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/opt/wheels
"""


@dataclass(frozen=True)
class Way:
    """One way to run the pipeline: on the host, or in containers."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the worst exit code of all runs, or 1 when it cannot be set up."""
    parser = argparse.ArgumentParser(prog="consultancy", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--seatrial", default=str(ROOT / ".venv/bin/seatrial"), help="the command (default: this one)")
    parser.add_argument("--only", choices=("host", "containers"), help="one way alone")
    asked = parser.parse_args(argv)
    try:
        ways = list(_ways(asked.only))
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    codes: list[int] = []
    told: list[str] = []
    for way in ways:
        with _copy() as folder:
            code, seconds = _thrice(asked.seatrial, way, folder)
        codes.append(code)
        told.append(f"  {way.name:<12}{''.join(f'{one:>16.2f} s' for one in seconds)}")
    print(f"\n  {'':<12}{'cold':>18}{'nothing changed':>18}{'one file changed':>18}")
    print("\n".join(told))
    return max(codes)


def _ways(only: str | None) -> Iterator[Way]:
    if only != "containers":
        venv = virtual_environment(EXAMPLE)
        yield Way("host", ("--host",), {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"})
    if only != "host":
        try:
            yield Way("containers", in_containers())
        except Failed as error:
            if only:
                raise
            print(f"not in containers: {error}", file=sys.stderr)


@contextmanager
def _copy() -> Iterator[Path]:
    """A copy of the example with its own cache: cold is cold, and the checkout stays unchanged."""
    with tempfile.TemporaryDirectory(prefix="seatrial-consultancy-") as folder:
        yield copied(Path(folder) / "consultancy")


def copied(target: Path) -> Path:
    """A copy of the example without leftovers of runs."""
    left = shutil.ignore_patterns(".venv", ".seatrial", "node_modules", "dist", "public", "__pycache__", ".*_cache")
    shutil.copytree(EXAMPLE, target, ignore=left)
    return target


def _thrice(seatrial: str, way: Way, folder: Path) -> tuple[int, list[float]]:
    kept = folder.parent / "cache"
    environment = {**os.environ, **way.environment, "SEATRIAL_CACHE_DIR": str(kept)}
    if way.name == "containers":
        npm_cache(EXAMPLE, kept)
    codes, seconds = [], []
    for what in ("cold", "nothing changed", "one file changed"):
        if what == "one file changed":
            with (folder / CHANGED).open("a") as file:
                file.write("\n# changed\n")
        print(f"\n== {way.name}: {what}", flush=True)
        began = time.perf_counter()
        codes.append(subprocess.run([seatrial, "preflight", *way.arguments], cwd=folder, env=environment).returncode)
        seconds.append(time.perf_counter() - began)
        time.sleep(2.1 if what == "cold" else 0)  # a file's times are trusted 2 s after its last change
    return max(codes), seconds


# Preparation of the example


def virtual_environment(folder: Path) -> Path:
    """`.venv` with the packages of requirements/dev.txt, made again after a change; Failed with the reason."""
    venv, key = folder / ".venv", _key([*sorted((folder / "requirements").glob("*.txt"))], [platform.python_version()])
    stamp = venv / ".made-from"
    if stamp.is_file() and stamp.read_text() == key:
        return venv
    print(f"making {venv}", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(venv)])
    python = str(venv / "bin" / "python")
    install = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "-r", "requirements/dev.txt"]
    _run([python, *install], folder)
    stamp.write_text(key)
    return venv


def npm_cache(folder: Path, kept: Path) -> None:
    """Put the worker's packages into the cache `npm` of checks in containers, because those may have no network."""
    with tempfile.TemporaryDirectory() as aside:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / "worker" / name, aside)
        target = kept / "dependencies" / "npm"
        target.mkdir(parents=True, exist_ok=True)
        _need("npm")
        _run(["npm", "ci", "--cache", str(target), "--no-audit", "--no-fund", "--silent"], Path(aside))


def in_containers() -> tuple[str, ...]:
    """The pipeline's arguments for its images, made when missing; Failed: there are none."""
    try:
        engine = asyncio.run(find())  # the pipeline's engine
    except ToolMissing as error:
        raise Failed(str(error)) from error
    for image in (engines.TOOLBOX, engines.POSTGRES):
        if not _holds(engine, image):
            raise Failed(f"{engine.name} has no {image}: sudo make backends")
    base = _base(engine)
    return ("--set", f"python={base}", "--set", f"node={base}", "--set", f"postgres={engines.POSTGRES}")


def pushed(image: str, there: str) -> None:
    """Push an image of the store to a registry of this machine, without TLS."""
    engine = asyncio.run(find())
    argv = [engine.program, "push", "--quiet", "--tls-verify=false", image, there]
    _run(argv, env=engine.environment())


def _base(engine: Engine) -> str:
    requirements = sorted((EXAMPLE / "requirements").glob("*.txt"))
    key = _key(requirements, [CONTAINERFILE, NPM, toolbox.RECIPE.key()])
    image = f"{BASE}:{key}"
    if _holds(engine, image):
        return image

    def make(folder: Path) -> None:
        _need("npm")
        (folder / "Containerfile").write_text(CONTAINERFILE)
        platforms = [f"--platform=manylinux_2_{minor}_{platform.machine()}" for minor in (17, 28)]
        _run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
             "--only-binary=:all:", "--implementation=cp", "--python-version=3.11", *platforms,
             f"--platform=manylinux2014_{platform.machine()}", "--dest", str(folder / "wheels"),
             "-r", "requirements/dev.txt"],
            EXAMPLE,
        )  # fmt: skip
        said = _run(["npm", "pack", NPM, "--json", "--pack-destination", str(folder)], folder)
        (folder / str(json.loads(said)[0]["filename"])).rename(folder / "npm.tgz")

    made = cache.made("consultancy", key, make, say=lambda text: print(text, flush=True))
    print(f"building {image}", flush=True)
    file = str(made / "Containerfile")
    _run([engine.program, "build", "--tag", image, "--file", file, str(made)], env=engine.environment())
    return image


def _holds(engine: Engine, image: str) -> bool:
    argv = [engine.program, "image", "inspect", "--format", "{{.Id}}", image]
    return subprocess.run(argv, env=engine.environment(), capture_output=True, check=False).returncode == 0


def _key(files: Sequence[Path], words: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(words).encode())
    for file in files:
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _need(program: str) -> None:
    if not shutil.which(program):
        raise Failed(f"{program} is not installed: the example's worker is built with Node and npm")


def _run(argv: Sequence[str], folder: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(argv, cwd=folder, env=dict(env) if env else None, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(f"    {line}" for line in (done.stdout + done.stderr).strip().splitlines()[-10:])
        raise Failed(f"{Path(argv[0]).name} ended with {done.returncode}:\n{last}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
