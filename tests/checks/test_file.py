from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from tests.checks.fakes import FakeContext, look, verdict, well

from seatrial.checks import file as module
from seatrial.checks.file import File
from seatrial.errors import LinkDown, LinkRefused

TEXT = "five crates of rum\n"
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()

CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "passed"),
    ({"path": "gone"}, "failed"),
    ({"path": "cargo/below"}, "failed"),
    ({"path": "gone", "exists": False}, "passed"),
    ({"exists": False}, "failed"),
    ({"contains": "crates"}, "passed"),
    ({"contains": ("crates", "whale")}, "failed"),
    ({"lacks": "whale"}, "passed"),
    ({"lacks": "rum"}, "failed"),
    ({"mode": "0640"}, "passed"),
    ({"mode": "640"}, "passed"),
    ({"mode": "0644"}, "failed"),
    ({"owner": str(os.geteuid())}, "passed"),
    ({"owner": f"{pwd.getpwuid(os.geteuid()).pw_name}:{os.getegid()}"}, "passed"),
    ({"owner": f":{os.getegid()}"}, "passed"),
    ({"owner": "nobody-of-ours"}, "failed"),
    ({"owner": ":12345"}, "failed"),
    ({"size": len(TEXT)}, "passed"),
    ({"size": 0}, "failed"),
    ({"sha256": DIGEST.upper()}, "passed"),
    ({"sha256": "0" * 64}, "failed"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cargo").write_text(TEXT)
    (tmp_path / "cargo").chmod(0o640)
    return tmp_path


@pytest.mark.parametrize("fields, expected", CASES)
def test_what_is_there_decides_on_this_host(folder: Path, fields, expected) -> None:
    assert verdict(File(**{"path": "cargo"} | fields), FakeContext(folder)) == expected


@pytest.mark.parametrize("fields, expected", CASES)
def test_what_is_there_decides_on_a_node(folder: Path, fields, expected) -> None:
    fields = {"path": "cargo"} | fields
    fields["path"] = str(folder / fields["path"])
    ctx = FakeContext(folder, n11=well())
    assert verdict(File(**fields, on="n11"), ctx) == expected
    assert [path.name for path in folder.iterdir()] == ["cargo"], "nothing is left in the trial's folder"


def test_a_node_without_the_tools_is_unknown_and_the_tool_is_named(folder: Path) -> None:
    empty = folder / "bin"
    empty.mkdir()
    seen = look(File(path=str(folder / "cargo"), on="n11"), FakeContext(folder, n11=well(), programs=empty))
    assert seen.verdict == "unknown"
    assert "no stat" in seen.why


@pytest.mark.parametrize("trouble, expected", [(LinkDown("down"), "failed"), (LinkRefused("key"), "unknown")])
def test_a_node_that_does_not_answer_fails_and_one_that_refuses_us_is_unknown(trouble, expected) -> None:
    assert verdict(File(path="/x", on="n11"), FakeContext(n11=well(), trouble={"n11": trouble})) == expected


def test_a_missing_file_on_a_node_that_is_down_is_not_taken_for_a_missing_file() -> None:
    ctx = FakeContext(n11=well(), trouble={"n11": LinkDown("down")})
    assert verdict(File(path="/x", on="n11", exists=False), ctx) == "failed"


def test_a_file_that_cannot_be_read_is_unknown(folder: Path) -> None:
    assert verdict(File(path=".", contains="x"), FakeContext(folder)) == "unknown"
    assert verdict(File(path="x" * 300), FakeContext(folder)) == "unknown"


@pytest.mark.parametrize("fields", [{"contains": "x"}, {"lacks": "x"}, {"sha256": DIGEST}])
@pytest.mark.parametrize("on", ["", "n11"])
def test_the_content_of_a_pipe_or_a_device_is_not_waited_for(folder: Path, on: str, fields: dict[str, Any]) -> None:
    os.mkfifo(folder / "pipe")
    for path, kind in ((str(folder / "pipe"), "fifo"), ("/dev/zero", "character special file")):
        seen = look(File(path=path, on=on, **fields), FakeContext(folder, n11=well()))
        assert (seen.verdict, f"a {kind}" in seen.why) == ("unknown", True), seen
        assert verdict(File(path=path, on=on), FakeContext(folder, n11=well())) == "passed"


def test_the_content_of_a_file_that_is_too_large_is_unknown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 5)
    assert verdict(File(path="cargo", contains="five"), FakeContext(folder)) == "unknown"
    assert verdict(File(path="cargo", sha256=DIGEST), FakeContext(folder)) == "passed"


def test_it_says_what_was_seen_and_expected(folder: Path) -> None:
    seen = look(File(path="cargo", mode="0644"), FakeContext(folder))
    assert (seen.seen, seen.expected) == ({"mode": "0640"}, {"mode": "0644"})


@pytest.mark.parametrize(
    "fields, key",
    [
        ({"mode": "rw"}, "mode"),
        ({"sha256": "abc"}, "sha256"),
        ({"owner": "a:b:c"}, "owner"),
        ({"exists": False, "size": 0}, "size"),
    ],
)
def test_wrong_fields_are_found_before_anything_runs(fields: dict[str, Any], key: str) -> None:
    assert [name for name, _ in File(path="x", **fields).check_fields()] == [key]
    assert not list(File(path="x", mode="0644", sha256=DIGEST).check_fields())


def test_text_is_a_path() -> None:
    assert File.from_text(":/etc/motd") == {"path": "/etc/motd"}
    with pytest.raises(ValueError, match="file:PATH"):
        File.from_text("")
