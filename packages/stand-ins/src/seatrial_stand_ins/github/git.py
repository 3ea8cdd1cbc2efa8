"""Git for the server: without the user's configuration, with a fixed identity, without prompts."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

WHO: Mapping[str, str] = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada Shipwright"), ("EMAIL", "ada@example.org"))
}
DEADLINE = 60.0


class GitFailed(RuntimeError):
    """Git ended with an error; the message is its own."""


def environment() -> dict[str, str]:
    """The environment of git."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    return {**kept, **WHO, **alone, "LC_ALL": "C"}


def run(folder: Path, *arguments: str) -> bytes:
    """The output of git; GitFailed with its error message."""
    # The test chose the folder, so its owner does not matter.
    command = ["git", "-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, env=environment(), timeout=DEADLINE)
    except FileNotFoundError as error:
        raise GitFailed("git is not installed") from error
    if done.returncode != 0:
        raise GitFailed(f"git {' '.join(arguments[:3])} in {folder}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


async def call(folder: Path, *arguments: str) -> bytes:
    """`run`, from the event loop."""
    return await asyncio.to_thread(run, folder, *arguments)


def make_bare(source: Path, bare: Path, branch: str) -> None:
    """A bare copy of a repository; of a plain folder, a repository with one commit on the branch."""
    bare.parent.mkdir(parents=True, exist_ok=True)
    if (source / ".git").exists() or (source / "HEAD").is_file():
        # A mirror has every ref, including those a clone would omit.
        run(bare.parent, "clone", "--quiet", "--mirror", "--no-hardlinks", str(source), str(bare))
    else:
        run(bare.parent, "init", "--quiet", "--bare", f"--initial-branch={branch}", str(bare))
        work = ("--git-dir", str(bare), "--work-tree", str(source))
        run(source, *work, "add", "--all")
        run(source, *work, "commit", "--quiet", "--allow-empty", "--message", "The first commit")
        (bare / "index").unlink(missing_ok=True)
    run(bare, "config", "http.receivepack", "true")
    run(bare, "config", "gc.auto", "0")


def commit(bare: Path, branch: str, files: Mapping[str, str | None], message: str, scratch: Path) -> str:
    """A commit on top of a branch with these files (None: without it); the new commit's sha."""
    run(bare, "worktree", "prune")
    fresh = run(bare, "for-each-ref", f"refs/heads/{branch}") == b""
    start = ["--detach", str(scratch), "HEAD" if fresh else f"refs/heads/{branch}"]
    run(bare, "worktree", "add", "--quiet", *start)
    try:
        for path, text in files.items():
            file = scratch / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        run(scratch, "add", "--all")
        run(scratch, "commit", "--quiet", "--allow-empty", "--message", message)
        sha = run(scratch, "rev-parse", "HEAD").decode().strip()
        run(bare, "update-ref", f"refs/heads/{branch}", sha)
    finally:
        run(bare, "worktree", "remove", "--force", str(scratch))
    return sha
