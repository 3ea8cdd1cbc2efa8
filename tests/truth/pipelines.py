"""Rows of `seatrial preflight`: what happens to a check of a pipeline, and what the pipeline is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.acceptance.harness import Document
from tests.truth.case import Case
from tests.truth.documents import LETTERS

MISSING = ["no-such-program-of-ours"]
CUT = "head -c 3000000 /dev/zero | tr '\\0' a; echo"
OK: Document = {"run": "true"}


def pipeline(**stages: Any) -> Document:
    """A pipeline of these stages: a mapping of checks, or a whole stage."""
    whole = {name: stage if "checks" in stage else {"checks": stage} for name, stage in stages.items()}
    return {"pipeline": {"stages": whole}}


def row(what: str, look: str, letter: str, document: Document, **more: Any) -> Case:
    planted, right = LETTERS[letter]
    return Case(system="pipeline", what=what, look=look, planted=planted, right=right, document=document, **more)


FAULTS: dict[str, tuple[Document, str]] = {
    "nothing": (OK, "P"),
    "it ends with 1": ({"run": "exit 1"}, "F"),
    "its first line fails": ({"run": "false\necho well"}, "F"),
    "a command of its pipe fails": ({"run": "set -o pipefail; false | cat"}, "F"),
    "its program is missing": ({"run": MISSING}, "U"),
    "the program of its text is missing": ({"run": "no-such-program-of-ours"}, "U"),
    "its program cannot be run": ({"run": ["./data.txt"]}, "U"),
    "it is killed": ({"run": "kill -9 $$"}, "U"),
    "its child is killed": ({"run": "sh -c 'kill -9 $$'"}, "U"),
    "it is ended by SIGTERM": ({"run": "kill -TERM $$"}, "U"),
    "it crashes": ({"run": "kill -SEGV $$"}, "F"),
    "it takes too long": ({"run": "sleep 60", "timeout": "500ms"}, "F"),
    "it fails after 3 MB": ({"run": f"{CUT}; exit 1"}, "F"),
    "its artifact is missing": ({"run": "true", "artifacts": ["out/*"]}, "F"),
    "its artifact is a link to nothing": (
        {"run": "mkdir out; ln -s /nowhere/at/all out/a", "artifacts": ["out/*"]},
        "F",
    ),
    "its artifact leads out of the sources": (
        {"run": "mkdir out; ln -s /etc/passwd out/a", "artifacts": ["out/*"]},
        "F",
    ),
    "its folder is missing": ({"run": "true", "cwd": "nowhere"}, "X"),
    "its image is missing": ({"run": "true", "image": "localhost/seatrial-none-of-ours"}, "U"),
    "another code than 0 is expected": ({"run": "exit 3", "expect_exit_code": 3}, "P"),
    "0 in place of the expected code": ({"run": "true", "expect_exit_code": 3}, "F"),
    "a further code passes": ({"run": "exit 5", "pass_exit_codes": {"5": "no tests"}}, "P"),
    "its output is no JSON": ({"run": "echo oops", "outputs": {"x": "json.x"}}, "X"),
    "its tool's version cannot be had": ({"run": "true", "inputs": ["data.txt"], "tools": [MISSING]}, "P"),
}

BROKEN = {"it ends with 1": "F", "it is killed": "U", "its program is missing": "U", "it takes too long": "X"}
"""Faults that others depend on, with the verdict of the whole."""


def _alone() -> Iterator[Case]:
    for what, (check, letter) in FAULTS.items():
        yield row(what, "a check alone", letter, pipeline(s={"c": check}), files={"data.txt": "data"})


def _combined() -> Iterator[Case]:
    for what, letter in BROKEN.items():
        bad = FAULTS[what][0]
        letter = "F" if what == "it takes too long" else letter
        yield row(what, "a check beside one that passes", letter, pipeline(s={"a": OK, "c": bad}))
        yield row(what, "a check that another needs", letter, pipeline(s={"c": bad, "a": {**OK, "needs": ["c"]}}))
        yield row(
            what, "a stage that another needs", letter, pipeline(s={"c": bad}, t={"needs": ["s"], "checks": {"a": OK}})
        )
        yield row(what, "the only check, which may fail", "N", pipeline(s={"c": {**bad, "allow_failure": True}}))
        yield row(
            what,
            "a check that may fail, beside one that passes",
            "P",
            pipeline(s={"a": OK, "c": {**bad, "allow_failure": True}}),
        )
        yield row(what, "a check with a second attempt", letter, pipeline(s={"c": {**bad, "retry": 2}}))


def _worth() -> Iterator[Case]:
    yield row("the only check is skipped", "what decides", "N", pipeline(s={"c": {**OK, "if": "false"}}))
    yield row("the only stage is skipped", "what decides", "N", pipeline(s={"if": "false", "checks": {"c": OK}}))
    yield row(
        "one check fails, one is killed",
        "the whole",
        "F",
        pipeline(s={"a": {"run": "exit 1"}, "b": {"run": "kill -9 $$"}}),
    )
    yield row(
        "one check is skipped, one fails",
        "the whole",
        "F",
        pipeline(s={"a": {**OK, "if": "false"}, "b": {"run": "exit 1"}}),
    )
    yield row(
        "it fails once and passes then",
        "a check with a second attempt",
        "P",
        pipeline(s={"c": {"run": "test -e once || { touch once; exit 1; }", "retry": 2}}),
    )
    yield row(
        "only the passing check is asked for",
        "--only",
        "P",
        pipeline(s={"a": OK, "b": {"run": "exit 1"}}),
        arguments=("--only", "s/a"),
    )
    yield row(
        "only the failing check is asked for",
        "--only",
        "F",
        pipeline(s={"a": OK, "b": {"run": "exit 1"}}),
        arguments=("--only", "s/b"),
    )
    secrets = {
        "pipeline": {"secrets": {"required": ["NO_SUCH_SECRET_OF_OURS"]}, "stages": {"s": {"checks": {"c": OK}}}}
    }
    yield row("a secret is missing", "secrets", "R", secrets)
    service = {
        "pipeline": {
            "services": {
                "db": {
                    "host": {"command": ["sleep", "60"]},
                    "ports": {"db": 5999},
                    "health": {"command": ["false"], "timeout": "1s"},
                }
            },
            "stages": {"s": {"checks": {"c": {**OK, "services": ["db"]}}}},
        }
    }
    yield row("a service never gets healthy", "services", "U", service)


CASES = [*_alone(), *_combined(), *_worth()]
