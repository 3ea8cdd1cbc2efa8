"""What the kernel tells of a process."""

import os
import subprocess
import sys

from seatrial.links.process import process_start


def test_a_living_process_has_a_start_that_stays_the_same() -> None:
    assert process_start(os.getpid()).isdigit()
    assert process_start(os.getpid()) == process_start(os.getpid())


def test_a_zombie_has_one_only_when_it_is_asked_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_start(child.pid) == ""
    assert process_start(child.pid, zombie=True).isdigit()
    child.wait()
    assert process_start(child.pid, zombie=True) == ""
