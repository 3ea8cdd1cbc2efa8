"""`services`: list, start and stop shared services."""

from __future__ import annotations

import json
import sys

from seatrial.cli.parser import FORMAT, Arguments, Command, argument, choice, flag
from seatrial.errors import UsageError

ACTIONS = ("list", "start", "stop", "logs", "add")


def services(arguments: Arguments) -> int:
    from seatrial.app import services as app

    action, names = arguments.action, arguments.names
    if action == "list":
        found = [row for row in app.rows() if not names or row["name"] in names]
        text = json.dumps(found, indent=2) + "\n" if arguments.format == "json" else app.listing(found)
    elif action == "start":
        text = "".join(f"{line}\n" for line in app.start(names))
    elif action == "stop" and arguments.forget:
        return _forget(names, force=arguments.force)
    elif action == "stop":
        done, refused = app.stopped(names, force=arguments.force)
        text = "".join(f"stopped {name}\n" for name in done) or ("" if refused else "no service runs\n")
        for line in refused:
            sys.stderr.write(f"error: not stopped: {line}\n")
        sys.stdout.write(text)
        return 3 if refused else 0
    elif len(names) > 1 or (action == "logs" and not names):
        raise UsageError(f"seatrial services {action}: give the name of one service")
    else:
        text = app.log(names[0], arguments.lines) if action == "logs" else app.add(names[0] if names else "")
    sys.stdout.write(text)
    return 0


def _forget(names: list[str], *, force: bool) -> int:
    from seatrial.app import services as app

    if not names:
        raise UsageError("seatrial services stop --forget: give the names of the services")
    done, left, refused = app.forgotten(names, force=force)
    sys.stdout.write("".join(f"forgot {name}\n" for name in done) + "".join(f"LEFT BEHIND: {what}\n" for what in left))
    for line in refused:
        sys.stderr.write(f"error: not stopped: {line}\n")
    return 4 if left else 3 if refused else 0


COMMANDS = {
    "services": Command(
        act=services,
        arguments=(
            choice("action", ACTIONS, nargs="?", default="list", metavar="ACTION",
                   help="list (default), start, stop, logs, or add: copy a ready-made definition into seatrial.toml"),
            argument("names", nargs="*", default=[], metavar="NAME",
                     help="services (default: all of the project; for stop, all that run)"),
            flag("--force", help="stop: also a service that a run is using; the run becomes unknown"),
            flag("--forget", help="stop: also where its cluster or host is gone; what cannot be removed is named"),
            argument("-n", "--lines", type=int, default=100, metavar="N", help="logs: number of lines (default 100)"),
            FORMAT,
        ),
        more="Runs start the services they need, and share them. A service stops when nobody has used it for its time "
        "`idle`. One that you start here runs until you stop it.",
        examples=(
            ("services", "the project's services, and all that run on this machine"),
            ("services start gitea", "start it and those it needs, and hold them"),
            ("services logs gitea -n 50", "its last output"),
            ("services stop gitea", "stop it, unless a run is using it"),
            ("services stop gitea --forget", "its cluster is gone: end its record, and name what remains"),
            ("services add prometheus", "copy a ready-made definition; without a name: list them"),
        ),
    ),
}  # fmt: skip
