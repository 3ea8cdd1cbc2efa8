"""`make example-webapp`: the four suites of `e2e.yaml` on this machine, and nothing of them is left.

Everything that it is given goes to `seatrial run`, such as `--run-test cloudstack-workflow-web-only`; `--sweep` alone
only takes away what a killed one left.
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
            if code < 0:  # it was killed, and we were not
                _seatrial(["clean"], environment)
            if new := sorted(_runs() - earlier):  # the first is ours, if somebody else began one meanwhile
                print(flush=True)
                _seatrial(["report", new[0], "--format", "github"], environment)
            return code if code >= 0 else 128 - code
    except Missing as error:
        print(f"make example-webapp: {error}", file=sys.stderr)
        return 3
    except AssertionError as error:  # what the GitHub server says when it had to answer what GitHub would not
        print(f"make example-webapp: a fault of what stands in here: {error}", file=sys.stderr)
        return 3


def _runs() -> set[str]:
    """The runs that have a report; their names are in the order of time."""
    return {folder.name for folder in (CHECKOUT / ".seatrial" / "runs").glob("r*")}


def _seatrial(arguments: Sequence[str], environment: dict[str, str]) -> int:
    """Run the real command in a process group of its own; who is told to end tells it, and waits for its clean-up."""
    # When this process is killed, it is told to end.
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
