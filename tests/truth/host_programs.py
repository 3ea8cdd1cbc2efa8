"""Rows of the checks `command` and `file` on this host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.truth.case import Case
from tests.truth.documents import command
from tests.truth.on_host import EMPTY, MISSING, N, W, check, looks

CUT = "head -c 700000 /dev/zero | tr '\\0' a; "
"""Half of what is too much to be kept."""


def _commands() -> Iterator[Case]:
    yield check("nothing", "P", looks("echo well"))
    yield check("it ends with 1", "F", looks("exit 1"))
    yield check("its first line fails", "F", looks("false\necho well"))
    yield check("a command of its pipe fails", "F", looks("set -o pipefail; false | cat", shell="bash -e"))
    yield check("its program is missing", "U", looks(MISSING))
    yield check("the program of its text is missing", "U", looks("no-such-program-of-ours --version"))
    yield check("its program is a folder", "U", looks(["/tmp"]))
    yield check("it is killed", "U", looks("kill -9 $$"))
    yield check("its child is killed", "U", looks("sh -c 'kill -9 $$'"))
    yield check("it is ended by SIGTERM", "U", looks("kill -TERM $$"))
    yield check("it crashes", "F", looks("kill -SEGV $$"))
    yield check("it takes too long", "X", looks("sleep 30", timeout=0.3))
    yield check("its text is there", "P", looks("echo hello", contains="hello"), look="command contains")
    yield check("its text is not there", "F", looks("echo hello", contains="goodbye"), look="command contains")
    yield check(
        "its text is only in the part that was cut",
        "U",
        looks(CUT + "echo well; " + CUT, contains="well"),
        look="command contains",
    )
    yield check("a forbidden text is there", "F", looks("echo ERROR", lacks="ERROR"), look="command lacks")
    yield check("a forbidden text is not there", "P", looks("echo well", lacks="ERROR"), look="command lacks")
    yield check(
        "a forbidden text is in the part that was cut",
        "U",
        looks(CUT + "echo ERROR; " + CUT, lacks="ERROR"),
        look="command lacks",
    )
    yield check(
        "it is killed before the forbidden text",
        "U",
        looks("kill -9 $$; echo ERROR", lacks="ERROR"),
        look="command lacks",
    )
    yield check("the expected code", "P", looks("exit 3", exit_code=3), look="command exit_code")
    yield check("0 in place of the expected code", "F", looks("true", exit_code=3), look="command exit_code")
    yield check("its program is missing", "U", looks(MISSING, exit_code=127), look="command exit_code")
    yield check("its JSON is as it has to be", "P", looks("echo '{\"x\": 1}'", that="json.x == 1"), look="command that")
    yield check("its JSON has another value", "F", looks("echo '{\"x\": 2}'", that="json.x == 1"), look="command that")
    yield check("it prints no JSON", "X", looks("echo oops", that="json.x == 1"), look="command that")
    yield check("its JSON lacks the value", "X", looks("echo '{}'", that="json.x == 1"), look="command that")
    yield check(
        "its JSON was cut",
        "U",
        looks(f"echo '[\"'; {CUT}{CUT} echo '\"]'", that="json.size() == 1"),
        look="command that",
    )
    yield check(
        "it fails once",
        "P",
        looks("test -e once || { touch once; exit 1; }", retry={"max_attempts": 2}),
        look="command retry",
    )
    yield check(
        "it fails each time", "F", looks("exit 1", retry={"max_attempts": 2, "delay_seconds": 0}), look="command retry"
    )
    yield check(
        "it fails, then its program is gone",
        "U",
        looks(
            "test -e once && no-such-program-of-ours; touch once; exit 1", retry={"max_attempts": 2, "delay_seconds": 0}
        ),
        look="command retry",
    )


def _files() -> Iterator[Case]:
    def file(what: str, letter: str, look: str, **keys: Any) -> Case:
        more = {"files": {"a.txt": "well\n"}, "look": f"file {look}".strip()}
        before = keys.pop("before", ())
        return check(what, letter, {"check": "file", "path": "a.txt", **keys}, *before, **more)

    yield file("nothing", "P", "")
    yield file("it is missing", "F", "", path="b.txt")
    yield file("it is missing", "P", "exists: false", path="b.txt", exists=False)
    yield file("it is there", "F", "exists: false", exists=False)
    yield file("its text is there", "P", "contains", contains="well")
    yield file("its text is not there", "F", "contains", contains="ill")
    yield file("it is missing", "F", "lacks", path="b.txt", lacks="ERROR")
    yield file("a forbidden text is there", "F", "lacks", lacks="well")
    yield file("its mode is another", "F", "mode", mode="0600")
    yield file("its size is another", "F", "size", size=6)
    yield file("its digest is another", "F", "sha256", sha256="0" * 64)
    yield file("the expected digest came out empty", "U", "sha256", sha256=W, before=(EMPTY,))
    yield file("the expected size came out null", "U", "size", size=N, before=(EMPTY,))
    yield file("the expected mode came out empty", "U", "mode", mode=W, before=(EMPTY,))
    yield file("the expected text came out empty", "U", "contains", contains=[W], before=(EMPTY,))
    yield file("the forbidden text came out empty", "U", "lacks", lacks=[W], before=(EMPTY,))
    yield file("the owner came out empty", "U", "owner", owner=W, before=(EMPTY,))
    pipe = command("mkfifo pipe; ln -s nowhere link; mkdir folder")
    yield file("it is a pipe that nobody writes to", "X", "contains", path="pipe", contains="well", before=(pipe,))
    yield file("it is a link to nothing", "F", "", path="link", before=(pipe,))
    yield file("it is a folder", "X", "contains", path="folder", contains="well", before=(pipe,))
    large = command("head -c 70000000 /dev/zero >large; echo ERROR >>large; head -c 70000000 /dev/zero >>large")
    yield file("a forbidden text is deep inside 140 MB", "X", "lacks", path="large", lacks="ERROR", before=(large,))


CASES = [*_commands(), *_files()]
