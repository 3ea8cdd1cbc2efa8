"""The cluster of this machine for your own use: `python -m scripts.cluster up|down|load ARCHIVE|run COMMAND`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.cluster import shared
from scripts.cluster.spaces import Broken
from scripts.with_tools import environment


def main(argv: Sequence[str] | None = None) -> int:
    """Start it and keep it, end it once nobody uses it, or run a command with it; 0, or 1 with the reason."""
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="start it and keep it")
    down = verbs.add_parser("down", help="end it as soon as nobody uses it")
    down.add_argument("--force", action="store_true", help="also if another checkout keeps it")
    verbs.add_parser("load", help="import an image into its nodes").add_argument("archive", type=Path)
    verbs.add_parser("run", help="run a command with it in KUBECONFIG").add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    try:
        use = shared.running() if options.verb == "down" else shared.join()
    except Broken as error:
        print(f"no cluster: {error}", file=sys.stderr)
        return 1
    if use is None:
        print("no cluster is running")
        return 0
    code = 0
    if options.verb == "up":
        use.say(shared.KEEP)
        print(f"export KUBECONFIG={use.kubeconfig}\n# context {use.context}; end it with `make cluster-down`")
    elif options.verb == "down":
        use.say(shared.FORCE if options.force else shared.END)
    elif options.verb == "load":
        use.load(options.archive)
    else:
        given = {**environment(os.environ), "KUBECONFIG": str(use.kubeconfig), "POD_HOST": use.host}
        code = subprocess.run(options.words, env=given, check=False).returncode
    left = use.leave()
    if left.startswith(shared.KEPT):
        print(f"{left}; end it all the same: python -m scripts.cluster down --force", file=sys.stderr)
    elif left:
        print(f"left behind: {left}", file=sys.stderr)
    return code or int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
