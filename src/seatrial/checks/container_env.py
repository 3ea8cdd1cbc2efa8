"""Whether a container on a node has an environment variable; secrets are compared but never shown."""

from __future__ import annotations

import fnmatch
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from seatrial.checks.per_node import ON_SOME, OnEachNode, on_each, shell, targeted
from seatrial.errors import CannotTell
from seatrial.model.resource import Node
from seatrial.model.result import Observation, failed, passed, worst
from seatrial.registry import check
from seatrial.spi import Context

NAMES = r"""
there=
for engine in $1; do
    command -v "$engine" >/dev/null || continue
    there=1
    if names=$("$engine" ps --format '{{.Names}}' 2>/dev/null); then
        for name in $names; do echo "+ $engine $name"; done
    else
        echo "- $engine $("$engine" ps 2>&1 | tail -n 1)"
    fi
done
[ -n "$there" ] || { echo "the node has none of these: $1" >&2; exit 3; }
"""
"""Lists the running containers of every engine on the node; for an engine without an answer, its error."""

ENVIRONMENT = r"""exec "$1" inspect --format '{{json .Config.Env}}' "$2" """


LONG = 8
"""Minimum length of an unexpected value to be masked elsewhere."""

_TEXT = re.compile(r"(?P<container>[^:=\s]+):(?P<variable>[^:=\s]+)(?:==(?P<value>.*))?", re.DOTALL)


@check("container_env")
@dataclass(frozen=True, kw_only=True)
class ContainerEnv(OnEachNode):
    """Running containers of Docker or Podman have a variable: `container_env:web-*:COLOUR`, `…==blue`."""

    container: str
    """The container's name, or a pattern such as `web-*`; all matching containers must pass."""
    variable: str
    """The name of the variable."""
    value: str | None = None
    """The expected value."""
    secret: str | None = field(default=None, repr=False)
    """The expected value, compared without being shown: `${{ secrets.NAME }}`."""
    absent: bool = False
    """Whether the variable must not be set."""
    engine: str = ""
    """`docker` or `podman`; by default all engines on the node."""

    text_pattern: ClassVar[str] = f"{ON_SOME}{_TEXT.pattern}"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `:<container>:<variable>` or `…==<value>`, with the nodes in brackets before it."""
        read = targeted(rest, "container_env:web:COLOUR==blue")
        match = _TEXT.fullmatch(read.pop("rest"))
        if match is None:
            allowed = "container_env:web:COLOUR, container_env:web:COLOUR==blue"
            raise ValueError(f"missing variable in {rest!r}; allowed: {allowed}")
        return {**{key: value for key, value in match.groupdict().items() if value is not None}, **read}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if sum((self.value is not None, self.secret is not None, self.absent)) > 1:
            yield "value", "give at most one of `value`, `secret` and `absent`"
        if self.secret == "":
            yield "secret", "the secret is empty"
        if self.engine not in ("", "docker", "podman"):
            yield "engine", f"unknown engine {self.engine!r}; allowed: docker, podman"
        if not self.variable or "=" in self.variable:
            yield "variable", f"invalid variable name {self.variable!r}"

    async def observe(self, ctx: Context) -> Observation:
        if self.secret:
            ctx.secret(self.secret)
        expected = self._expected()

        async def look(node: Node) -> Observation:
            engines = self.engine or "docker podman"
            listed = (await shell(ctx, node, NAMES, engines, what="its containers")).splitlines()
            running = [(words[1], words[2]) for line in listed if line.startswith("+") and (words := line.split())]
            found = [(engine, name) for engine, name in running if fnmatch.fnmatchcase(name, self.container)]
            if not found and (silent := [line[2:] for line in listed if line.startswith("-")]):
                raise CannotTell(f"the containers of {node.name} could not be listed: {'; '.join(silent)}")
            if not found:
                why = f"no running container matches {self.container!r} on {node.name}"
                return failed("no container", expected, why)
            seen = [await self._look(ctx, node, engine, name) for engine, name in found]
            verdict = worst(one.verdict for one in seen)
            return next(one for one in seen if one.verdict is verdict)

        return await on_each(ctx, self.on, look, expected)

    async def _look(self, ctx: Context, node: Node, engine: str, container: str) -> Observation:
        text = await shell(ctx, node, ENVIRONMENT, engine, container, what=f"the container {container}")
        try:
            pairs = dict(pair.split("=", 1) for pair in json.loads(text) or () if "=" in pair)
        except ValueError:  # the text may hold secrets, so it is not shown
            why = f"{engine} returned the environment of {container} in an invalid format; expected JSON"
            raise CannotTell(why) from None
        found, expected = pairs.get(self.variable), self._expected()
        what = f"{self.variable} of container {container}"
        if self.absent:
            return passed("not set", expected) if found is None else failed("set", expected, f"{what} is set")
        if found is None:
            return failed("not set", expected, f"{what} is not set")
        if self.secret is not None:
            if len(found) >= LONG:
                ctx.secret(found)  # an unexpected value may be a secret too; a short one is likely a common word
            if hmac.compare_digest(found.encode(), self.secret.encode()):
                return passed("the secret", expected)
            return failed("another value", expected, f"{what} is not the secret (neither is shown)")
        if self.value in (None, found):
            return passed("set" if self.value is None else found, expected)
        return failed(found, expected, f"{what} is {found!r}, expected {self.value!r}")

    def _expected(self) -> str:
        if self.secret is not None:
            return "the secret"
        if self.absent:
            return "not set"
        return "set" if self.value is None else self.value
