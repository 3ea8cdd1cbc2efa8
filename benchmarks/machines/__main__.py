"""Measure real machines beside the same done by hand: `python -m benchmarks.machines`, or `make bench-machines`.

Exit code 0 when every run did its work, whatever the numbers are; 1 when one did not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.machines import containers, looks, virtual
from benchmarks.machines.told import Told, show
from benchmarks.measure import RunFailed

WHAT: dict[str, Callable[[Path, argparse.Namespace], Told]] = {
    "containers": lambda scratch, options: containers.measure(scratch, options.runs, options.engine),
    "machines": lambda scratch, options: virtual.boots(scratch, options.runs),
    "snapshot": lambda scratch, options: virtual.snapshots(scratch),
    "ready": lambda scratch, options: looks.ready(scratch, options.runs),
    "service": lambda scratch, options: looks.service_ready(scratch, options.runs),
    "health": lambda scratch, options: looks.health(scratch, options.engine),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machines", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="measured turns of each, after one that is not counted")
    parser.add_argument("--only", default=",".join(WHAT), metavar="NAMES", help=f"of {', '.join(WHAT)}")
    parser.add_argument("--engine", default="podman", help="podman or docker")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    if unknown := set(options.only.split(",")) - set(WHAT):
        parser.error(f"{', '.join(sorted(unknown))}: allowed are {', '.join(WHAT)}")
    return options


def main() -> int:
    options = arguments()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.runs} turns after a warm-up", flush=True)
    failed = False
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        scratch = Path(name)
        scratch.chmod(0o711)  # QEMU may run as another user, and reaches its disks through here
        os.environ["SEATRIAL_CACHE_DIR"] = str(scratch / "cache")
        for what in options.only.split(","):
            try:
                show(WHAT[what](scratch, options))
            except RunFailed as failure:
                print(f"\n{what}: a run failed. {failure}", file=sys.stderr)
                failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
