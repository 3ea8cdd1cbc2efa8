"""The image of a check: named, or built once per state of its context."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.containers import REFUSALS, Engine, NoSuchImage
from seatrial.links.containers.resources import bring_image
from seatrial.links.output import beginning
from seatrial.links.process import TimedOut
from seatrial.links.process.spawned import spawn
from seatrial.preflight.cache.hashes import digest
from seatrial.preflight.document import Build, Service
from seatrial.preflight.executors.image_store import LABEL, NAME, hold, mark
from seatrial.preflight.job import Job
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context

if TYPE_CHECKING:
    from pathspec import PathSpec
    from pathspec.pattern import Pattern

BUILDING = 1800.0
"""Seconds for a build, unless the check sets a shorter timeout."""

NOT_BROUGHT = r"initializing source|pinging container registry|pull access denied|failed to (resolve|do request)"
"""Messages of engines when the base image of a build is unavailable."""

IGNORING = ".dockerignore"
"""Lists files excluded from a build: they do not affect the image, nor its digest."""

OTHER = ".containerignore"
"""Read by Podman but not by Docker: with such a file, everything counts."""

_WILD = frozenset("*?[")

LEFT_OUT = (".git", ".seatrial")
"""Folders of a context without influence on the build."""


@dataclass(slots=True)
class _Images:
    """The images known to the checks of a trial."""

    digests: dict[str, str] = field(default_factory=dict)
    """Images to their digests in the store; empty: not in the store."""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """Two checks with one image fetch it once: the second waits for the first."""


async def image_of(ctx: Context, engine: Engine, job: Job) -> str:
    """An image in the store, pulled or built if missing. CannotTell; StepFailed when its build fails."""
    image, build = job.check.image, job.check.build
    if build is not None:
        image = f"{NAME}:{await asyncio.to_thread(digest_of, job.source, build)}"
        await hold(ctx, engine, image)
    async with pipeline_of(ctx).part(_Images).turns[image]:
        if build is None:
            await bring_image(engine, image, ctx.log)
        elif not await _id(engine, image):
            await _build(ctx, engine, job, build, image)
    return image


async def image_id(ctx: Context, engine: Engine, job: Job) -> str:
    """The image's digest in the store (for a built one: of its build context); empty: not in the store."""
    if job.check.build is not None:
        return f"build {await asyncio.to_thread(digest_of, job.source, job.check.build)}"
    return await _id_in_store(ctx, engine, job.check.image)


async def services_id(ctx: Context, wanted: Mapping[str, Service], *, host: bool) -> str:
    """The settings of these services and the digests of their images, as one digest. CannotTell when an image is not in
    the store yet."""
    told: list[object] = []
    for name, service in sorted(wanted.items()):
        image = ""
        if service.image and not (host and service.host is not None):
            image = await _id_in_store(ctx, await pipeline_of(ctx).engine(), service.image)
            if not image:
                raise CannotTell(f"the image {service.image} of the service {name} is not in the store yet")
        told.append([name, asdict(service), image])
    return digest(json.dumps(told, sort_keys=True, default=str).encode()) if wanted else ""


async def _id_in_store(ctx: Context, engine: Engine, image: str) -> str:
    """The digest of an image, looked up once in a run; empty: not in the store."""
    pipeline = pipeline_of(ctx)
    images = pipeline.part(_Images)
    known = images.digests
    async with images.asking:
        if not known:
            known |= await _ids(engine, tuple(dict.fromkeys((image, *pipeline.images))))
        if not known.get(image):
            known[image] = await _id(engine, image)
    return known[image]


async def _ids(engine: Engine, images: Sequence[str]) -> dict[str, str]:
    """The digests of all of them in one call, as fast as for one; empty when one of them is missing."""
    argv = ("image", "inspect", "--format", "{{.Id}}", *images)
    done = await engine.attempt(*argv, what="the images of the pipeline")
    said = done.stdout.split()
    return dict(zip(images, said, strict=True)) if done.ok and len(said) == len(images) else {}


async def _id(engine: Engine, image: str) -> str:
    try:
        said = await engine.call("image", "inspect", "--format", "{{.Id}}", image, what=f"the image {image}")
    except NoSuchImage:
        return ""
    return said.strip()


def _context(source: Path, build: Build) -> Path:
    """The folder of a build; CannotTell when it is missing or outside the sources."""
    folder = (source / build.context).resolve()
    if not folder.is_relative_to(source.resolve()) or not folder.is_dir():
        raise CannotTell(f"build.context {build.context!r} is not a folder inside the source {source}")
    return folder


