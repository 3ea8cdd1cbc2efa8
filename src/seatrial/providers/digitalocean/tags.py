"""Tags of DigitalOcean: words without a value, in one namespace of the account, and things of their own.

A trial's tags all begin with the name of the trial, so that they are its own and can be removed with it:
`seatrial-RUN-TRIAL` and `seatrial-RUN-TRIAL:KEY:VALUE`. A tag's case does not count, so values have no capital letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from seatrial.providers.clouds.tags import RUN, TRIAL, Tagging

TAGGING = Tagging(plain="a-z0-9-", longest=120)
RUN_KEY, TRIAL_KEY = TAGGING.key(RUN), TAGGING.key(TRIAL)
_TAG = re.compile(r"(seatrial-(r[0-9a-z]+)-(t[0-9a-z]+))(?::([a-z0-9_-]+):(.*))?")


def words(name: str, tags: Mapping[str, str]) -> list[str]:
    """The tags of a machine of the trial with this name."""
    return [name, *(f"{name}:{key}:{value}" for key, value in tags.items() if key not in (RUN_KEY, TRIAL_KEY))]


def mapping(found: Iterable[str]) -> dict[str, str]:
    """The labels in a droplet's tags; foreign tags have an empty value."""
    tags: dict[str, str] = {}
    for word in found:
        match = _TAG.fullmatch(word.lower())
        if match is None:
            tags[word] = ""
            continue
        tags |= {RUN_KEY: match[2], TRIAL_KEY: match[3]}
        if match[4]:
            tags[match[4]] = match[5]
    return tags


def own(name: str, found: Iterable[str]) -> list[str]:
    """The tags of the trial with this name."""
    return [word for word in found if word == name or word.startswith(f"{name}:")]
