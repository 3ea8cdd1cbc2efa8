"""An ephemeral container beside one without a shell: it brings the shell, and commands see the other's files.

It has the process namespace of its target, whose root is at `/proc/1/root`: a command enters it by `chroot`, and takes
its programs from the root of the debug container, which it still reaches by `/proc`. The API has no way to remove an
ephemeral container: it ends with the pod.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from seatrial.errors import CannotTell, LinkDown
from seatrial.links.kubernetes import exec
from seatrial.links.kubernetes.answers import ApiRefused, Conflict, Object
from seatrial.links.kubernetes.cluster import Cluster
from seatrial.links.output import end

NAME = "seatrial-debug"
MARK = "SEATRIAL_DEBUG"
START = 120.0
"""Seconds for its start, an image to pull included."""
PROBE = 30.0
PAUSE = 0.2
MOST = 5
"""Debug containers of one pod: those before have ended."""
LATER = ("ContainerCreating", "PodInitializing", "")
"""Reasons of a container that waits, and will start; all others mean a failure."""

ENTER = """
export PATH=/proc/$$/root/bin:/proc/$$/root/usr/bin:/proc/$$/root/sbin:/proc/$$/root/usr/sbin:$PATH
export SEATRIAL_PROCESS=1
seatrial_script=$1; shift
chroot /proc/1/root /proc/$$/root/bin/sh -c "$seatrial_script" "$@"
"""
"""Runs `sh -c SCRIPT ARGUMENTS` with the files of the target; the outer shell keeps the way to the tools."""

OWN = f'! tr "\\0" "\\n" </proc/1/environ | grep -q "^{MARK}="'
"""Passes where the first process is the target's, and not the debug container's own."""


def entered(script: str, *arguments: str) -> list[str]:
    """The command that runs a script there."""
    return ["sh", "-c", ENTER, "sh", script, *arguments]


async def beside(cluster: Cluster, pod: Object, container: str, image: str) -> str:
    """The name of a running debug container for a container, made if necessary. CannotTell says why it does not run, or
    cannot see the container."""
    metadata, spec = pod["metadata"], pod["spec"]
    name, namespace = str(metadata["name"]), str(metadata["namespace"])
    if spec.get("shareProcessNamespace") or spec.get("hostPID"):
        raise CannotTell(
            f"a debug container cannot tell the processes of {container} from others: the pod {name} has one process "
            "namespace for all"
        )
    made = await _made(cluster, name, namespace, container, image)
    await _until_running(cluster, name, namespace, made, image)
    await _prove(cluster, name, namespace, made, container, image)
    return made


async def _made(cluster: Cluster, name: str, namespace: str, container: str, image: str) -> str:
    kind = await cluster.kind("v1/Pod")
    while True:
        pod = await cluster.get(kind, name, namespace)
        if pod is None:
            raise LinkDown(f"the pod {name} does not exist any more")
        present = {str(one["name"]): one for one in pod["spec"].get("ephemeralContainers") or ()}
        states = _states(pod)
        for number in range(1, MOST + 1):
            own = f"{NAME}-{container}"[:58] + (f"-{number}" if number > 1 else "")
            if own not in present:
                break
            if "terminated" not in states.get(own, {}) and present[own].get("image") == image:
                return own
        else:
            raise CannotTell(f"{MOST} debug containers of the pod {name} have ended or have another image")
        added = _container(own, pod, container, image)
        pod["spec"]["ephemeralContainers"] = [*present.values(), added]
        try:
            await cluster.replace(kind, name, pod, namespace, part="ephemeralcontainers")
        except Conflict:
            continue
        except ApiRefused as error:
            raise CannotTell(f"no debug container in the pod {name}: {error}") from None
        return own


def _container(name: str, pod: Object, container: str, image: str) -> dict[str, Any]:
    target = next(one for one in pod["spec"]["containers"] if one["name"] == container)
    # The files of a process are seen by its own user, and by root with more rights than a container has by default.
    inherited = {**(pod["spec"].get("securityContext") or {}), **(target.get("securityContext") or {})}
    user = {key: inherited[key] for key in ("runAsUser", "runAsGroup") if key in inherited}
    return {
        "name": name, "image": image, "targetContainerName": container, "command": ["cat"], "stdin": True,
        "env": [{"name": MARK, "value": name}], **({"securityContext": user} if user else {}),
    }  # fmt: skip


async def _until_running(cluster: Cluster, name: str, namespace: str, own: str, image: str) -> None:
    clock = asyncio.get_running_loop().time
    until = clock() + START
    while True:
        pod = await cluster.get(await cluster.kind("v1/Pod"), name, namespace)
        if pod is None:
            raise LinkDown(f"the pod {name} does not exist any more")
        state = _states(pod).get(own, {})
        if "running" in state:
            return
        waiting, over = state.get("waiting") or {}, state.get("terminated") or {}
        if over:
            raise CannotTell(f"the debug container {own} ({image}) ended with exit code {over.get('exitCode')}: "
                             f"{over.get('reason')} {end(str(over.get('message') or ''), 200)}".rstrip())  # fmt: skip
        reason = str(waiting.get("reason") or "")
        if reason not in LATER or clock() > until:
            why = ": ".join(filter(None, (reason, end(str(waiting.get("message") or ""), 300))))
            raise CannotTell(f"the debug container {own} does not start, because of its image {image}: {why}")
        await asyncio.sleep(PAUSE)


async def _prove(cluster: Cluster, name: str, namespace: str, own: str, container: str, image: str) -> None:
    """CannotTell unless commands in it see the files and the processes of the container."""
    for argv, what in (
        (["sh", "-c", OWN], f"does not see the processes of the container {container}"),
        (entered("command -v grep >/dev/null && cut -c1 /dev/null"), f"cannot enter the container {container}"),
    ):
        try:
            done = await exec.run(cluster, name, argv, namespace=namespace, container=own, timeout=PROBE)
        except TimeoutError:
            raise CannotTell(f"the debug container {own} of the pod {name} does not answer") from None
        if done.exit_code:
            said = end(" ".join(done.stderr.split()), 300) or "it has another first process"
            raise CannotTell(
                f"the debug container {own} ({image}) {what}: {said}; its image needs a statically linked `sh` with "
                "`chroot`, `grep`, `cut` and `tr`, and the user of the container"
            )


def _states(pod: Object) -> dict[str, Mapping[str, Any]]:
    statuses = (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()
    return {str(one["name"]): one.get("state") or {} for one in statuses}
