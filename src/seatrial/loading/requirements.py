"""Requirements of a suite on the machine running Seatrial; a suite with unmet requirements is skipped."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROGRAMS = {
    "libvirt": (),
    "podman": ("podman",),
    "docker": ("docker",),
    "containers": ("podman", "docker"),
    "kubernetes": ("kubectl",),
    "kubectl": ("kubectl",),
    "kind": ("kind",),
    "helm": ("helm",),
    "terraform": ("terraform",),
    "tofu": ("tofu",),
    "ansible": ("ansible-playbook",),
    "kvm": (),
}
"""`<name>_available: true`, or `<name>: true`: any one of the programs is enough; libvirt is a daemon, KVM a device."""

PROVIDERS = {
    **dict.fromkeys(("libvirt", "kvm"), "libvirt"),
    **dict.fromkeys(("podman", "docker", "containers"), "containers"),
    **dict.fromkeys(("kubernetes", "kubectl", "kind"), "kubernetes"),
}
"""The provider of a requirement: `--on` with another provider drops it."""

SIZES = ("min_memory_gb", "min_cpus")
LISTS = ("commands", "env")
KNOWN = (*SIZES, *LISTS, *(f"{name}_available" for name in PROGRAMS))


def can_check(name: str) -> bool:
    """Whether Seatrial can check a requirement of this name; others are taken as parameters."""
    return name in SIZES or name in LISTS or name.removesuffix("_available") in PROGRAMS


def described_requirement(name: str) -> str:
    """The meaning of a requirement, for the reference."""
    thing = name.removesuffix("_available")
    return {
        "min_memory_gb": "Minimum memory in GB.",
        "min_cpus": "Minimum number of CPUs.",
        "commands": "Required programs.",
        "env": "Required environment variables.",
        "libvirt": "A libvirt daemon must answer.",
        "kvm": "/dev/kvm must be usable.",
    }.get(thing, f"{' or '.join(PROGRAMS.get(thing, ()))} must be installed.")


def wrong(name: str, value: object) -> str:
    """The allowed values if this one is invalid, else empty."""
    if name in SIZES:
        good = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        return "" if good else "allowed: a number from 0"
    if name in LISTS:
        good = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
        return "" if good else "allowed: a list of names"
    return "" if isinstance(value, bool) else "allowed: true, false"


def foreign(name: str, provider: str, on: str) -> bool:
    """Whether `--on` makes a requirement irrelevant: it belongs to another provider, or sizes the original one."""
    if not on:
        return False
    return (name in SIZES and on != provider) or PROVIDERS.get(name.removesuffix("_available"), on) != on


def unmet(
    requirements: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    provider: str = "",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Why the suite cannot run here, empty if it can. `settings` are those of all providers, by name."""
    reasons = []
    for name, value in requirements.items():
        if name.removesuffix("_available") != "libvirt":
            reasons.append(_unmet(name, value, environ))
        elif value:
            from seatrial.links.libvirt import why_absent

            given = (settings or {}).get("libvirt", {})
            uri = str(given.get("uri") or environ.get("LIBVIRT_DEFAULT_URI") or "")
            why = why_absent(uri, ours=provider == "libvirt")
            reasons.append(why and f"libvirt is not available here: {why}")
    return "; ".join(filter(None, reasons))


def _unmet(name: str, value: Any, environ: Mapping[str, str]) -> str:
    if name == "min_memory_gb":
        # A machine sold with 32 GB reports a little less.
        return f"it needs {value:g} GB of memory; this machine has {_memory():.1f}" if _memory() < value * 0.95 else ""
    if name == "min_cpus":
        return f"it needs {value:g} CPUs; this machine has {cores()}" if cores() < value else ""
    if name == "commands":
        missing = [program for program in value if not _found(program)]
        return f"these commands are not installed: {', '.join(missing)}" if missing else ""
    if name == "env":
        missing = [variable for variable in value if not environ.get(variable)]
        return f"these environment variables are not set: {', '.join(missing)}" if missing else ""
    thing = name.removesuffix("_available")
    present = os.access("/dev/kvm", os.R_OK | os.W_OK) if thing == "kvm" else any(map(_found, PROGRAMS[thing]))
    if not value or present:
        return ""
    return f"{thing} is not available here ({' or '.join(PROGRAMS[thing]) or '/dev/kvm'} not found)"


@functools.cache
def _found(program: str) -> bool:
    return shutil.which(program) is not None


@functools.cache
def _memory() -> float:
    """The memory of this machine in GB (2^30 bytes)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        total = next(line for line in lines if line.startswith("MemTotal:"))
        return int(total.split()[1]) / 2**20
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def cores() -> int:
    """The number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
