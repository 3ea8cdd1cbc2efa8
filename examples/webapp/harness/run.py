"""`make example-webapp`: the four suites of `e2e.yaml` on this machine, with everything removed afterwards.

All arguments go to `seatrial run`, for example `--run-test cloudstack-workflow-web-only`; `--sweep` alone only removes
the leftovers of a killed one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from stand import APP, Missing, Stand, left

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHECKOUT = APP.parent.parent


def main(arguments: Sequence[str]) -> int:
    """The exit code of the run, or of `seatrial clean`."""
    try:
        ports = list(left())
        with Stand(port=ports[0] if ports else 0) as stand:
            environment = {**os.environ, **stand.environment}
            if ports:
                print("an earlier run was killed: giving back what it left", flush=True)
                cleaned = _seatrial(["clean"], environment)
                if list(arguments) == ["--sweep"] or cleaned:
                    return cleaned
            elif list(arguments) == ["--sweep"]:
                return 0
            document = str(APP.relative_to(CHECKOUT) / "e2e.yaml")
            earlier = _runs()
            code = _seatrial(["run", document, "--parallel", "1", *arguments], environment)
            if code < 0:  # it was killed, but this process was not
                _seatrial(["clean"], environment)
            if new := sorted(_runs() - earlier):  # the first is this run, even if somebody else began one meanwhile
                print(flush=True)
                _seatrial(["report", new[0], "--format", "github"], environment)
            return code if code >= 0 else 128 - code
    except Missing as error:
        print(f"make example-webapp: {error}", file=sys.stderr)
        return 3
    except AssertionError as error:  # a problem of the GitHub server: an answer unlike GitHub's
        print(f"make example-webapp: a fault of what stands in here: {error}", file=sys.stderr)
        return 3


def _runs() -> set[str]:
    """The runs with a report, in the order of time."""
    return {folder.name for folder in (CHECKOUT / ".seatrial" / "runs").glob("r*")}


def _seatrial(arguments: Sequence[str], environment: dict[str, str]) -> int:
    """Run the real command in its own process group; forward signals to it, and wait for its cleanup."""
    # The kernel signals it when this process is killed.
    argv = ["setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", "seatrial", *arguments]
    with subprocess.Popen(argv, cwd=CHECKOUT, env=environment, start_new_session=True) as running:

        def forward(number: int, _frame: FrameType | None) -> None:
            running.send_signal(number)

        before = {number: signal.signal(number, forward) for number in FORWARDED}
        try:
            return running.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
