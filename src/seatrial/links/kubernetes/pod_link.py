"""A link into a pod through the API server's `exec`.

The exit code of exec alone proves nothing: a container that goes down ends its commands too, and the API server learns
of it later. So a shell stays beside each command and says last, on the standard error, that the command has ended.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, ExtraMissing, LinkDown, LinkLost, LinkRefused
from seatrial.links.kubernetes import debug, exec
from seatrial.links.kubernetes.access import Access, connect
from seatrial.links.kubernetes.answers import ApiAway, ApiRefused
from seatrial.links.kubernetes.cluster import Cluster
from seatrial.links.output import BoundedOutput, Lines, end, short
from seatrial.links.process import TimedOut
from seatrial.links.ssh import ending
from seatrial.model.frozen import frozen
from seatrial.spi import Context, Finished
from seatrial.spi.link import Command

MARK = "SEATRIAL_EXEC"
"""The variable that marks a command in the container, to end it after its timeout."""

# The words of the command and its variables come by the standard input: what is in the request is in the audit log of
# the API server. One per line, with newlines and backslashes as `printf %b` reads them.
BESIDE = f"""
seatrial_mark=$1
seatrial_next() {{ IFS= read -r seatrial_v; seatrial_v=$(printf '%b.' "$seatrial_v"); seatrial_v=${{seatrial_v%.}}; }}
read -r seatrial_count seatrial_names
set --
while [ "$seatrial_count" -gt 0 ]; do
  seatrial_next; set -- "$@" "$seatrial_v"; seatrial_count=$((seatrial_count - 1))
done
for seatrial_name in $seatrial_names; do seatrial_next; export "$seatrial_name=$seatrial_v"; done
({MARK}=$seatrial_mark; export {MARK}; exec "$@")
seatrial_code=$?
printf '[%s]' "$seatrial_mark" >&2
exit $seatrial_code
"""

FILE = "SEATRIAL_FILE"
"""The variable with the path of a file: a name can have a secret in it, and every process list has command lines."""

FILE_SECONDS = 600.0
ENDING_SECONDS = 20.0
MISSING = 44
"""The exit code of `get` without a file."""

NO_SHELL = re.compile(r"executable file not found|no such file or directory")

DEFAULT = "kubectl.kubernetes.io/default-container"
"""The annotation of a pod with several containers that names the one for commands."""


@frozen
class Pod:
    """A container of a pod, by the names that lead to it."""

    name: str
    namespace: str = ""
    """Empty: the one of the context, else `default`."""
    container: str = ""
    """Empty: the one that the pod's annotation names, else its first, as for `kubectl exec`."""
    debug_image: str = ""
    """The image of an ephemeral container beside one without a shell; empty: a shell is needed."""


@frozen
class _Boot:
    container: str
    id: str
    """Changes with each start of the container."""


