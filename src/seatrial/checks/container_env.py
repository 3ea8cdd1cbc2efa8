"""Whether a container on a node has a variable in its environment; a secret is compared, and never shown."""

from __future__ import annotations

import fnmatch
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from seatrial.checks.inside import ON, on_each, shell
from seatrial.model.resource import Node
from seatrial.model.result import Observation, Verdict, failed, passed, worst
from seatrial.registry import check
from seatrial.spi import Context

NAMES = r"""
for engine in $1; do command -v "$engine" >/dev/null && break; engine=; done
[ -n "$engine" ] || { echo "the node has neither docker nor podman" >&2; exit 3; }
echo "$engine"
exec "$engine" ps --format '{{.Names}}'
"""
ENVIRONMENT = r"""exec "$1" inspect --format '{{json .Config.Env}}' "$2" """


@check("container_env")
@dataclass(frozen=True, kw_only=True)
class ContainerEnv:
    """Running containers of Docker or Podman have a variable with its value, or do not have it."""

    container: str = field(metadata={"doc": "The container's name, or a pattern such as `web-*`; each must be so."})
    variable: str = field(metadata={"doc": "The name of the variable."})
    value: str | None = field(default=None, metadata={"doc": "What it must be."})
    secret: str | None = field(
        default=None,
        metadata={"doc": "What it must be, compared without being shown: `${{ secrets.NAME }}`.", "secret": True},
        repr=False,
    )
    absent: bool = field(default=False, metadata={"doc": "Whether it must not be there."})
    on: str = field(default="*", metadata={"doc": ON})
    engine: str = field(default="", metadata={"doc": "`docker` or `podman`; else the first that the node has."})

    def node_names(self) -> Iterable[str]:
        """The selector to check."""
        return (self.on,)

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """One thing is asked."""
        if sum((self.value is not None, self.secret is not None, self.absent)) > 1:
            yield "value", "name at most one of `value`, `secret` and `absent`"
        if self.secret == "":
            yield "secret", "it is empty: no secret is"
        if self.engine not in ("", "docker", "podman"):
            yield "engine", f"{self.engine!r} is no engine that is known here; allowed: docker, podman"
        if not self.variable or "=" in self.variable:
            yield "variable", f"{self.variable!r} is no name of a variable"

    async def observe(self, ctx: Context) -> Observation:
        """Look once; on several nodes at the same time."""
        if self.secret:
            ctx.secret(self.secret)
        expected = self._expected()

        async def look(node: Node) -> Observation:
            engines = self.engine or "docker podman"
            listed = await shell(ctx, node, NAMES, engines, what="its containers")
            engine, *names = listed.split()
            names = [name for name in names if fnmatch.fnmatchcase(name, self.container)]
            if not names:
                return failed("no container", expected, f"no container {self.container!r} runs on {node.name}")
            seen = [await self._look(ctx, node, engine, name) for name in names]
            verdict = worst(one.verdict for one in seen)
            return next(one for one in seen if one.verdict is verdict) if verdict is not Verdict.PASSED else seen[0]

        return await on_each(ctx, self.on, look, expected)

    async def _look(self, ctx: Context, node: Node, engine: str, container: str) -> Observation:
        text = await shell(ctx, node, ENVIRONMENT, engine, container, what=f"the container {container}")
        pairs = dict(pair.split("=", 1) for pair in json.loads(text) or () if "=" in pair)
        found, expected = pairs.get(self.variable), self._expected()
        what = f"{self.variable} of the container {container}"
        if self.secret is not None:
            if found:
                ctx.secret(found)  # a wrong one is somebody's secret too
            if found is None:
                return failed("not set", expected, f"{what} is not set")
            if hmac.compare_digest(found.encode(), self.secret.encode()):
                return passed("the secret", expected)
            return failed("another value", expected, f"{what} is not the secret (neither is shown)")
        if self.absent:
            return passed("not set", expected) if found is None else failed("set", expected, f"{what} is set")
        if found is None:
            return failed("not set", expected, f"{what} is not set")
        if self.value is None:
            return passed("set", expected)
        if found == self.value:
            return passed(found, expected)
        return failed(found, expected, f"{what} is {found!r}, expected {self.value!r}")

    def _expected(self) -> str:
        if self.secret is not None:
            return "the secret"
        if self.absent:
            return "not set"
        return "set" if self.value is None else self.value
