"""The actions that this runner knows, by name."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.testing.github.runner.actions.artifacts import download, upload
from seatrial.testing.github.runner.actions.cache import cache
from seatrial.testing.github.runner.actions.checkout import checkout
from seatrial.testing.github.runner.actions.setup import setup
from seatrial.testing.github.runner.calls import ActionFunction

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
