"""`python -m seatrial_stand_ins.cloudstack`: the server as a command, until a signal ends it."""

import sys

from seatrial_stand_ins.cloudstack.server import CloudStackServer
from seatrial_stand_ins.command import main

if __name__ == "__main__":
    sys.exit(main(CloudStackServer, "seatrial_stand_ins.cloudstack"))
