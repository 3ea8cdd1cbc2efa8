"""`python -m seatrial_stand_ins.azure`: the server as a command, until a signal ends it."""

import sys

from seatrial_stand_ins.azure.server import AzureServer
from seatrial_stand_ins.command import main

if __name__ == "__main__":
    sys.exit(main(AzureServer, "seatrial_stand_ins.azure"))