class PodLink:
    """A link into a pod: see spi.Link for the contract of its methods. An API server that does not answer tells nothing
    about the pod: CannotTell, not LinkDown."""

    def __init__(self, ctx: Context, access: Access, pod: Pod, name: str) -> None:
        self._ctx, self._access, self._pod, self._name = ctx, access, pod, name
        self._debug: tuple[str, str] | None = None
        """The debug container for a container without a shell, and the container's boot."""

    def __str__(self) -> str:
        debug = f", by its debug container {self._debug[0]}" if self._debug else ""
        return f"{self._name} (exec in the pod {self._pod.name}{debug})"

    async def run(
        self, command: Command, *, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run a command; LinkLost when the container went down during the command."""
        return await self.follow(command, output=None, timeout=timeout, input=input, env=env)

    async def follow(
        self, command: Command, *, output: Callable[[bytes], None] | None, timeout: float = 60.0, input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:  # fmt: skip
        """Run a command; `output` gets its lines as they come."""
        out, err = BoundedOutput(exec.MOST), BoundedOutput(exec.MOST)
        lines = {channel: Lines(output) for channel in (exec.STDOUT, exec.STDERR)} if output is not None else {}

        def take(channel: int, data: bytes) -> None:
            (out if channel == exec.STDOUT else err).add(data)
            if lines:
                lines[channel].add(data)

        try:
            exit_code = await self._run(command, take, timeout=timeout, input=input.encode(), env=env)
        except TimeoutError as error:
            raise TimedOut(str(error), out.text(), err.text()) from None
        finally:
            for one in lines.values():
                one.end()
        return Finished(exit_code=exit_code, stdout=out.text(), stderr=err.text(), dropped=out.dropped + err.dropped)

    async def put(self, local: Path, remote: str) -> None:
        """Copy a file into the container."""
        content = await asyncio.to_thread(local.read_bytes)
        said = BoundedOutput(2000)
        done = await self._run(
            ["sh", "-c", f'cat >"${FILE}"'], lambda _, data: said.add(data), input=content, env={FILE: remote}
        )  # fmt: skip
        if done:
            raise CannotTell(f"{self}: `put {remote}`: {end(said.text().strip(), 300)}")

    async def get(self, remote: str, local: Path) -> None:
        """Copy a file from the container; FileNotFoundError when it does not exist."""
        said, part = BoundedOutput(2000), local.with_name(f".{local.name}.part")
        script = f'[ -e "${FILE}" ] || exit {MISSING}; cat <"${FILE}"'
        try:
            with part.open("wb") as file:
                takers: dict[int, Callable[[bytes], object]] = {exec.STDOUT: file.write, exec.STDERR: said.add}
                done = await self._run(
                    ["sh", "-c", script], lambda channel, data: takers[channel](data), env={FILE: remote}
                )  # fmt: skip
            if done == MISSING:
                raise FileNotFoundError(f"{self}: `get {remote}`: it does not exist")
            if done:
                raise CannotTell(f"{self}: `get {remote}`: {end(said.text().strip(), 300)}")
            part.replace(local)
        finally:
            part.unlink(missing_ok=True)

    async def close(self) -> None:
        """Does nothing: the trial has the connection."""

    async def _run(
        self, command: Command, take: Callable[[int, bytes], object], *, timeout: float = FILE_SECONDS,
        input: bytes = b"", env: Mapping[str, str] | None = None,
    ) -> int:  # fmt: skip
        try:
            return await self._try(command, take, timeout=timeout, input=input, env=env)
        except _NoShell as error:
            # Nothing has begun: the same command may run elsewhere.
            cluster = await self._cluster()
            before = await self._boot(cluster)
            pod = await cluster.get(await cluster.kind("v1/Pod"), self._pod.name, self._pod.namespace)
            if pod is None:
                raise LinkDown(f"{self}: the pod does not exist any more") from None
            image = self._pod.debug_image
            try:
                self._debug = await debug.beside(cluster, pod, before.container, image), before.id
            except CannotTell as why:
                raise CannotTell(f"{self}: {error}; {why}") from None
            self._ctx.log(
                f"{self._name}: the container {before.container} has no shell: commands use the debug container "
                f"{self._debug[0]} ({image}), with the files of {before.container}"
            )
        return await self._try(command, take, timeout=timeout, input=input, env=env)

    async def _try(
        self, command: Command, take: Callable[[int, bytes], object], *, timeout: float, input: bytes,
        env: Mapping[str, str] | None,
    ) -> int:  # fmt: skip
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        if self._debug is not None and argv[0] == "/bin/sh":  # only the debug container has one
            argv[0] = "sh"
        shown = f"`{short(' '.join(argv))}`"
        mark, env = secrets.token_hex(8), env or {}
        unmarked = _Unmarked(mark, lambda data: take(exec.STDERR, data))
        cluster = await self._cluster()
        before = await self._boot(cluster)
        words = [f"{len(argv)} {' '.join(env)}", *map(_line, [*argv, *env.values()])]
        if self._debug is not None and self._debug[1] != before.id:
            self._debug = None  # another container has its name now, and may have a shell
        beside = debug.entered(BESIDE, "sh", mark) if self._debug else ["sh", "-c", BESIDE, "sh", mark]
        running = asyncio.ensure_future(exec.follow(
            cluster, self._pod.name, beside,
            lambda channel, data: unmarked.add(data) if channel == exec.STDERR else take(channel, data),
            namespace=self._pod.namespace, container=self._where(before),
            input="\n".join([*words, ""]).encode() + input,
        ))  # fmt: skip
        try:
            await asyncio.wait({running}, timeout=timeout)
            late = not running.done()
            if late:
                await self._end(cluster, before, running, mark, shown)
        except asyncio.CancelledError:
            ended = asyncio.ensure_future(self._end(cluster, before, running, mark, shown))
            ended.add_done_callback(self._tell)  # nobody may wait for it: this can be cancelled again
            await asyncio.shield(ended)
            raise
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            unmarked.end()
        if late:
            raise TimeoutError(f"{self}: {shown} did not end within {timeout:g} s")
        try:
            exit_code = running.result()
        except (ApiAway, LinkLost) as error:
            raise await self._lost(cluster, before, str(error)) from None
        except ApiRefused as error:
            if error.code not in (401, 403):
                raise
            right = f"create pods/exec in the namespace {self._pod.namespace or cluster.namespace}"
            raise LinkRefused(f"{self}: the user of the kubeconfig has no right to {right}") from None
        except CannotTell as error:
            if not NO_SHELL.search(str(error)):
                raise CannotTell(f"{self}: {end(str(error), 300)}") from None
            if self._pod.debug_image and self._debug is None:
                raise _NoShell(end(str(error), 300)) from None
            remedy = "Seatrial needs a shell (`sh`) in the container, or a `debug_image` in the system's settings"
            raise CannotTell(f"{self}: {end(str(error), 300)}; {remedy}") from None
        if not unmarked.found:
            raise await self._lost(cluster, before, f"the shell beside {shown} was ended from outside")
        return exit_code

    def _where(self, before: _Boot) -> str:
        return self._debug[0] if self._debug else before.container

    async def _cluster(self) -> Cluster:
        # Not the one of the checks: its namespace is that of whoever asked first.
        name = ("pods", self._access.kubeconfig, self._access.context)
        try:
            return await self._ctx.keep(name, lambda: connect(self._access))
        except ExtraMissing as error:
            raise LinkRefused(f"{self}: {error}") from None

    async def _boot(self, cluster: Cluster) -> _Boot:
        """The container and its identity; LinkDown when it is not running."""
        if not self._pod.name:
            raise LinkDown(f"{self._name}: its pod does not exist")
        try:
            pod = await cluster.get(await cluster.kind("v1/Pod"), self._pod.name, self._pod.namespace)
        except ApiAway as error:
            raise CannotTell(f"{self}: {error}") from None
        if pod is None:
            where = self._pod.namespace or cluster.namespace
            raise LinkDown(f"{self}: the pod does not exist in the namespace {where}")
        names = [str(one["name"]) for one in pod["spec"]["containers"]]
        annotations = pod["metadata"].get("annotations") or {}
        name = self._pod.container or str(annotations.get(DEFAULT) or names[0])
        status = pod.get("status") or {}
        kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        containers = {str(one["name"]): one for kind in kinds for one in status.get(kind) or ()}
        if name not in names and name not in containers:
            raise LinkRefused(f"{self}: the pod has no container {name!r}; it has: {', '.join(names)}")
        container = containers.get(name) or {}
        state = container.get("state") or {}
        if "running" not in state:
            kind: str = next(iter(state), "")
            why = " ".join(filter(None, (kind, str((state.get(kind) or {}).get("reason") or ""))))
            raise LinkDown(f"{self}: the container {name} is not running: {why or status.get('phase')}")
        return _Boot(container=name, id=f"{pod['metadata']['uid']} {container.get('containerID')}")

    async def _lost(self, cluster: Cluster, before: _Boot, why: str) -> CannotTell:
        """The error for a command without a known end: LinkLost where the API server knows that its container went
        down. It learns of that late, so the container may be down without its knowledge."""
        try:
            same = await self._boot(cluster) == before
        except LinkDown:
            same = False
        except CannotTell as error:
            return CannotTell(f"{self}: {why}; {error}")
        if same:
            return CannotTell(f"{self}: {why}, so the result is unknown")
        return LinkLost(f"{self}: the container went down during the command, so the result is unknown")

    def _tell(self, ended: asyncio.Task[None]) -> None:
        if not ended.cancelled() and (error := ended.exception()):
            self._ctx.log(str(error), "warning")

    async def _end(self, cluster: Cluster, before: _Boot, running: asyncio.Future[Any], mark: str, shown: str) -> None:
        """End the command inside the container: the API server has no way to. CannotTell unless it has ended."""
        script, remains = ending.of_environment(f"{MARK}={mark}"), f"{self}: {shown} may still run in the container"
        try:
            done = await exec.run(
                cluster, self._pod.name, ["sh", "-c", script], namespace=self._pod.namespace,
                container=self._where(before), timeout=ENDING_SECONDS,
            )  # fmt: skip
        except (CannotTell, TimeoutError) as error:
            raise CannotTell(f"{remains}: {error or 'the command to end it did not end itself'}") from None
        if done.exit_code == ending.REMAIN:
            raise CannotTell(f"{remains}: {end(done.stderr.strip(), 300)}")
        await asyncio.wait({running}, timeout=ENDING_SECONDS)
        if not running.done():
            raise CannotTell(f"{remains}: it was not found there, or not all of it could be ended")


class _NoShell(Exception):
    """The container has no shell: nothing was run."""


class _Unmarked:
    """The standard error without the mark at its end."""

    def __init__(self, mark: str, give: Callable[[bytes], object]) -> None:
        self._mark, self._give, self._held = f"[{mark}]".encode(), give, b""
        self.found = False

    def add(self, data: bytes) -> None:
        """Hand on what cannot be the beginning of the mark."""
        mark, text = self._mark, self._held + data
        if mark in text:
            self.found, text = True, text.replace(mark, b"")
        held = next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if mark.startswith(text[-size:])), 0)
        self._held = text[len(text) - held :]
        if text := text[: len(text) - held]:
            self._give(text)

    def end(self) -> None:
        """The stream has ended."""
        rest, self._held = self._held, b""
        if rest:
            self._give(rest)


def _line(word: str) -> str:
    """A word as a line for `printf %b`."""
    return word.replace("\\", r"\0134").replace("\n", r"\0012")
