"""What a `.dockerignore` leaves out is no part of what is built; all else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.preflight.document import Build
from seatrial.preflight.executors.images import digest_of

FILES = ("Dockerfile", "app/a.py", "app/sub/b.py", "app/sub/b.pyc", "node_modules/x/y.js", "notes.md", "keep.md")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    return tmp_path


def counting(context: Path) -> set[str]:
    """The files whose change changes the digest."""
    found = set()
    for name in FILES:
        before = digest_of(context, Build())
        (context / name).write_text("2")
        if digest_of(context, Build()) != before:
            found.add(name)
        (context / name).write_text("1")
    return found


@pytest.mark.parametrize(
    "text, left_out",
    [
        (None, ()),
        ("", ()),
        ("# a comment\n\nnode_modules\n", ("node_modules/x/y.js",)),
        ("*.md\n!keep.md\n", ("notes.md",)),
        ("*\n!app\n**/*.pyc", ("app/sub/b.pyc", "node_modules/x/y.js", "notes.md", "keep.md")),
        ("app\n!app/sub/b.py", ("app/a.py", "app/sub/b.pyc")),
        ("*.py", ()),
        ("/app/sub/", ("app/sub/b.py", "app/sub/b.pyc")),
    ],
)
def test_files_that_count(context: Path, text: str | None, left_out: tuple[str, ...]) -> None:
    if text is not None:
        (context / ".dockerignore").write_text(text)
    # The Dockerfile is sent whatever is said of it.
    assert counting(context) == set(FILES) - set(left_out)


def test_where_an_engine_may_read_another_file_everything_counts(context: Path) -> None:
    (context / ".dockerignore").write_text("*")
    (context / ".containerignore").write_text("")
    assert counting(context) == set(FILES)


def test_arguments_and_target_count(context: Path) -> None:
    digests = {digest_of(context, one) for one in (Build(), Build(args={"A": "1"}), Build(target="x"))}
    assert len(digests) == 3
