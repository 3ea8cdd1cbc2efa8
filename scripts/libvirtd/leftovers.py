"""Remove everything made by a private libvirt daemon, known by its folder alone: also after its processes died."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "seatrial-libvirtd-"
LOCK = "lock"
"""In the folder; held by the keeper as long as it lives."""

CHAINS = {
    "filter": {"INPUT": ["INP"], "OUTPUT": ["OUT"], "FORWARD": ["FWX", "FWI", "FWO"]},
    "nat": {"POSTROUTING": ["PRT"]},
    "mangle": {"POSTROUTING": ["PRT"]},
}
"""libvirt's permanent hooks in iptables."""


def parent() -> Path:
    """The parent of the folders; short, because the path of a Unix socket has at most 107 bytes."""
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) < 50 else Path("/tmp")


def stale() -> list[Path]:
    """Folders of dead keepers."""
    return [folder for folder in sorted(parent().glob(f"{PREFIX}*")) if folder.is_dir() and not _held(folder)]


def _held(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        # Just being made, or half deleted.
        with contextlib.suppress(FileNotFoundError):
            return time.time() - folder.stat().st_mtime < 60
    return False


def take_away(folder: Path) -> list[str]:
    """End every process, delete every bridge and the folder; the leftovers, in words."""
    bridges = bridges_of(folder)
    left = _end_all(folder)
    for bridge in bridges:
        if Path("/sys/class/net", bridge).exists():
            deleted = _quiet("ip", "link", "delete", bridge)
            if deleted.returncode:
                left.append(f"the bridge {bridge}: {deleted.stderr.strip()}")
    _forget_rules(bridges)
    forget_chains()
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        left.append(f"the folder {folder}")
    return left


def bridges_of(folder: Path) -> set[str]:
    """The bridges made by its networks; a bridge only used by a network belongs to somebody else."""
    found: set[str] = set()
    for pattern in ("run/network/*.xml", "etc/qemu/networks/*.xml"):
        for file in folder.glob(pattern):
            text = file.read_text(errors="replace")
            if not re.search(r"<forward[^>]*mode=['\"](bridge|private|vepa|passthrough|hostdev)", text):
                found.update(re.findall(r"<bridge[^>]*\bname=['\"]([^'\"]+)", text))
    return found


def inhabitants(folder: Path) -> Iterator[int]:
    """Processes with this folder as /etc/libvirt: the keeper, the daemons, QEMU, dnsmasq."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for line in (entry / "mountinfo").read_text().splitlines():
                words = line.split(" ", 5)
                if words[4] == "/etc/libvirt" and words[3].endswith(f"{folder.name}/etc"):
                    yield int(entry.name)


def _end_all(folder: Path, patience: float = 10.0) -> list[str]:
    deadline = time.monotonic() + patience
    sent = signal.SIGTERM
    while alive := [pid for pid in inhabitants(folder) if pid != os.getpid()]:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
        if time.monotonic() > deadline:
            return [f"the process {pid}" for pid in alive]
        time.sleep(0.1)
        sent = signal.SIGTERM if time.monotonic() < deadline - patience * 0.8 else signal.SIGKILL
    return []


def _forget_rules(bridges: set[str]) -> None:
    """Delete firewall rules of removed bridges: a killed daemon could not."""
    for program in ("iptables", "ip6tables"):
        for table in CHAINS if bridges and shutil.which(program) else ():
            for rule in _quiet(program, "-w", "-t", table, "-S").stdout.splitlines():
                words = shlex.split(rule)
                if words[0] == "-A" and words[1].startswith("LIBVIRT_") and bridges.intersection(words):
                    _quiet(program, "-w", "-t", table, "-D", *words[1:])


def forget_chains() -> None:
    """Delete libvirt's chains when no libvirt daemon runs on this machine and no rule in them has an interface."""
    if _daemon_runs():
        return
    for program in ("iptables", "ip6tables"):
        if not shutil.which(program):
            continue
        for table, hooks in CHAINS.items():
            rules = _quiet(program, "-w", "-t", table, "-S").stdout
            if "-N LIBVIRT_" not in rules or _in_use(rules):
                continue
            chains = [(hook, f"LIBVIRT_{name}") for hook, names in hooks.items() for name in names]
            for hook, chain in chains:
                _quiet(program, "-w", "-t", table, "-D", hook, "-j", chain)
            for action in ("-F", "-X"):
                for _, chain in chains:
                    _quiet(program, "-w", "-t", table, action, chain)


def _in_use(rules: str) -> bool:
    ours = [line for line in rules.splitlines() if line.startswith("-A LIBVIRT_")]
    interfaces = {name for line in ours for name in re.findall(r" -[io] (\S+)", line)}
    return any(Path("/sys/class/net", name).exists() for name in interfaces)


def _daemon_runs() -> bool:
    for file in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if file.read_text().strip() in ("libvirtd", "virtnetworkd", "virtqemud"):
                return True
    return False


def _quiet(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