def _dockerfile(folder: Path, build: Build) -> Path:
    named = [build.dockerfile] if build.dockerfile else ["Dockerfile", "Containerfile"]
    for name in named:
        if (folder / name).is_file():
            return folder / name
    raise CannotTell(f"no {' or '.join(named)} in {folder}: name the file in `build.dockerfile`")


def digest_of(source: Path, build: Build) -> str:
    """A digest of a build, in 20 digits: the files of its context, its Dockerfile, its arguments."""
    folder = _context(source, build)
    made = hashlib.blake2b(digest_size=10)
    told = [_dockerfile(folder, build).read_text(errors="replace"), build.target, sorted(build.args.items())]
    made.update(json.dumps(told).encode())
    ignoring = Ignoring(folder)
    for top, folders, files in os.walk(folder):
        inside = os.path.relpath(top, folder)
        folders[:] = sorted(one for one in folders if one not in LEFT_OUT and not ignoring.whole(_at(inside, one)))
        for name in sorted(files):
            if ignoring.leaves_out(_at(inside, name)):
                continue
            path = Path(top, name)
            made.update(f"\0{path.relative_to(folder)}\0{path.lstat().st_mode:o}\0".encode(errors="surrogateescape"))
            try:
                made.update(str(path.readlink()).encode() if path.is_symlink() else _content(path))
            except OSError as error:
                raise CannotTell(f"{path} is part of an image and cannot be read: {error.strerror}") from error
    return made.hexdigest()


def _at(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


class Ignoring:
    """The patterns of one context; without a file, nothing is excluded."""

    def __init__(self, context: Path) -> None:
        self._spec: PathSpec[Pattern] | None = None
        self._brought_back: list[str] = []
        if not (context / IGNORING).exists() or (context / OTHER).exists():
            return
        from pathspec import PathSpec

        lines = (context / IGNORING).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        patterns = [one.strip() for one in lines if one.strip() and not one.startswith("#")]
        # Unlike in a .gitignore, every pattern starts at the top, and parts of an excluded folder can be included
        # again.
        self._spec = PathSpec.from_lines("gitignore", list(map(_anchored, patterns)))
        self._brought_back = [_clean(one[1:]) for one in patterns if one.startswith("!")]

    def leaves_out(self, path: str) -> bool:
        """Whether the last match for a path, or one of its parents, excludes it."""
        return self._spec is not None and bool(self._spec.check_file(path).include)

    def whole(self, folder: str) -> bool:
        """Whether no file of an excluded folder can be included again."""
        if not self.leaves_out(folder):
            return False
        return not any(one.startswith(f"{folder}/") or not _WILD.isdisjoint(one) for one in self._brought_back)


def _anchored(pattern: str) -> str:
    return f"!/{_clean(pattern[1:])}" if pattern.startswith("!") else f"/{_clean(pattern)}"


def _clean(pattern: str) -> str:
    return str(PurePosixPath(pattern.strip().lstrip("/")))


def folder_and_file(source: Path, build: Build) -> tuple[Path, Path]:
    """The context of a build and its Dockerfile; CannotTell when one is missing."""
    folder = _context(source, build)
    return folder, _dockerfile(folder, build)


async def _build(ctx: Context, engine: Engine, job: Job, build: Build, tag: str) -> None:
    folder = _context(job.source, build)
    argv = [
        engine.program, "build", "--tag", tag, "--file", str(_dockerfile(folder, build)),
        "--label", f"{LABEL}={mark()}",
        *(["--target", build.target] if build.target else []),
        *(word for name, value in build.args.items() for word in ("--build-arg", f"{name}={value}")),
        str(folder),
    ]  # fmt: skip
    limit = min(job.check.timeout or BUILDING, BUILDING)
    try:
        done = await spawn(ctx, argv, cwd=folder, env=engine.extra, timeout=limit, whole=job.log, output=job.output)
    except TimedOut as error:
        why = f"the image of {job.name} was not built within {limit:g} s"
        raise TimedOut(why, error.stdout, error.stderr) from None
    if done.ok:
        return
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    last = beginning(ctx.masked(lines[-1] if lines else "no message"), 300)
    # A failure of the engine is not the product's fault; a failed command of the Dockerfile is.
    refused = "|".join((NOT_BROUGHT, *(pattern for pattern, _, _ in REFUSALS)))
    if "while running runtime" not in last and re.search(refused, last, re.IGNORECASE):
        raise CannotTell(f"the image of {job.name} could not be built: {last}", evidence="\n".join(lines[-20:]))
    raise StepFailed(f"its image cannot be built: {last}", evidence=ctx.masked("\n".join(lines[-20:])))
