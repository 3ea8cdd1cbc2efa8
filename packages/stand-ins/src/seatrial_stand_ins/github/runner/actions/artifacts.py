"""`actions/upload-artifact` and `actions/download-artifact`, version 4."""

from __future__ import annotations

import asyncio
import fnmatch
import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

from seatrial_stand_ins.github.runner import patterns
from seatrial_stand_ins.github.runner.calls import ActionCall, ActionFailed


async def upload(call: ActionCall) -> None:
    """Zip the files of `path`, and keep the archive with the run."""
    name = call.input("name", "artifact")
    if bad := sorted(set(name) & set('":<>|*?\r\n\\/')):
        raise ActionFailed(f"The artifact name is not valid: {name}. Contains the following character: {bad[0]}")
    if not call.input("path"):
        raise ActionFailed("Input required and not supplied: path")
    lines = call.inputs["path"].splitlines()
    found = patterns.find(call.workspace, lines, hidden=call.flag("include-hidden-files"))
    if not found.files:
        _nothing_found(call)
        return
    if name in call.run.artifact_names() and not call.flag("overwrite"):
        raise ActionFailed(
            "Failed to CreateArtifact: Received non-retryable error: Failed request: (409) Conflict: "
            "an artifact with this name already exists on the workflow run"
        )
    content = await asyncio.to_thread(_zip, found.files, found.root)
    number = call.run.add_artifact(name, content)
    url = f"{call.run.server_url}/{call.run.repository}/actions/runs/{call.run.run_id}/artifacts/{number}"
    digest = hashlib.sha256(content).hexdigest()
    call.outputs |= {"artifact-id": str(number), "artifact-url": url, "artifact-digest": digest}
    call.host.log(f"Artifact {name} has been successfully uploaded! {len(found.files)} file(s), {len(content)} bytes")


def _nothing_found(call: ActionCall) -> None:
    message = f"No files were found with the provided path: {call.input('path')}. No artifacts will be uploaded."
    match call.input("if-no-files-found", "warn"):
        case "error":
            raise ActionFailed(message)
        case "warn":
            call.host.annotate("warning", message)
        case "ignore":
            call.host.log(message)
        case other:
            raise ActionFailed(
                f"Unrecognized if-no-files-found input. Provided: {other}. Available: warn, error, ignore"
            )


def _zip(files: Sequence[Path], root: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            # Without modes, as on GitHub: files lose their execute bit.
            about = zipfile.ZipInfo(str(file.relative_to(root)))
            about.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(about, file.read_bytes())
    return content.getvalue()


async def download(call: ActionCall) -> None:
    """Put artifacts of this run into a folder: one by name, all, or those matching a pattern."""
    if call.input("run-id", str(call.run.run_id)) != str(call.run.run_id):
        raise ActionFailed("this runner downloads artifacts of its own run only")
    folder = Path(os.path.normpath(call.workspace / Path(call.input("path", ".")).expanduser()))
    name = call.input("name")
    names = call.run.artifact_names()
    if name:
        if name not in names:
            there = ", ".join(names) or "none"
            raise ActionFailed(
                f"Unable to download artifact(s): Artifact not found for name: {name}; there are: {there}"
            )
        await _put(call, name, folder)
    else:
        chosen = [one for one in names if fnmatch.fnmatchcase(one, call.input("pattern", "*"))]
        for one in chosen:
            await _put(call, one, folder if call.flag("merge-multiple") else folder / one)
        call.host.log(f"Total of {len(chosen)} artifact(s) downloaded")
    call.outputs["download-path"] = str(folder)


async def _put(call: ActionCall, name: str, folder: Path) -> None:
    content = call.run.read_artifact(name)
    await asyncio.to_thread(_unzip, name, content, folder)
    call.host.log(f"Artifact {name} was put into {folder}")


def _unzip(name: str, content: bytes, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for one in archive.infolist():
                target = (folder / one.filename).resolve()
                if not target.is_relative_to(folder.resolve()):
                    raise ActionFailed(f"the artifact {name} holds {one.filename!r}, which is outside of it")
            archive.extractall(folder)
    except zipfile.BadZipFile:
        raise ActionFailed(f"the artifact {name} is not a zip archive") from None
