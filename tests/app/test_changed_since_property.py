"""Whatever is done to a repository: a check whose declared inputs are not what they were is never left out."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.effort import examples

from seatrial.app.preflight import PreflightOptions, outline
from seatrial.errors import CannotTell
from seatrial.preflight.cache.hashes import Hashes
from seatrial.preflight.cache.tree import Tree

NAMES = ["a/x.py", "a/y.md", "a/b/z.py", "c.txt", "d/e.txt", "d/ä\n.txt"]
INPUTS = {
    "all": ["**"],
    "folder": ["a/**"],
    "python": ["a/*.py"],
    "texts": ["**/*.txt"],
    "without": ["a/**", "!a/b/**"],
    "named": ["c.txt", "d"],
}
IGNORING = ["", "*.txt\n", "a/\n", "b/\n!z.py\n", "/d/*\n!/d/e.txt\n"]

TWO = [("write", "a/x.py", "1"), ("write", "a/y.md", "1"), ("write", "d/e.txt", "1")]

names = st.sampled_from(NAMES)
Action = tuple[str, str, str]
actions = st.one_of(
    st.tuples(st.just("write"), names, st.sampled_from(["1", "2"])),
    st.tuples(st.just("delete"), names, st.just("")),
    st.tuples(st.just("rename"), names, names),
    st.tuples(st.just("link"), names, names),
    st.tuples(st.just("chmod"), names, st.sampled_from(["755", "644"])),
    st.tuples(st.just("ignore"), st.sampled_from(["", "a/", "d/"]), st.sampled_from(IGNORING)),
    st.tuples(st.just("forget"), names, st.just("")),
    st.tuples(st.just("stage"), st.just(""), st.just("")),
    st.tuples(st.just("commit"), st.just(""), st.just("")),
)


def git(folder: Path, *words: str, check: bool = True) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=check, capture_output=True)


def act(folder: Path, action: Action) -> None:
    """Do it, as far as it can be done."""
    what, first, second = action
    path = folder / first
    with contextlib.suppress(OSError):
        if what == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(second)
        elif what == "delete":
            path.unlink()
        elif what == "rename":
            (folder / second).parent.mkdir(parents=True, exist_ok=True)
            path.rename(folder / second)
        elif what == "link":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(os.path.relpath(folder / second, path.parent))
        elif what == "chmod":
            path.chmod(int(second, 8))
        elif what == "ignore":
            (path / ".gitignore").write_text(second)
    if what == "forget":
        git(folder, "rm", "--cached", "--quiet", "--", first, check=False)
    if what in ("stage", "commit"):
        git(folder, "add", "--all")
    if what == "commit":
        git(folder, "commit", "--allow-empty", "--message", "x")


def contents(folder: Path) -> dict[str, object]:
    """What each check declares, as the cache sees it."""
    found: dict[str, object] = {}
    for name, inputs in INPUTS.items():
        tree = Tree(folder, Hashes(folder.parent / "none.json"))
        try:
            found[name] = tree.contents(inputs)
        except CannotTell as error:  # a link in a circle cannot be read, and is not kept for
            found[name] = {} if "matches no file" in str(error) else None
    return found


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow])
@given(before=st.lists(actions, max_size=6), after=st.lists(actions, min_size=1, max_size=5))
@example(before=[], after=[("ignore", "", "*.txt\n"), ("commit", "", "")])
@example(before=[("link", "c.txt", "d/e.txt"), ("write", "d/e.txt", "1")], after=[("write", "d/e.txt", "2")])
@example(before=[("write", "a/x.py", "1")], after=[("forget", "a/x.py", ""), ("ignore", "", "a/\n")])
@example(before=TWO, after=[("delete", "a/x.py", "")])
@example(before=TWO, after=[("rename", "a/y.md", "c.txt"), ("commit", "", "")])
@example(before=TWO, after=[("chmod", "a/y.md", "755"), ("stage", "", "")])
@example(before=TWO, after=[("write", "d/ä\n.txt", "1")])
def test_no_check_whose_inputs_changed_is_left_out(before: list[Action], after: list[Action]) -> None:
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top).resolve() / "r"
        folder.mkdir()
        checks = {name: {"run": ["true"], "inputs": inputs} for name, inputs in INPUTS.items()}
        (folder / "pipeline.json").write_text(json.dumps({"pipeline": {"stages": {"a": {"checks": checks}}}}))
        git(folder, "init", "--quiet", "--initial-branch", "main")
        for action in before:
            act(folder, action)
        git(folder, "add", "--all")
        git(folder, "commit", "--allow-empty", "--message", "base")
        git(folder, "checkout", "--quiet", "-b", "topic")
        then = contents(folder)
        for action in after:
            act(folder, action)
        now = contents(folder)
        with contextlib.chdir(folder):
            told = outline(PreflightOptions(changed_since="main"))
        left_out = {check["id"][2:] for check in told["stages"]["a"]["checks"] if "skipped" in check}
        different = {name for name in INPUTS if None not in (then[name], now[name]) and then[name] != now[name]}
        assert not left_out & different
