"""The tool itself: OpenTofu or Terraform, and short questions to it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links import process
from seatrial.links.output import end
from seatrial.links.process.supervision import Supervisor
from seatrial.model.frozen import frozen
from seatrial.spi import Finished

TOOLS = {"tofu": "OpenTofu", "terraform": "Terraform"}
"""Program to its name, in the order in which they are looked for."""

OLDEST = {"tofu": (1, 8), "terraform": (1, 9)}
"""The first versions whose `init` speaks JSON."""

ANSWERS = 60.0
"""Seconds for an answer that changes nothing."""

KEEP = 256 * 1024 * 1024
"""Bytes of an answer: a state may be large, and a cut one cannot be read."""

_OBJECT = re.compile(r"^\{", re.MULTILINE)


@frozen
class Tool:
    """A tool of this machine."""

    program: str
    """Its path."""
    name: str
    """`tofu` or `terraform`."""
    version: str

    def __str__(self) -> str:
        return f"{TOOLS[self.name]} {self.version}"


async def find(wanted: str, environment: Mapping[str, str]) -> Tool:
    """The wanted tool (`auto`: the first that answers); ToolMissing, with the reason of each, when none does."""
    whys = []
    for name in TOOLS if wanted == "auto" else (wanted,):
        program = shutil.which(name, path=environment.get("PATH"))
        if program is None:
            whys.append(f"{name} is not on PATH")
            continue
        try:
            done = await process.run([program, "version", "-json"], env=environment, timeout=ANSWERS)
            version = str(document(done.stdout)["terraform_version"])
        except (ValueError, KeyError, TimeoutError, CannotTell) as error:
            whys.append(f"{program} does not say its version: {error}")
            continue
        if _numbers(version) < OLDEST[name]:
            whys.append(f"{program} is {version}; needed: {'.'.join(map(str, OLDEST[name]))} or newer")
            continue
        return Tool(program=program, name=name, version=version)
    answers = "neither OpenTofu nor Terraform answers" if wanted == "auto" else f"{TOOLS[wanted]} does not answer"
    raise ToolMissing(f"{answers}: {'; '.join(whys)}. Install {TOOLS.get(wanted, 'one of them')}, or put it on PATH")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdigit())


async def ask(
    tool: Tool, words: Sequence[str], cwd: Path, environment: Mapping[str, str], under: Supervisor | None = None
) -> Finished:
    """The answer to a question that changes nothing but the tool's own notes; CannotTell when there is none."""
    argv = [tool.program, *words]
    try:
        done = await process.run(argv, cwd=cwd, env=environment, timeout=ANSWERS, keep=KEEP, under=under)
    except TimeoutError:
        raise CannotTell(f"`{tool.name} {' '.join(words)}` did not answer within {ANSWERS:g} s") from None
    if not done.ok or done.dropped:
        why = end(done.stderr.strip() or done.stdout.strip(), 2000)
        raise CannotTell(f"`{tool.name} {' '.join(words)}` {done.ended}", evidence=why)
    return done


async def ask_json(
    tool: Tool, words: Sequence[str], cwd: Path, environment: Mapping[str, str], under: Supervisor | None = None
) -> Mapping[str, Any]:
    """The same for an answer that is a JSON object."""
    done = await ask(tool, words, cwd, environment, under)
    try:
        return document(done.stdout)
    except ValueError as error:
        raise CannotTell(f"`{tool.name} {' '.join(words)}` printed no JSON object: {error}") from None


def document(text: str) -> Mapping[str, Any]:
    """The JSON object in an answer; ValueError without one. OpenTofu prints warnings about its settings before it."""
    begin = _OBJECT.search(text)
    found = json.loads(text[begin.start() :] if begin else text)
    if not isinstance(found, dict):
        raise ValueError(f"it is {type(found).__name__}")
    return found
