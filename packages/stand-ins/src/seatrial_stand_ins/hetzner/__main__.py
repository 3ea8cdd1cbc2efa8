"""`python -m seatrial_stand_ins.hetzner`: the server as a command, until a signal ends it."""

import sys

from seatrial_stand_ins.command import main
from seatrial_stand_ins.hetzner.server import HetznerServer

if __name__ == "__main__":
    sys.exit(main(HetznerServer, "seatrial_stand_ins.hetzner"))
