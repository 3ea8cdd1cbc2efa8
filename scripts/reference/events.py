"""The page of events, from the docstring of `Event`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

from scripts.reference.page import Page

from seatrial.loading.docstrings import attribute_docs
from seatrial.model.event import Event

_KIND = re.compile(r"^([a-z_]+) +(\S.*)$")


def kinds() -> Mapping[str, str]:
    """Each kind of event with its data, as the docstring has them."""
    found: dict[str, str] = {}
    last = ""
    for line in inspect.cleandoc(Event.__doc__ or "").splitlines():
        if match := _KIND.match(line):
            last, found[match[1]] = match[1], match[2]
        elif last and line.startswith("  "):
            found[last] += f" {line.strip()}"
        else:
            last = ""
    return found


def events() -> Page:
    """Every kind of event."""
    page = Page(
        "Events",
        "`events.jsonl` has one JSON object per line. Each is written before any reporter sees it, and every report is "
        "made from this file alone. Durations are in seconds.",
    )
    docs = attribute_docs(Event)
    page.heading("Every event")
    page.table(
        ("Key", "Meaning"),
        [
            ("`kind`", "One of the kinds below."),
            ("`at`", page.need(docs.get("at", ""), "Event.at has no docstring")),
            ("`run`", "The run's id."),
            ("`trial`", page.need(docs.get("trial", ""), "Event.trial has no docstring")),
            ("`data`", "What the kind has: see below."),
        ],
    )
    page.heading("Kinds")
    page.table(
        ("Kind", "Data"),
        ((f"`{kind}`", page.need(data, f"the event {kind!r} has no text")) for kind, data in kinds().items()),
    )
    page.say("A path of a repeated child carries its round: `3#2.1` is step 1 in round 2 of step 3.")
    return page
