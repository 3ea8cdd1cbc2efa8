"""In the app's folder: `kamal setup | deploy | remove -y | app exec [--reuse] [--primary] COMMAND… | version`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kamal.configuration import read
from kamal.deployment import Deployment
from kamal.erb import Wrong
from kamal.hosts import Failed


def main(argv: Sequence[str] | None = None) -> int:
    """0; 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="kamal", description="A stand-in for Kamal 2; see its README.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("setup", "deploy", "version"):
        commands.add_parser(name)
    commands.add_parser("remove").add_argument("-y", "--confirmed", action="store_true", required=True)
    inside = commands.add_parser("app").add_subparsers(dest="inside", required=True).add_parser("exec")
    inside.add_argument("--reuse", action="store_true")
    inside.add_argument("--primary", action="store_true")
    inside.add_argument("words", nargs=argparse.REMAINDER)
    asked = parser.parse_args(argv)
    if asked.command == "version":
        print("2 (stand-in)")
        return 0
    folder = Path.cwd()
    try:
        configuration = read(folder)
        deployment = Deployment(configuration, folder, version(folder), say)
        if asked.command == "app":
            deployment.execute(asked.words, reuse=asked.reuse, primary=asked.primary)
        else:
            {"setup": deployment.setup, "deploy": deployment.deploy, "remove": deployment.remove}[asked.command]()
    except (Wrong, Failed) as error:
        print(f"kamal (stand-in): {error}", file=sys.stderr)
        return 1
    return 0


def version(folder: Path) -> str:
    """The checked-out commit, as in Kamal."""
    if given := os.environ.get("VERSION"):
        return given
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong("the folder is no checkout of git, so there is no version; name one in VERSION")
    return done.stdout.strip()


def say(text: str) -> None:
    """One line of progress."""
    print(f"  INFO {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
