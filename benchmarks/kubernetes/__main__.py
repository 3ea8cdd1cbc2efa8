"""Measure Seatrial in a real cluster beside Chainsaw: `python -m benchmarks.kubernetes`, or `make bench-kubernetes`.

It needs root and `make backends`; Chainsaw is built once into your cache folder. Exit code 0 when every run did its
work, whatever the numbers are; 1 when one did not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.kubernetes import chainsaw
from benchmarks.machines.told import show
from benchmarks.measure import RunFailed
from scripts.cluster import shared
from scripts.cluster.spaces import Broken
from scripts.images.cache import Failed
from scripts.real_tools import LeftOut, provide, tools


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kubernetes", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="measured turns of each, after one that is not counted")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    try:
        provide(tools()["chainsaw"])
        use = shared.join()
    except (Broken, Failed, LeftOut) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.runs} turns after a warm-up", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as scratch:
            show(chainsaw.measure(Path(scratch), options.runs, use.kubeconfig, tools()["chainsaw"].path))
    except RunFailed as failure:
        print(f"\nA run failed. {failure}", file=sys.stderr)
        return 1
    finally:
        use.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
