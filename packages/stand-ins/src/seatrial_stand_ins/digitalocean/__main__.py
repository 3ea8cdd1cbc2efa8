"""`python -m seatrial_stand_ins.digitalocean`: the server as a command, until a signal ends it."""

import sys

from seatrial_stand_ins.command import main
from seatrial_stand_ins.digitalocean.server import DigitalOceanServer

if __name__ == "__main__":
    sys.exit(main(DigitalOceanServer, "seatrial_stand_ins.digitalocean"))
