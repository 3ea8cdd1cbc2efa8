"""A plugin of the tests: each look of a check, and when it was, as JSON lines in the file of `SEATRIAL_TEST_LOOKS`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from seatrial.engine.context import TrialContext

seen = TrialContext.seen
file = Path(os.environ["SEATRIAL_TEST_LOOKS"]).open("a", buffering=1)  # noqa: SIM115 - to the end of the process


def writing(self: TrialContext, text: str, *, measured: bool) -> None:
    if self._around is None:  # a look is told to the steps around it too
        line = {"at": time.time(), "suite": self.suite.name, "step": self.step, "measured": measured, "text": text}
        file.write(json.dumps(line) + "\n")
    seen(self, text, measured=measured)


TrialContext.seen = writing  # type: ignore[method-assign]
