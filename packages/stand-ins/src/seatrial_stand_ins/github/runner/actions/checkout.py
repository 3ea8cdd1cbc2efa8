"""`actions/checkout`: the repository at a commit, in the workspace."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path

from seatrial_stand_ins.github.git import GitFailed
from seatrial_stand_ins.github.runner.calls import ActionCall, ActionFailed


async def checkout(call: ActionCall) -> None:
    """Clone the run's own repository, with `ref`, `path` and `clean`; no other repository."""
    repository = call.input("repository", call.run.repository)
    if repository.lower() != call.run.repository.lower():
        raise ActionFailed(f"this runner checks out {call.run.repository} only, not {repository}")
    folder = (call.workspace / call.input("path", ".")).resolve()
    if not folder.is_relative_to(call.workspace):
        raise ActionFailed(f"Repository path '{folder}' is not under '{call.workspace}'")
    call.host.log(f"Syncing repository: {repository}")
    # A clone needs an empty folder; the workspace may hold files of earlier steps.
    with tempfile.TemporaryDirectory(dir=call.temp) as fresh:
        clone = Path(fresh) / "clone"
        clone.mkdir()
        try:
            sha = await call.run.checkout(clone, call.input("ref"))
        except GitFailed as error:
            raise ActionFailed(f"the ref {call.input('ref', call.run.ref)!r} cannot be checked out: {error}") from None
        _replace(folder, clone, clean=call.flag("clean", True))
    call.outputs |= {"ref": call.input("ref", call.run.ref), "commit": sha}
    call.host.log(sha)
    call.posts.append(partial(_post, call))


def _replace(folder: Path, clone: Path, *, clean: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if clean or (folder / ".git").exists():
        for one in list(folder.iterdir()):
            shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()
    for one in list(clone.iterdir()):
        shutil.move(one, folder / one.name)


async def _post(call: ActionCall) -> None:
    call.host.log("No credentials were kept in the clone.")
