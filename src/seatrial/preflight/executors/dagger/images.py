"""The image of a check in Dagger: by reference, from an archive, or built from a Dockerfile."""

from __future__ import annotations

import asyncio
import tarfile
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.dagger.session import Session
from seatrial.preflight.cache.hashes import digest
from seatrial.preflight.cache.hashes import digest_of as content_of
from seatrial.preflight.executors.dagger.sources import context_files, directory
from seatrial.preflight.executors.images import digest_of, folder_and_file
from seatrial.preflight.job import Job

ARCHIVES = ("oci-archive:", "docker-archive:")
"""Beginnings of an image's name for an archive on this host; the path follows, from the source folder."""


def archive_of(image: str, source: Path) -> Path | None:
    """The file of an image from an archive; None: it is a reference. CannotTell when the file is missing."""
    for begin in ARCHIVES:
        if image.startswith(begin):
            file = source / image.removeprefix(begin)
            if not file.is_file():
                raise CannotTell(f"the image {image} cannot be used: no file {file}")
            return file
    return None


async def identity_of(image: str, source: Path) -> str:
    """The digest of an archive; of a reference, the reference itself."""
    file = archive_of(image, source)
    return image if file is None else f"archive {await asyncio.to_thread(_content_of, file)}"


def _content_of(file: Path) -> str:
    """A digest of an archive. An OCI archive's index has the digests of all the rest, and an engine checks them: only
    the index is read, not hundreds of megabytes."""
    with suppress(tarfile.TarError, KeyError), tarfile.open(file) as archive:
        index = archive.extractfile("index.json")
        if index is not None and "oci-layout" in archive.getnames():
            return digest(index.read())
    return content_of(file)


async def identity(job: Job) -> str:
    """The identity of a check's image: also of the files that a build reads."""
    if job.check.build is not None:
        return f"build {await asyncio.to_thread(digest_of, job.source, job.check.build)}"
    return await identity_of(job.check.image, job.source)


def image(session: Session, name: str, source: Path) -> Any:
    """A container of an image, not looked at yet."""
    client, file = session.client, archive_of(name, source)
    if file is not None:
        return client.container().import_(client.host().file(str(file)))
    return client.container().from_(name)


class Looked:
    """The images of a run's checks: each is looked at once, however many checks have it."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._known: dict[str, tuple[Any, str]] = {}

    async def at(self, session: Session, job: Job) -> tuple[Any, str]:
        """The container of a check and its user. The SDK's errors."""
        if job.check.build is not None:  # its context may change during the run
            made = container(session, job)
            return made, str(await made.user())
        name = job.check.image
        async with self._turns[name]:
            if name not in self._known:
                made = container(session, job)
                self._known[name] = made, str(await made.user())
        return self._known[name]


def container(session: Session, job: Job) -> Any:
    """The container of a check, not looked at yet."""
    build = job.check.build
    if build is None:
        return image(session, job.check.image, job.source)
    import dagger

    folder, file = folder_and_file(job.source, build)
    if not file.is_relative_to(folder):
        raise CannotTell(f"build.dockerfile {build.dockerfile!r} is not in the build's context {folder}")
    name = str(file.relative_to(folder))
    files = {*context_files(folder), name}
    return directory(session.client, folder, files).docker_build(
        dockerfile=name, target=build.target, build_args=[dagger.BuildArg(*each) for each in build.args.items()]
    )
