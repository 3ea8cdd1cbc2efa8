"""The actions built into this runner, by name."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial_stand_ins.github.runner.actions.artifacts import download, upload
from seatrial_stand_ins.github.runner.actions.cache import cache
from seatrial_stand_ins.github.runner.actions.checkout import checkout
from seatrial_stand_ins.github.runner.actions.setup import setup
from seatrial_stand_ins.github.runner.calls import ActionFunction

BUILT_IN: Mapping[str, ActionFunction] = {
    "actions/cache": cache,
    "actions/cache/restore": cache,
    "actions/cache/save": cache,
    "actions/checkout": checkout,
    "actions/download-artifact": download,
    "actions/setup-*": setup,
    "actions/upload-artifact": upload,
    "ruby/setup-ruby": setup,
}
