"""Rows of steps on this host: expected and allowed failures, control steps, and checks of plugins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.acceptance.harness import Document, validate
from tests.truth.case import Case
from tests.truth.documents import command
from tests.truth.on_host import MISSING, looks, row


def _expected_failures() -> Iterator[Case]:
    def expecting(what: str, letter: str, step: Document) -> Case:
        return row(what, "expect: failure", letter, {**step, "expect": "failure"})

    yield expecting("it fails", "P", command("exit 1"))
    yield expecting("it does not fail", "F", command("true"))
    yield expecting("it is killed", "U", command("kill -9 $$"))
    yield expecting("it takes too long", "U", command("sleep 30", timeout=0.3))
    yield expecting("its program is missing", "U", command(MISSING))
    yield expecting("the program of its text is missing", "U", command("no-such-program-of-ours"))
    yield expecting("its script is missing", "R", {"step": "custom_command", "script": "nowhere.sh"})
    yield expecting("a check fails", "P", validate("command:false"))
    yield expecting("a group fails", "P", {"step": "group", "steps": [command("exit 1")]})
    yield expecting("a group is killed", "U", {"step": "group", "steps": [command("kill -9 $$")]})
    yield expecting("all checks pass", "F", validate("command:true"))
    yield expecting("a check fails, another one is unknown", "U", validate("command:false", looks(MISSING)))
    fails, dies = command("exit 1"), command("kill -9 $$")
    mixed = validate("command:false", looks(MISSING))
    yield expecting("a check of a group fails, another one is unknown", "U", {"step": "group", "steps": [mixed]})
    yield expecting("a check of a round fails, another one is unknown", "U",
                    {"step": "repeat", "times": 1, "steps": [mixed]})  # fmt: skip
    yield expecting("one child fails, another one is killed", "U", {"step": "parallel", "steps": [fails, dies]})
    yield expecting("only what a group does at the end fails", "X",
                    {"step": "group", "steps": [command("true")], "finally": [fails]})  # fmt: skip
    yield expecting("a group fails, and is not undone", "X", {"step": "group", "steps": [fails], "rollback": [fails]})
    yield expecting("a group fails, and its end is killed", "U", {"step": "group", "steps": [fails], "finally": [dies]})
    yield expecting("a group fails, and is undone", "P",
                    {"step": "group", "steps": [fails], "rollback": [command("true")]})  # fmt: skip
    yield expecting("a check is unknown", "U", validate(looks(MISSING)))
    yield expecting("a check takes too long", "U", validate(looks("sleep 30", retry={"timeout": "300ms"})))


def _allowed() -> Iterator[Case]:
    def allowing(what: str, letter: str, *steps: Any) -> Case:
        return row(what, "what decides", letter, *steps)

    may, must = looks("exit 1", name="may"), looks("exit 1", name="must")
    yield allowing("only a step that may fail", "N", command(MISSING, allow_failure=True))
    yield allowing("only a passed step that may fail", "N", command("true", allow_failure=True))
    yield allowing("only checks that may fail", "N", {**validate(looks("true")), "allow_failures": ["command"]})
    yield allowing("only values", "N", {"step": "set", "values": {"x": 1}})
    yield allowing("only a pause", "N", {"step": "wait", "for": 0})
    yield allowing("only a condition", "N", {"step": "wait", "until": "true", "timeout": 1})
    yield allowing("only a skipped step", "N", command("true", **{"if": "false"}))
    yield allowing(
        "only a group that may fail", "N", {"step": "group", "allow_failure": True, "steps": [command("true")]}
    )
    yield allowing("no round", "N", {"step": "repeat", "times": 1, "steps": [command("true", **{"if": "false"})]})
    yield allowing(
        "a check may fail, another one must not",
        "F",
        {**validate({**may, "command": "true"}, must), "allow_failures": ["may"]},
    )
    yield allowing(
        "a check may fail and does", "P", {**validate(may, {**must, "command": "true"}), "allow_failures": ["may"]}
    )
    yield allowing("a step may fail and does", "P", command("exit 1", allow_failure=True), command("true"))
    yield allowing(
        "a skipped step, and one that is killed", "U", command("true", **{"if": "false"}), command("kill -9 $$")
    )


def _nested() -> Iterator[Case]:
    def nested(what: str, letter: str, look: str, *children: Document, **more: Any) -> Case:
        return row(what, look, letter, {"step": look, "steps": list(children), **more})

    ok, bad, killed = command("true"), command("exit 1"), command("kill -9 $$")
    for look, more in (("group", {}), ("parallel", {}), ("repeat", {"times": 2})):
        yield nested("nothing", "P", look, ok, ok, **more)
        yield nested("one child fails", "F", look, ok, bad, **more)
        yield nested("one child is killed", "U", look, ok, killed, **more)
    yield nested("one child fails, another one is killed", "F", "parallel", bad, killed)
    yield nested("the second round fails", "F", "repeat", command("test ! -e once && touch once"), times=2)
    yield nested("it never holds", "F", "repeat", ok, until="false", times=2)
    yield nested("its `finally` fails", "F", "group", ok, **{"finally": [bad]})
    yield nested("its rollback runs after a failure", "F", "group", bad, rollback=[ok])
    yield nested("its rollback is killed after a failure", "F", "group", bad, rollback=[killed])
    yield row("a step fails, and a later one would pass", "the workflow", "F", bad, ok)
    yield row("a condition does not come", "wait", "F", {"step": "wait", "until": "false", "timeout": 0.3}, ok)
    yield row(
        "a step takes longer than its timeout",
        "custom_command",
        "F",
        command("sleep 30", timeout=0.2),
        category="timeout",
        words="0.2",
    )
    yield row(
        "a step takes longer than the deadline of its attempts",
        "custom_command",
        "F",
        command("sleep 30", retry={"timeout": "200ms"}),
    )
    yield row("its script is missing", "custom_command", "R", {"step": "custom_command", "script": "nowhere.sh"})
    yield row(
        "its script fails",
        "custom_command",
        "F",
        {"step": "custom_command", "script": "bad.sh"},
        files={"bad.sh": "#!/bin/sh\nexit 1\n"},
    )
    yield row(
        "the interpreter of its script is missing",
        "custom_command",
        "U",
        {"step": "custom_command", "script": "bad.sh"},
        files={"bad.sh": "#!/no/such/interpreter\n"},
    )
    yield row("its exit code is an expected one", "custom_command", "P", command("exit 3", expect_exit_code=3))


PLUGIN = '''
import asyncio
from dataclasses import dataclass
import seatrial
from seatrial.model.result import failed, passed

@seatrial.check("ours")
@dataclass(frozen=True, kw_only=True)
class Ours:
    """Look at something."""
    async def observe(self, ctx):
        {body}
'''
ANSWERS = {
    "passed": ("return passed(1)", "P"), "failed": ("return failed(1)", "F"),
    "the text passed": ("return 'passed'", "U"),
    "nothing": ("return None", "U"), "true": ("return True", "U"), "an exception": ("raise RuntimeError('broke')", "U"),
    "a lookup error": ("return passed({}['x'])", "U"), "an assertion": ("assert False, 'not so'", "X"),
    "cancellation": ("raise asyncio.CancelledError", "U"), "an exit": ("raise SystemExit(0)", "U"),
}  # fmt: skip


def _plugins() -> Iterator[Case]:
    for what, (body, letter) in ANSWERS.items():
        yield row(
            f"it answers with {what}",
            "a check of a plugin",
            letter,
            validate("ours"),
            files={"ours.py": PLUGIN.format(body=body)},
            arguments=("--plugin", "ours.py"),
        )


CASES = [*_expected_failures(), *_allowed(), *_nested(), *_plugins()]
