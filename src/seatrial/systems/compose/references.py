"""Names in compose files that nothing in them has: `podman-compose` ends with a traceback, after a while."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seatrial.errors import closest

DECLARED = ("networks", "volumes", "secrets", "configs")
"""What a service uses by the name at the top of the file."""

SHARED = ("network_mode", "ipc", "pid")
"""What a service can share with another one: `service:NAME`."""

ALWAYS_THERE = {"networks": frozenset({"default", "host", "none"})}

KEYS = frozenset(
    re.findall(
        r"\w+",
        """
        annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name
        cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset
        credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search domainname
        entrypoint env_file environment expose extends external_links extra_hosts gpus group_add healthcheck
        hostname image init ipc isolation label_file labels links logging mac_address mem_limit mem_reservation
        mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit
        platform ports post_start pre_stop privileged profiles provider pull_policy read_only restart runtime scale
        secrets security_opt shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits
        use_api_socket user userns_mode uts volumes volumes_from working_dir
        """,
    )
)
"""The keys of a service in the Compose specification; `x-…` is for other programs."""

_PLAIN = re.compile(r"[\w.-]+")


class Reference(NamedTuple):
    """A name that a service uses."""

    kind: str
    """`services`, or one of `DECLARED`."""
    name: str


def used_by(service: Mapping[str, Any]) -> Iterator[Reference]:
    """The names that must be somewhere in the files; those with a variable are only known to the tool."""
    for kind, name in _used_by(service):
        if _PLAIN.fullmatch(name):
            yield Reference(kind, name)


def _used_by(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    needs = service.get("depends_on")
    for name in _names(needs):
        how = needs[name] if isinstance(needs, Mapping) else None
        if not (isinstance(how, Mapping) and how.get("required") is False):
            yield "services", name
    for link in _names(service.get("links")):
        yield "services", link.partition(":")[0]
    for key in SHARED:
        if str(service.get(key, "")).startswith("service:"):
            yield "services", str(service[key]).removeprefix("service:")
    for name in _names(service.get("networks")):
        yield "networks", name
    for volume in _list(service.get("volumes")):
        if isinstance(volume, Mapping):
            yield from [("volumes", str(volume["source"]))] if _is_named(volume) else ()
        elif ":" in str(volume) and not str(volume).startswith((".", "/", "~")):
            yield "volumes", str(volume).partition(":")[0]
    for kind in ("secrets", "configs"):
        for one in _list(service.get(kind)):
            yield kind, str(one.get("source", "") if isinstance(one, Mapping) else one)


def misspelt_keys(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Unknown keys of a service that are near a known one, with that one. Any other may be of a newer tool."""
    for key in service:
        if key not in KEYS and not str(key).startswith("x-") and (near := closest(str(key), KEYS, cutoff=0.75)):
            yield str(key), near


def missing_env_files(service: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """The files with variables that a service needs and that do not exist."""
    given = service.get("env_file")
    for one in given if isinstance(given, list) else [given]:
        told: Mapping[str, Any] = one if isinstance(one, Mapping) else {"path": one or ""}
        name = str(told.get("path", ""))
        if (
            name
            and "$" not in name
            and told.get("required") is not False
            and not (folder / Path(name).expanduser()).exists()
        ):
            yield name


def missing_for_build(service: Mapping[str, Any], folder: Path) -> str:
    """The folder or file that a trial needs to build the service's image and that does not exist; empty: none, or only
    the tool knows it."""
    build = service.get("build")
    told: Mapping[str, Any] = build if isinstance(build, Mapping) else {"context": build or ""}
    context, file = str(told.get("context", ".")), str(told.get("dockerfile", ""))
    if not context or "image" in service or re.search(r"\$|://|^git@|\.git\b", context + file):
        return ""
    place = folder / Path(context).expanduser()
    if not place.exists():
        return context
    wanted = [file] if file else ["Dockerfile", "Containerfile"]
    if "dockerfile_inline" in told or any((place / name).exists() for name in wanted):
        return ""
    return f"{context.rstrip('/')}/{wanted[0]}"


def _names(value: object) -> Sequence[str]:
    return [str(name) for name in value] if isinstance(value, list | Mapping) else ()


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _is_named(volume: Mapping[str, Any]) -> bool:
    return volume.get("type", "volume") == "volume" and bool(volume.get("source"))
